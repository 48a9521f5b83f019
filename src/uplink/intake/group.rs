//! The groups between one worker and one lane: the one that gathers, and those on their way.

use std::collections::VecDeque;

use tokio::sync::mpsc::UnboundedSender;

use crate::spool::{CommitHandle, EntryBuffer, Reply, Settled, Submission};

/// `count` publishes of one owner, numbered from `first`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run<T> {
    /// Whose.
    pub owner: T,
    /// The number of the first.
    pub first: u64,
    /// How many.
    pub count: u32,
}

/// The publishes of one group that became durable.
#[derive(Debug)]
pub struct Tickets<T> {
    lane: u16,
    runs: Vec<Run<T>>,
}

impl<T> Tickets<T> {
    /// The runs, in the order in which they were taken.
    pub fn runs(&self) -> &[Run<T>] {
        &self.runs
    }

    pub(super) fn lane(&self) -> u16 {
        self.lane
    }
}

/// One worker's side of one lane.
#[derive(Debug)]
pub(super) struct Lane<T> {
    index: u16,
    commit: CommitHandle,
    /// Who waits for the open group.
    runs: Vec<Run<T>>,
    /// Points in the open group.
    points: u64,
    /// Payload bytes in the open group.
    bytes: usize,
    /// Payload bytes in the open group and in those on their way. Never shrinks for a lane that
    /// halted, so that its sessions stop reading.
    unsettled_bytes: usize,
    /// Groups on their way, oldest first; a lane answers in order.
    sent: VecDeque<Sent<T>>,
    next_token: u64,
    /// Emptied lists and buffers, to be used again. Bounded by the groups ever on their way at
    /// once.
    spare_runs: Vec<Vec<Run<T>>>,
    spare_entries: Vec<EntryBuffer>,
}

#[derive(Debug)]
struct Sent<T> {
    token: u64,
    bytes: usize,
    runs: Vec<Run<T>>,
}

/// How many emptied buffers are kept; more come only from a burst.
const SPARE_MAX: usize = 8;
/// A buffer that a burst grew beyond this is given back to the system.
const SPARE_BYTES_MAX: usize = 256 * 1024;

impl<T: Clone + PartialEq> Lane<T> {
    pub(super) fn new(index: u16, commit: CommitHandle) -> Self {
        Self {
            index,
            commit,
            runs: Vec::new(),
            points: 0,
            bytes: 0,
            unsettled_bytes: 0,
            sent: VecDeque::new(),
            next_token: 0,
            spare_runs: Vec::new(),
            spare_entries: Vec::new(),
        }
    }

    /// Notes who waits for what was just appended to the open group.
    pub(super) fn wait(&mut self, points: u64, bytes: usize, owner: &T, seq: u64) {
        self.points += points;
        self.bytes += bytes;
        self.unsettled_bytes += bytes;
        match self.runs.last_mut() {
            Some(run) if run.owner == *owner && run.first + u64::from(run.count) == seq => {
                run.count += 1;
            }
            _ => self.runs.push(Run { owner: owner.clone(), first: seq, count: 1 }),
        }
    }

    /// Hands the open group over, if there is anything in it.
    pub(super) fn submit(&mut self, open: &mut EntryBuffer, replies: &UnboundedSender<Settled>) {
        if self.runs.is_empty() {
            return;
        }
        let empty = self.spare_entries.pop().unwrap_or_default();
        let entry = std::mem::replace(open, empty);
        let empty = self.spare_runs.pop().unwrap_or_default();
        let runs = std::mem::replace(&mut self.runs, empty);
        let token = self.next_token;
        self.next_token += 1;
        self.sent.push_back(Sent { token, bytes: std::mem::take(&mut self.bytes), runs });
        self.commit.submit(Submission {
            entry,
            points: std::mem::take(&mut self.points),
            reply: Reply { to: replies.clone(), lane: self.index, token },
        });
    }

    /// The lane's answer about its oldest group.
    pub(super) fn answered(&mut self, answer: Settled) -> Tickets<T> {
        let sent = self.sent.pop_front();
        let sent = sent.filter(|sent| sent.token == answer.token);
        let sent = sent.expect("a lane answers each group once, in the order of submission");
        if self.spare_entries.len() < SPARE_MAX && answer.entry.capacity() <= SPARE_BYTES_MAX {
            self.spare_entries.push(answer.entry);
        }
        if answer.durable {
            self.unsettled_bytes -= sent.bytes;
            Tickets { lane: self.index, runs: sent.runs }
        } else {
            Tickets { lane: self.index, runs: Vec::new() } // UP-2
        }
    }

    pub(super) fn reuse(&mut self, tickets: Tickets<T>) {
        if self.spare_runs.len() < SPARE_MAX {
            let mut runs = tickets.runs;
            runs.clear();
            self.spare_runs.push(runs);
        }
    }

    pub(super) fn unsettled_bytes(&self) -> usize {
        self.unsettled_bytes
    }
}
