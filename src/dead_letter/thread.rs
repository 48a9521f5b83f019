//! The log's thread, which owns both spools.

use std::{collections::BTreeMap, sync::Arc, thread, time::Duration};

use crate::{
    dead_letter::{
        Options, Submission,
        change::Change,
        indicators::Indicators,
        letter,
        letter_spool::{LetterFacts, LetterSpool, lines},
        queue::Queue,
        usage::Usage,
        waiting::Waiting,
    },
    env::{Clock, SystemClock},
    model::{Cause, LetterKind},
    spool::EntryBuffer,
    telemetry::{Chain, HealthBoard, Metrics},
};

/// Letters on their way to the disk.
pub(super) struct Pending {
    pub(super) kind: LetterKind,
    pub(super) entry: EntryBuffer,
    /// Vehicles or topics and the bytes of each; of messages only.
    pub(super) owners: Vec<(String, u64)>,
    /// For each cause the number of letters and the words of the last one.
    pub(super) causes: BTreeMap<Cause, (u64, String)>,
    durable: Box<dyn FnOnce() + Send>,
}

/// A write or sync failed: the log takes nothing until a restart.
#[derive(Debug)]
pub(super) struct Halt(pub(super) String);

impl Halt {
    pub(super) fn at(error: &(dyn std::error::Error + 'static)) -> Self {
        Self(Chain(error).to_string())
    }
}

/// The log's thread.
pub(super) struct LogThread {
    pub(super) queue: Arc<Queue>,
    pub(super) messages: LetterSpool,
    pub(super) points: LetterSpool,
    pub(super) options: Options,
    /// Bytes of messages by vehicle.
    pub(super) usage: Usage,
    /// Letters without room.
    pub(super) waiting: Waiting,
    /// Letters written and not durable yet.
    pub(super) group: Vec<Pending>,
    pub(super) change: Option<Change>,
    pub(super) indicators: Indicators,
    clock: Arc<dyn Clock>,
    /// When the last sync began.
    synced_at: Option<Duration>,
}

impl LogThread {
    pub(super) fn new(
        queue: Arc<Queue>,
        messages: LetterSpool,
        points: LetterSpool,
        options: Options,
        metrics: Arc<Metrics>,
        board: &HealthBoard,
    ) -> Self {
        let indicators = Indicators::new(metrics, board, &options);
        Self {
            queue,
            messages,
            points,
            options,
            usage: Usage::new(),
            waiting: Waiting::default(),
            group: Vec::new(),
            change: None,
            indicators,
            clock: Arc::new(SystemClock::start()),
            synced_at: None,
        }
    }

    pub(super) fn run(mut self) {
        let _fence = Fence(Arc::clone(&self.queue));
        self.count_kept();
        self.show();
        if let Err(Halt(reason)) = self.serve() {
            tracing::error!(%reason, "the dead-letter log is halted until a restart");
            self.indicators.halted(reason);
            self.queue.close();
            self.waiting = Waiting::default();
            self.group.clear();
            self.change = None;
            // The supervisor takes a thread that ends for a fault, so it waits for the stop.
            while !self.queue.wait(None).stopping {}
        }
    }

    /// Works until the log is closed.
    fn serve(&mut self) -> Result<(), Halt> {
        loop {
            let (arrivals, stopping) = self.take();
            for submission in arrivals {
                self.place(Pending::from(submission))?;
            }
            self.commit()?;
            if stopping {
                return Ok(());
            }
            if self.step()? || self.waiting.is_for_disk() {
                self.retry()?;
                self.commit()?;
            }
            self.show();
        }
    }

