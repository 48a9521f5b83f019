//! The way between one worker and the dead-letter log: each message for itself.
//!
//! Unlike a lane the log answers in any order: messages of a vehicle that has used up its share
//! wait there, those of others do not.

use std::collections::HashMap;

use tokio::sync::mpsc::UnboundedSender;

use super::group::{Run, Tickets};
use crate::{
    dead_letter::{Handle, Submission},
    model::{DeadLetter, LetterKind},
    spool::{EntryBuffer, Settled},
};

/// One worker's side of the dead-letter log.
#[derive(Debug)]
pub(super) struct LetterLane<T> {
    index: u16,
    log: Handle,
    replies: UnboundedSender<Settled>,
    /// Not handed over yet.
    open: Vec<Submission>,
    /// Whose message each token stands for, and its bytes.
    sent: HashMap<u64, (Run<T>, usize)>,
    next_token: u64,
    /// Bytes of all that is not durable yet.
    unsettled_bytes: usize,
}

impl<T: Clone> LetterLane<T> {
    pub(super) fn new(index: u16, log: Handle, replies: UnboundedSender<Settled>) -> Self {
        Self {
            index,
            log,
            replies,
            open: Vec::new(),
            sent: HashMap::new(),
            next_token: 0,
            unsettled_bytes: 0,
        }
    }

    /// Takes the letters of one message of so many bytes.
    pub(super) fn push(&mut self, letters: Vec<DeadLetter>, bytes: usize, owner: &T, seq: u64) {
        let token = self.next_token;
        self.next_token += 1;
        self.unsettled_bytes += bytes;
        let run = Run { owner: owner.clone(), first: seq, count: 1 };
        self.sent.insert(token, (run, bytes));
        let (lane, to) = (self.index, self.replies.clone());
        let durable = move || {
            let entry = EntryBuffer::new();
            // A worker that is gone has nobody left to acknowledge to.
            drop(to.send(Settled { lane, token, durable: true, entry }));
        };
        let kind = LetterKind::Message;
        self.open.push(Submission { kind, letters, durable: Box::new(durable) });
    }

    /// Hands over what has gathered.
    pub(super) fn submit(&mut self) {
        if !self.open.is_empty() {
            self.log.submit(self.open.drain(..));
        }
    }

    /// Whose message is durable now.
    pub(super) fn answered(&mut self, answer: &Settled) -> Tickets<T> {
        let sent = self.sent.remove(&answer.token);
        let (run, bytes) = sent.expect("the log answers each submission once");
        self.unsettled_bytes -= bytes;
        Tickets::of(self.index, run)
    }

    pub(super) fn unsettled_bytes(&self) -> usize {
        self.unsettled_bytes
    }
}
