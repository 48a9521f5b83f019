//! A group: the lines that one worker has gathered for one lane, and the publishes that wait for
//! them.

use std::{fmt, sync::Arc};

use crate::{
    spool::{EntryBuffer, Submission},
    uplink::{LastLine, LastLines, MemoryBudget, memory::Charge},
};

/// `count` publishes of one owner with consecutive numbers from `first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run<K> {
    /// The owner of the publishes.
    pub owner: K,
    /// The number of the first.
    pub first: u64,
    /// How many.
    pub count: u32,
}

/// The callback through which a worker receives the answers of its groups.
pub type Reply<K> = Arc<dyn Fn(Answer<K>) + Send + Sync>;

/// A lane's answer about a group.
#[derive(Debug)]
pub struct Answer<K> {
    /// The group, as it was handed over.
    pub group: Box<Group<K>>,
    /// Whether it is durable. If not, it never will be, and none of its publishes may be
    /// acknowledged (UP-2).
    pub durable: bool,
}

/// Lines, the publishes that wait for them, and the ranges of the last lines. Its worker fills it,
/// its lane makes it durable, and then it comes back with its content.
pub struct Group<K> {
    entry: EntryBuffer,
    runs: Vec<Run<K>>,
    last_lines: LastLines,
    /// Points among the entry's items.
    points: u64,
    charge: Charge,
    reply: Reply<K>,
}

impl<K> fmt::Debug for Group<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (runs, points) = (self.runs.len(), self.points);
        f.debug_struct("Group")
            .field("runs", &runs)
            .field("points", &points)
            .finish_non_exhaustive()
    }
}

/// A buffer of at most this capacity is kept for the next group; a larger one, grown in a burst, is
/// freed.
const KEPT_BYTES_MAX: usize = 256 * 1024;

impl<K: Copy + PartialEq> Group<K> {
    pub(super) fn new(budget: Arc<MemoryBudget>, reply: Reply<K>) -> Self {
        Self {
            entry: EntryBuffer::new(),
            runs: Vec::new(),
            last_lines: LastLines::default(),
            points: 0,
            charge: Charge::new(budget),
            reply,
        }
    }

    /// A group without lines for a message that waits for its dead letters, which take `bytes` of
    /// memory.
    pub(super) fn of_letters(
        budget: Arc<MemoryBudget>,
        reply: Reply<K>,
        owner: K,
        seq: u64,
        bytes: usize,
    ) -> Self {
        let mut group = Self::new(budget, reply);
        group.runs.push(Run { owner, first: seq, count: 1 });
        group.charge.set_letters();
        group.charge.set(bytes);
        group
    }

    /// The runs, in the order in which they were taken.
    pub fn runs(&self) -> &[Run<K>] {
        &self.runs
    }

    /// The last line of each run, mapping and vehicle, in the order of the runs. If there are two
    /// of the same, the later one counts.
    pub fn last_lines(&self) -> impl Iterator<Item = LastLine<'_>> {
        self.last_lines.lines(self.entry.payload())
    }

    /// Whether it has no lines and no publish waits for it.
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.points == 0
    }

    /// Bytes of lines.
    pub(super) fn len(&self) -> usize {
        self.entry.len()
    }

    /// The lines, to append to.
    pub(super) fn lines(&mut self) -> &mut EntryBuffer {
        &mut self.entry
    }

    /// Notes the publish that waits for the lines just appended, and the ranges of its last lines.
    pub(super) fn wait(&mut self, points: u64, owner: K, seq: u64, last_lines: &LastLines) {
        self.points += points;
        match self.runs.last_mut() {
            Some(run) if run.owner == owner && run.first + u64::from(run.count) == seq => {
                run.count += 1;
            }
            _ => self.runs.push(Run { owner, first: seq, count: 1 }),
        }
        self.last_lines.add(last_lines, self.runs.len().saturating_sub(1));
        self.update_charge();
    }

    /// Notes points for which no publish waits.
    pub(super) fn add(&mut self, points: u64) {
        self.points += points;
        self.update_charge();
    }

    /// Sets the charge to the bytes that are allocated.
    pub(super) fn update_charge(&mut self) {
        let runs = self.runs.capacity() * size_of::<Run<K>>();
        self.charge.set(self.entry.capacity() + runs + self.last_lines.capacity());
    }

    /// Empties it for reuse; false if its buffer is too large to keep, or there is none.
    pub(super) fn clear(&mut self) -> bool {
        self.entry.clear();
        self.runs.clear();
        self.last_lines.clear();
        self.points = 0;
        (1..=KEPT_BYTES_MAX).contains(&self.entry.capacity())
    }
}

impl<K: Copy + PartialEq + Send + 'static> Submission for Group<K> {
    fn entry(&mut self) -> &mut EntryBuffer {
        &mut self.entry
    }

    fn points(&self) -> u64 {
        self.points
    }

    fn answer(self: Box<Self>, durable: bool) {
        let reply = Arc::clone(&self.reply);
        reply(Answer { group: self, durable });
    }
}
