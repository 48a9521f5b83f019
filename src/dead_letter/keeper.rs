//! The log's thread: sole owner of what lies on disk.

use std::{collections::BTreeMap, sync::Arc, thread, time::Duration};

use crate::{
    dead_letter::{
        Options, Submission,
        change::Change,
        letter,
        queue::Queue,
        shelf::{Share, Shelf, lines},
        signs::Signs,
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
    /// Whose, and how many bytes of each; of messages only.
    pub(super) owners: Vec<(String, u64)>,
    /// How many of each cause, and in what words the last of them.
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
pub(super) struct Keeper {
    pub(super) queue: Arc<Queue>,
    pub(super) messages: Shelf,
    pub(super) points: Shelf,
    pub(super) options: Options,
    /// How much of the messages each vehicle has.
    pub(super) usage: Usage,
    /// What found no room.
    pub(super) waiting: Waiting,
    /// Written, and not durable yet.
    pub(super) group: Vec<Pending>,
    pub(super) change: Option<Change>,
    pub(super) signs: Signs,
    clock: Arc<dyn Clock>,
    /// When the last sync began.
    synced_at: Option<Duration>,
}

impl Keeper {
    pub(super) fn new(
        queue: Arc<Queue>,
        messages: Shelf,
        points: Shelf,
        options: Options,
        metrics: Arc<Metrics>,
        board: &HealthBoard,
    ) -> Self {
        let signs = Signs::new(metrics, board, &options);
        Self {
            queue,
            messages,
            points,
            options,
            usage: Usage::new(),
            waiting: Waiting::default(),
            group: Vec::new(),
            change: None,
            signs,
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
            self.signs.halted(reason);
            self.queue.close();
            self.waiting = Waiting::default();
            self.group.clear();
            self.change = None;
            // A thread that has ended means a panic or a stop.
            while !self.queue.wait(None).stopping {}
        }
    }

    /// Takes what comes until a stop.
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

    /// Waits for something to do, and takes what has come.
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
            && let Some(order) = inner.orders.pop_front()
        {
            self.change = Some(Change::begin(order, &self.messages, &self.points));
        }
        (std::mem::take(&mut inner.arrivals), inner.stopping)
    }

    /// Makes the group durable, counts it, tells it.
    pub(super) fn commit(&mut self) -> Result<(), Halt> {
        if self.group.is_empty() {
            return Ok(());
        }
        self.synced_at = Some(self.clock.monotonic());
        self.sync()?;
        for pending in self.group.drain(..) {
            self.signs.written(&pending.causes);
            (pending.durable)();
        }
        Ok(())
    }

    /// Makes durable what was written. Nobody is told yet.
    pub(super) fn sync(&mut self) -> Result<(), Halt> {
        self.messages.sync().map_err(|error| Halt::at(&error))?;
        self.points.sync().map_err(|error| Halt::at(&error))
    }

    pub(super) fn shelf(&mut self, kind: LetterKind) -> &mut Shelf {
        match kind {
            LetterKind::Message => &mut self.messages,
            LetterKind::Point => &mut self.points,
        }
    }

    /// These letters are not on disk any more.
    pub(super) fn forget(&mut self, gone: &[Share]) {
        for Share { owner, cause, bytes } in gone {
            if let Some(owner) = owner {
                self.usage.subtract(owner, *bytes);
            }
            self.signs.kept(*cause, -1);
        }
    }

    /// These are there instead.
    pub(super) fn remember(&mut self, come: &[Share]) {
        for Share { owner, cause, bytes } in come {
            if let Some(owner) = owner {
                self.usage.add(owner, *bytes);
            }
            self.signs.kept(*cause, 1);
        }
    }

    /// Reads all letters once, at the start: how much each vehicle has, and how many each cause.
    fn count_kept(&mut self) {
        for kind in LetterKind::ALL {
            for segment in self.shelf(kind).segments() {
                let mut shares = Vec::new();
                let read = self.shelf(kind).read(segment.first, &mut |stored| {
                    shares.extend(lines(kind, stored).map(|(_, line)| Share::of(line)));
                });
                self.remember(&shares);
                if let Err(error) = read {
                    // What is not counted may be too much for its share; it is there all the same.
                    let error = Chain(&error);
                    tracing::error!(%error, "a part of the dead letters is not counted");
                }
            }
        }
    }

    fn show(&mut self) {
        self.signs.show(&self.messages, &self.points, &self.waiting);
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

/// Nobody may wait for a thread that has ended.
struct Fence(Arc<Queue>);

impl Drop for Fence {
    fn drop(&mut self) {
        if thread::panicking() {
            tracing::error!("the dead-letter log's thread panicked");
        }
        self.0.close();
    }
}
