//! The commit thread.

use std::{
    collections::VecDeque,
    fmt, io,
    sync::{Arc, PoisonError, atomic::Ordering},
    thread,
    time::Duration,
};

use crate::{
    env::{Clock, Guard, SystemClock},
    model::Disposition,
    telemetry::{Chain, PointLedger},
};

use super::{
    super::{
        outcome::{Append, AppendError},
        writer::Writer,
    },
    feed::Submission,
    handle::{CommitHandle, CommitState, Inner},
};

/// Called by the thread at every change of state.
pub type OnState = Box<dyn FnMut(&CommitState) + Send>;

/// Work on the log that the thread does between its groups.
pub trait Maintenance: Send {
    /// A group has ended: all that was decided is durable and answered.
    ///
    /// # Errors
    /// The reason why nothing may be written any more.
    fn maintain(&mut self, writer: &mut Writer) -> Result<(), String>;

    /// The thread is about to end because of a stop: everything that was decided is durable.
    fn close(&mut self, writer: &mut Writer);
}

/// No maintenance: for a lane.
struct NoMaintenance;

impl Maintenance for NoMaintenance {
    fn maintain(&mut self, _writer: &mut Writer) -> Result<(), String> {
        Ok(())
    }

    fn close(&mut self, _writer: &mut Writer) {}
}

/// How a commit thread works.
#[derive(Clone, Debug)]
pub struct CommitOptions {
    /// The shortest time between the beginnings of two syncs. Default: 2 ms, about two syncs of an
    /// ordinary disk: under load larger groups save wake-ups, socket calls and syncs; an idle
    /// thread does not wait.
    pub interval: Duration,
    /// Bytes of payload after which a group is closed. Default: 16 MiB, about 20 ms of disk time.
    pub group_bytes_max: usize,
    /// How often a writer that found no room tries again. Default: 250 ms.
    pub recheck: Duration,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl Default for CommitOptions {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(2),
            group_bytes_max: 16 << 20,
            recheck: Duration::from_millis(250),
            clock: Arc::new(SystemClock::start()),
        }
    }
}

/// The owner of a spool's writer; lives in its thread.
pub struct Committer {
    inner: Arc<Inner>,
    writer: Writer,
    options: CommitOptions,
    ledger: Option<Arc<PointLedger>>,
    on_state: OnState,
    maintenance: Box<dyn Maintenance>,
    /// Taken and not appended yet.
    pending: VecDeque<Box<dyn Submission>>,
    /// The first of them has decided.
    is_decided: bool,
    /// Appended and not durable yet.
    group: Vec<Box<dyn Submission>>,
    /// When the last sync began.
    synced_at: Option<Duration>,
}

impl fmt::Debug for Committer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Committer").field("writer", &self.writer).finish_non_exhaustive()
    }
}

/// How a group ended.
enum Ended {
    /// All of it is answered.
    Done,
    /// The rest waits for room.
    Full,
    /// A write or sync failed.
    Halted(String),
}

