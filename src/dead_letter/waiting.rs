//! Letters that wait for room, and why.

use std::collections::VecDeque;

use crate::{dead_letter::thread::Pending, model::LetterKind};

/// Why letters wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitReason {
    /// Their vehicle's share is used up.
    Share,
    /// The part of the log for their kind is used up.
    Bound,
    /// The disk has no room.
    Disk,
}

/// Letters without room in their order of arrival, and their sums.
#[derive(Default)]
pub(super) struct Waiting {
    list: VecDeque<Pending>,
    /// Letters, by kind and reason.
    letters: [[u64; 3]; 2],
    /// Bytes of memory.
    bytes: usize,
    /// The reason why later letters of a kind wait, too.
    blocked: [Option<WaitReason>; 2],
    /// The vehicle whose share was used up first.
    owner: Option<String>,
}

impl Waiting {
    pub(super) fn push(&mut self, pending: Pending, reason: WaitReason) {
        let kind = pending.kind as usize;
        self.letters[kind][reason as usize] += u64::from(pending.entry.items);
        self.bytes += pending.entry.capacity();
        match reason {
            WaitReason::Share => {
                let owner = pending.owners.first().map(|(owner, _)| owner);
                self.owner = self.owner.take().or_else(|| owner.cloned());
            }
            WaitReason::Bound | WaitReason::Disk => self.blocked[kind] = Some(reason),
        }
        self.list.push_back(pending);
    }

    /// Takes all of them, to be tried again.
    pub(super) fn take(&mut self) -> VecDeque<Pending> {
        std::mem::take(self).list
    }

    /// The reason why a new letter of a kind has to wait behind others.
    pub(super) fn blocked(&self, kind: LetterKind) -> Option<WaitReason> {
        self.blocked[kind as usize]
    }

    pub(super) fn is_for_disk(&self) -> bool {
        self.blocked.contains(&Some(WaitReason::Disk))
    }

    pub(super) fn letters(&self, kind: LetterKind, reason: WaitReason) -> u64 {
        self.letters[kind as usize][reason as usize]
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
