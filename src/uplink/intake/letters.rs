//! One worker's side of the dead-letter log, which answers for each message separately.
//!
//! Unlike a lane, the log answers in any order: messages of a vehicle that has used up its share
//! wait there, messages of other vehicles do not.

use std::{fmt, sync::Arc};

use super::group::{Group, Reply};
use crate::{
    dead_letter::{Handle, Submission},
    model::{DeadLetter, LetterKind},
    spool,
    uplink::MemoryBudget,
};

/// One worker's side of the dead-letter log.
pub(super) struct Letters<K> {
    log: Handle,
    /// Not handed over yet.
    open: Vec<Submission>,
    budget: Arc<MemoryBudget>,
    reply: Reply<K>,
}

impl<K> fmt::Debug for Letters<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letters").field("open", &self.open).finish_non_exhaustive()
    }
}

impl<K: Copy + PartialEq + Send + 'static> Letters<K> {
    pub(super) fn new(log: Handle, budget: Arc<MemoryBudget>, reply: Reply<K>) -> Self {
        Self { log, open: Vec::new(), budget, reply }
    }

    /// Takes the letters of one message, `owner`'s publish number `seq`.
    pub(super) fn push(&mut self, letters: Vec<DeadLetter>, owner: K, seq: u64) {
        let bytes = letters.iter().map(memory).sum();
        let (budget, reply) = (Arc::clone(&self.budget), Arc::clone(&self.reply));
        let group = Group::of_letters(budget, reply, owner, seq, bytes);
        let waiting = Waiting(Some(Box::new(group)));
        let durable = move || waiting.answer(true);
        let kind = LetterKind::Message;
        self.open.push(Submission { kind, letters, durable: Box::new(durable) });
    }

    /// Hands over the gathered letters.
    pub(super) fn submit(&mut self) {
        if !self.open.is_empty() {
            self.log.submit(self.open.drain(..));
        }
    }
}

/// The group of a message that waits for its letters: answered once, also if the log drops the
/// letters.
struct Waiting<K: Copy + PartialEq + Send + 'static>(Option<Box<Group<K>>>);

impl<K: Copy + PartialEq + Send + 'static> Waiting<K> {
    fn answer(mut self, durable: bool) {
        self.take(durable);
    }

    fn take(&mut self, durable: bool) {
        if let Some(group) = self.0.take() {
            spool::Submission::answer(group, durable);
        }
    }
}

impl<K: Copy + PartialEq + Send + 'static> Drop for Waiting<K> {
    fn drop(&mut self) {
        self.take(false);
    }
}

/// Approximate bytes of memory that a letter takes.
fn memory(letter: &DeadLetter) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let payload = letter.payload.as_ref().map_or(0, Vec::len);
    let texts = text(&letter.topic) + text(&letter.vehicle) + letter.detail.len();
    size_of::<DeadLetter>() + texts + payload
}
