//! The groups between one worker and one lane: the one that gathers, and those on their way.

use std::collections::VecDeque;

use tokio::sync::mpsc::UnboundedSender;

use crate::{
    spool::{CommitHandle, EntryBuffer, Reply, Settled, Submission},
    uplink::{LastLine, LastLines},
};

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
    last_lines: LastLines,
    /// What the last lines lie in.
    entry: EntryBuffer,
}

impl<T> Tickets<T> {
    /// The ticket of a message that gave no lines.
    pub(super) fn of(lane: u16, run: Run<T>) -> Self {
        let (last_lines, entry) = (LastLines::default(), EntryBuffer::new());
        Self { lane, runs: vec![run], last_lines, entry }
    }

    /// The runs, in the order in which they were taken.
    pub fn runs(&self) -> &[Run<T>] {
        &self.runs
    }

    /// The last line of each run, mapping and vehicle, in the order of the runs; of two that are of
    /// the same, the later one counts.
    pub fn last_lines(&self) -> impl Iterator<Item = LastLine<'_>> {
        self.last_lines.lines(self.entry.payload())
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
    /// The last lines of the open group.
    last_lines: LastLines,
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
    spare_last_lines: Vec<LastLines>,
    spare_entries: Vec<EntryBuffer>,
}

#[derive(Debug)]
struct Sent<T> {
    token: u64,
    bytes: usize,
    runs: Vec<Run<T>>,
    last_lines: LastLines,
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
            last_lines: LastLines::default(),
            points: 0,
            bytes: 0,
            unsettled_bytes: 0,
            sent: VecDeque::new(),
            next_token: 0,
            spare_runs: Vec::new(),
            spare_last_lines: Vec::new(),
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

    /// Notes where the lines of the message lie whose owner was noted last.
    pub(super) fn note(&mut self, message: &LastLines) {
        self.last_lines.add(message, self.runs.len().saturating_sub(1));
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
        let empty = self.spare_last_lines.pop().unwrap_or_default();
        let last_lines = std::mem::replace(&mut self.last_lines, empty);
        let token = self.next_token;
        self.next_token += 1;
        let bytes = std::mem::take(&mut self.bytes);
        self.sent.push_back(Sent { token, bytes, runs, last_lines });
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
        if answer.durable {
            self.unsettled_bytes -= sent.bytes;
            let Sent { runs, last_lines, .. } = sent;
            Tickets { lane: self.index, runs, last_lines, entry: answer.entry }
        } else {
            // UP-2
            let (runs, last_lines) = (Vec::new(), LastLines::default());
            Tickets { lane: self.index, runs, last_lines, entry: answer.entry }
        }
    }

    /// Takes back what a group was made of.
    pub(super) fn reuse(&mut self, tickets: Tickets<T>) {
        let Tickets { mut runs, mut last_lines, mut entry, .. } = tickets;
        if self.spare_runs.len() < SPARE_MAX {
            runs.clear();
            self.spare_runs.push(runs);
        }
        if self.spare_last_lines.len() < SPARE_MAX {
            last_lines.clear();
            self.spare_last_lines.push(last_lines);
        }
        if self.spare_entries.len() < SPARE_MAX && entry.capacity() <= SPARE_BYTES_MAX {
            entry.clear();
            self.spare_entries.push(entry);
        }
    }

    pub(super) fn unsettled_bytes(&self) -> usize {
        self.unsettled_bytes
    }
}
