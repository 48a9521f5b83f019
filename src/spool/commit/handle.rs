//! What is shared with a commit thread: its state, its feeds, its counters.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{
    super::budget::Budget,
    feed::{Feed, Pull, Submission},
};

/// How a commit thread is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitState {
    /// Entries become durable.
    Running,
    /// No room, in the budget or on the disk: entries wait, and continue by themselves.
    Full,
    /// A write or sync failed: nothing becomes durable until a restart.
    Halted {
        /// What failed, with its causes.
        reason: Arc<str>,
    },
}

/// Totals of a commit thread since it started, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitCounters {
    /// Groups made durable: one sync each.
    pub syncs: u64,
    /// Entries made durable.
    pub entries: u64,
    /// Time spent in appends and syncs of those groups, from the first write on.
    pub sync_time: Duration,
    /// How often the thread began to wait for room.
    pub fulls: u64,
}

/// Opens feeds to a commit thread. Cheap to clone; the thread ends when the last clone is gone.
#[derive(Clone)]
pub struct CommitHandle {
    inner: Arc<Inner>,
    _last: Arc<StopOnDrop>,
}

impl CommitHandle {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        let last = StopOnDrop(Arc::clone(&inner));
        Self { inner, _last: Arc::new(last) }
    }

    /// Opens a feed for one owner. A feed does not keep the thread running.
    #[must_use]
    pub fn feed<S: Submission>(&self) -> Feed<S> {
        Feed::new(&self.inner)
    }

    /// How the thread is doing.
    #[must_use]
    pub fn state(&self) -> CommitState {
        self.inner.lock().state.clone()
    }

    /// What the thread has done so far.
    #[must_use]
    pub fn counters(&self) -> CommitCounters {
        self.inner.lock().counters
    }

    /// Asks the thread to commit everything that was handed over, and to end. What is handed over
    /// later is committed or refused.
    pub fn stop(&self) {
        self.inner.stop();
    }
}

impl fmt::Debug for CommitHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommitHandle").field("state", &self.state()).finish_non_exhaustive()
    }
}

/// Stops the thread when the last handle goes.
#[derive(Debug)]
struct StopOnDrop(Arc<Inner>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// What handles, feeds and thread share.
pub(super) struct Inner {
    /// A mutex because the thread sleeps on it.
    shared: Mutex<Shared>,
    pub woken: Condvar,
    /// The thread has nothing to do and sleeps, or is about to: the next feed that offers something
    /// wakes it. Atomic, so that an offer to a busy thread takes no lock here and no system call.
    pub idle: AtomicBool,
    /// The thread takes nothing more: a feed refuses what it is offered.
    pub closed: AtomicBool,
    /// To wake a thread that waits for room.
    pub budget: Arc<Budget>,
    /// One per owner, in the order in which they were opened.
    feeds: Mutex<Vec<Arc<dyn Pull>>>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("idle", &self.idle).finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(super) struct Shared {
    /// Something was offered while the thread was idle.
    pub signalled: bool,
    pub state: CommitState,
    pub stopping: bool,
    pub counters: CommitCounters,
}

impl Inner {
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        let shared = Mutex::new(Shared {
            signalled: false,
            state: CommitState::Running,
            stopping: false,
            counters: CommitCounters::default(),
        });
        Self {
            shared,
            woken: Condvar::new(),
            idle: false.into(),
            closed: false.into(),
            budget,
            feeds: Mutex::default(),
        }
    }

    fn stop(&self) {
        self.lock().stopping = true;
        self.woken.notify_all();
        self.budget.wake();
    }

    /// Wakes the idle thread.
    pub(super) fn wake(&self) {
        self.lock().signalled = true;
        self.woken.notify_one();
    }

    pub(super) fn register(&self, feed: Arc<dyn Pull>) {
        self.forget_done();
        self.feeds().push(feed);
    }

    /// Drops feeds that are empty and whose owner is gone.
    pub(super) fn forget_done(&self) {
        self.feeds().retain(|feed| !feed.is_done());
    }

    /// Takes the content of all feeds, feed by feed.
    pub(super) fn pull(&self, into: &mut VecDeque<Box<dyn Submission>>) {
        self.feeds().iter().for_each(|feed| feed.pull(into));
    }

    /// Refuses the content of all feeds.
    pub(super) fn refuse(&self) {
        // A copy, because an answer may drop a feed.
        let feeds = self.feeds().clone();
        feeds.iter().for_each(|feed| feed.refuse());
    }

    /// Takes nothing any more: refuses what is in the feeds and what is still offered.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.refuse();
    }

    fn feeds(&self) -> MutexGuard<'_, Vec<Arc<dyn Pull>>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Poisoning is ignored: each change of the shared state is one step.
    pub(super) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