impl Committer {
    /// Starts the thread, which has the guard's name and holds the guard until it ends: after
    /// [`CommitHandle::stop`], or when the last handle is dropped.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(
        guard: Guard,
        writer: Writer,
        options: CommitOptions,
        ledger: Option<Arc<PointLedger>>,
        on_state: OnState,
    ) -> io::Result<(CommitHandle, thread::JoinHandle<()>)> {
        Self::start_with_maintenance(
            guard,
            writer,
            options,
            ledger,
            on_state,
            Box::new(NoMaintenance),
        )
    }

    /// As [`start`](Self::start), with maintenance between the groups.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start_with_maintenance(
        guard: Guard,
        writer: Writer,
        options: CommitOptions,
        ledger: Option<Arc<PointLedger>>,
        on_state: OnState,
        maintenance: Box<dyn Maintenance>,
    ) -> io::Result<(CommitHandle, thread::JoinHandle<()>)> {
        let inner = Arc::new(Inner::new(Arc::clone(writer.budget())));
        let handle = CommitHandle::new(Arc::clone(&inner));
        let committer = Self {
            inner,
            writer,
            options,
            ledger,
            on_state,
            maintenance,
            pending: VecDeque::new(),
            is_decided: false,
            group: Vec::new(),
            synced_at: None,
        };
        let joined = thread::Builder::new().name(guard.name().to_owned()).spawn(move || {
            let _guard = guard;
            committer.run();
        })?;
        Ok((handle, joined))
    }

    fn run(mut self) {
        let _fence = PanicGuard(Arc::clone(&self.inner));
        while self.gather() {
            // Before the attempt, so that room freed during it is not missed.
            let mark = self.inner.budget.mark();
            match self.commit_and_maintain() {
                Ended::Done => self.enter(CommitState::Running),
                Ended::Full => {
                    self.enter(CommitState::Full);
                    if self.inner.lock().stopping {
                        break;
                    }
                    self.inner.budget.wait(mark, self.options.recheck);
                }
                Ended::Halted(reason) => {
                    self.halt(reason);
                    return self.refuse();
                }
            }
        }
        if !self.is_decided {
            self.maintenance.close(&mut self.writer);
        }
        self.refuse();
    }

    fn commit_and_maintain(&mut self) -> Ended {
        let ended = self.commit();
        // A submission that has decided but was not appended is on no disk.
        if matches!(ended, Ended::Halted(_)) || self.is_decided {
            return ended;
        }
        match self.maintenance.maintain(&mut self.writer) {
            Ok(()) => ended,
            Err(reason) => Ended::Halted(reason),
        }
    }

    /// Waits for something to commit and takes all of it; false if the thread is to end and nothing
    /// is left.
    fn gather(&mut self) -> bool {
        while self.pending.is_empty() {
            self.pause();
            self.inner.pull(&mut self.pending);
            if self.pending.is_empty() && !self.idle() {
                self.inner.pull(&mut self.pending);
                break;
            }
        }
        !self.pending.is_empty()
    }

    /// Waits until `interval` has passed since the last sync, so that more gathers; a stop ends the
    /// wait.
    fn pause(&self) {
        let Some(due) = self.synced_at.map(|at| at + self.options.interval) else { return };
        let mut shared = self.inner.lock();
        while !shared.stopping {
            let left = due.saturating_sub(self.options.clock.monotonic());
            if left.is_zero() {
                break;
            }
            let waited = self.inner.woken.wait_timeout(shared, left);
            shared = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Sleeps until something is offered; false if the thread is to end.
    fn idle(&mut self) -> bool {
        self.inner.idle.store(true, Ordering::SeqCst);
        // Looks once more, for what was offered before `idle` was set.
        self.inner.pull(&mut self.pending);
        let mut shared = self.inner.lock();
        while self.pending.is_empty() && !shared.signalled && !shared.stopping {
            shared = self.inner.woken.wait(shared).unwrap_or_else(PoisonError::into_inner);
        }
        shared.signalled = false;
        self.inner.idle.store(false, Ordering::SeqCst);
        !shared.stopping
    }

    /// Appends one group, makes it durable, counts it, publishes it to the reader, and answers it.
    fn commit(&mut self) -> Ended {
        let began = self.options.clock.monotonic();
        let stopped_at = self.append_group();
        if let Ended::Halted(reason) = stopped_at {
            return Ended::Halted(reason);
        }
        if self.group.is_empty() {
            return stopped_at;
        }
        self.synced_at = Some(self.options.clock.monotonic());
        let synced = match self.writer.sync_unpublished() {
            Ok(synced) => synced,
            Err(error) => return Ended::Halted(Chain(&error).to_string()),
        };
        // Counted before the reader can see it: it may be confirmed at once.
        let points = self.group.iter().map(|submission| submission.points()).sum();
        if let Some(ledger) = &self.ledger {
            ledger.spooled(points, synced.items);
        }
        self.writer.publish();
        let took = self.options.clock.monotonic().saturating_sub(began);
        let mut shared = self.inner.lock();
        shared.counters.syncs += 1;
        shared.counters.entries += synced.entries;
        shared.counters.sync_time += took;
        drop(shared);
        self.group.drain(..).for_each(|submission| submission.answer(true));
        stopped_at
    }

    /// Appends what is pending until the group or the spool is full.
    fn append_group(&mut self) -> Ended {
        let mut bytes = 0;
        while let Some(mut submission) = self.pending.pop_front() {
            bytes += submission.entry().len();
            if !self.group.is_empty() && bytes > self.options.group_bytes_max {
                self.pending.push_front(submission);
                break;
            }
            let error = match self.append(submission.as_mut()) {
                Ok(Append::Done { .. }) => {
                    self.is_decided = false;
                    submission.appended(self.writer.last_place());
                    self.group.push(submission);
                    continue;
                }
                Ok(Append::Full) => {
                    self.pending.push_front(submission);
                    return Ended::Full;
                }
                Err(error) => error,
            };
            match error.disposition() {
                Disposition::Retry => {
                    tracing::warn!(error = %Chain(&error), "no new segment for now");
                    self.pending.push_front(submission);
                    return Ended::Full;
                }
                Disposition::Reject => {
                    tracing::error!(error = %Chain(&error), "an entry is refused");
                    self.is_decided = false;
                    submission.answer(false);
                }
                Disposition::Halt => {
                    self.pending.push_front(submission);
                    return Ended::Halted(Chain(&error).to_string());
                }
            }
        }
        Ended::Done
    }

    /// Appends a submission, which decides once there is room for it. After that the append can be
    /// `Full` only on a file system that cannot reserve room.
    fn append(&mut self, submission: &mut dyn Submission) -> Result<Append, AppendError> {
        if !self.is_decided {
            if !self.writer.make_room(submission.entry())? {
                return Ok(Append::Full);
            }
            submission.decide();
            self.is_decided = true;
        }
        self.writer.append_unsynced(submission.entry())
    }

    /// Reports a change of state.
    fn enter(&mut self, state: CommitState) {
        let mut shared = self.inner.lock();
        if shared.state == state {
            return;
        }
        if state == CommitState::Full {
            shared.counters.fulls += 1;
            tracing::warn!("no room in the spool: publishes wait");
        } else {
            tracing::info!("room in the spool again");
        }
        shared.state = state.clone();
        drop(shared);
        (self.on_state)(&state);
    }

    /// Refuses everything, now and later, until the stop (I2).
    fn halt(&mut self, reason: String) {
        let reason: Arc<str> = reason.into();
        tracing::error!(%reason, "the spool is halted until a restart: nothing is acknowledged");
        let state = CommitState::Halted { reason };
        self.inner.lock().state = state.clone();
        (self.on_state)(&state);
        loop {
            self.group.drain(..).chain(self.pending.drain(..)).for_each(refuse);
            if !self.idle() {
                return;
            }
            self.inner.pull(&mut self.pending);
        }
    }

    /// Answers everything at the end: it will never be durable.
    fn refuse(&mut self) {
        self.group.drain(..).chain(self.pending.drain(..)).for_each(refuse);
        self.inner.close();
    }
}

fn refuse(submission: Box<dyn Submission>) {
    submission.answer(false);
}

/// On a panic of the thread: answers everything, so that nobody waits for it.
struct PanicGuard(Arc<Inner>);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if thread::panicking() {
            let reason = "the commit thread panicked".into();
            self.0.lock().state = CommitState::Halted { reason };
            self.0.close();
        }
    }
}
