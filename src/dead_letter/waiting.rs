//! What found no room, and why.

use std::collections::VecDeque;

use crate::{dead_letter::keeper::Pending, model::LetterKind};

/// Why letters wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    /// Their vehicle's share is used up.
    Share,
    /// The part of the log for their kind is used up.
    Bound,
    /// The disk has no room.
    Disk,
}

/// Letters without room, in the order in which they came, and their sums.
#[derive(Default)]
pub(super) struct Waiting {
    list: VecDeque<Pending>,
    /// Letters, by kind and reason.
    letters: [[u64; 3]; 2],
    /// Bytes of memory.
    bytes: usize,
    /// Why a whole kind waits.
    ahead: [Option<Waits>; 2],
    /// Whose share was used up first.
    owner: Option<String>,
}

impl Waiting {
    pub(super) fn push(&mut self, pending: Pending, waits: Waits) {
        let kind = pending.kind as usize;
        self.letters[kind][waits as usize] += u64::from(pending.entry.items);
        self.bytes += pending.entry.capacity();
        match waits {
            Waits::Share => {
                let owner = pending.owners.first().map(|(owner, _)| owner);
                self.owner = self.owner.take().or_else(|| owner.cloned());
            }
            Waits::Bound | Waits::Disk => self.ahead[kind] = Some(waits),
        }
        self.list.push_back(pending);
    }

    /// All of it, to be tried again.
    pub(super) fn take(&mut self) -> VecDeque<Pending> {
        std::mem::take(self).list
    }

    /// Why what comes now has to wait behind others of its kind.
    pub(super) fn ahead(&self, kind: LetterKind) -> Option<Waits> {
        self.ahead[kind as usize]
    }

    pub(super) fn is_for_disk(&self) -> bool {
        self.ahead.contains(&Some(Waits::Disk))
    }

    pub(super) fn letters(&self, kind: LetterKind, waits: Waits) -> u64 {
        self.letters[kind as usize][waits as usize]
    }

    pub(super) fn letters_in_all(&self) -> u64 {
        self.letters.iter().flatten().sum()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn owner(&self) -> &str {
        self.owner.as_deref().unwrap_or_default()
    }
}