    /// Waits for something to do and takes it from the queue.
    fn take(&mut self) -> (Vec<Submission>, bool) {
        let at_most = if self.change.is_some() {
            Some(Duration::ZERO)
        } else {
            self.waiting.is_for_disk().then_some(self.options.recheck)
        };
        drop(self.queue.wait(at_most));
        let due = self.synced_at.map(|at| at + self.options.commit_interval);
        let left = due.map(|due| due.saturating_sub(self.clock.monotonic())).unwrap_or_default();
        if !left.is_zero() && self.change.is_none() {
            self.queue.gather(left);
        }
        let mut inner = self.queue.wait(Some(Duration::ZERO));
        if self.change.is_none()
            && let Some(request) = inner.requests.pop_front()
        {
            self.change = Some(Change::begin(request, &self.messages, &self.points));
        }
        (std::mem::take(&mut inner.arrivals), inner.stopping)
    }

    /// Makes the group durable, counts it, and notifies who waits for it.
    pub(super) fn commit(&mut self) -> Result<(), Halt> {
        if self.group.is_empty() {
            return Ok(());
        }
        self.synced_at = Some(self.clock.monotonic());
        self.sync()?;
        for pending in self.group.drain(..) {
            self.indicators.written(&pending.causes);
            (pending.durable)();
        }
        Ok(())
    }

    /// Makes durable what was written, without notifying anybody.
    pub(super) fn sync(&mut self) -> Result<(), Halt> {
        self.messages.sync().map_err(|error| Halt::at(&error))?;
        self.points.sync().map_err(|error| Halt::at(&error))
    }

    pub(super) fn spool_of(&mut self, kind: LetterKind) -> &mut LetterSpool {
        match kind {
            LetterKind::Message => &mut self.messages,
            LetterKind::Point => &mut self.points,
        }
    }

    /// Subtracts letters that are not on disk any more.
    pub(super) fn forget(&mut self, letters: &[LetterFacts]) {
        for LetterFacts { owner, cause, bytes } in letters {
            if let Some(owner) = owner {
                self.usage.subtract(owner, *bytes);
            }
            self.indicators.kept(*cause, -1);
        }
    }

    /// Adds letters that are on disk.
    pub(super) fn remember(&mut self, letters: &[LetterFacts]) {
        for LetterFacts { owner, cause, bytes } in letters {
            if let Some(owner) = owner {
                self.usage.add(owner, *bytes);
            }
            self.indicators.kept(*cause, 1);
        }
    }

    /// Counts all letters on disk, by vehicle and cause, at the start.
    fn count_kept(&mut self) {
        for kind in LetterKind::ALL {
            for segment in self.spool_of(kind).segments() {
                let mut facts = Vec::new();
                let read = self.spool_of(kind).read(segment.first, &mut |stored| {
                    facts.extend(lines(kind, stored).map(|(_, line)| LetterFacts::of(line)));
                });
                self.remember(&facts);
                if let Err(error) = read {
                    // The letters are there all the same, beyond the share of their vehicle.
                    let error = Chain(&error);
                    tracing::error!(%error, "a part of the dead letters is not counted");
                }
            }
        }
    }

    fn show(&mut self) {
        self.indicators.show(&self.messages, &self.points, &self.waiting);
    }
}

impl From<Submission> for Pending {
    fn from(submission: Submission) -> Self {
        let Submission { kind, letters, durable } = submission;
        let mut entry = EntryBuffer::new();
        let mut owners = Vec::new();
        let mut causes = BTreeMap::new();
        for one in &letters {
            let before = entry.len();
            letter::write(one, entry.bytes_mut());
            entry.items += 1;
            let words = one.answer.as_ref().filter(|_| one.detail.is_empty());
            let of_cause = causes.entry(one.cause).or_insert((0, String::new()));
            *of_cause = (of_cause.0 + 1, words.unwrap_or(&one.detail).clone());
            let owner = one.vehicle.as_ref().or(one.topic.as_ref());
            if let (LetterKind::Message, Some(owner)) = (kind, owner) {
                owners.push((owner.clone(), (entry.len() - before) as u64));
            }
        }
        Self { kind, entry, owners, causes, durable }
    }
}

/// Closes the queue when the thread ends, so that nobody waits for it.
struct Fence(Arc<Queue>);

impl Drop for Fence {
    fn drop(&mut self) {
        if thread::panicking() {
            tracing::error!("the dead-letter log's thread panicked");
        }
        self.0.close();
    }
}
