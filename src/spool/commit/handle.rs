//! The side of whoever submits: never blocks, hears once.

use std::{
    fmt, mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::mpsc::UnboundedSender;

use super::{
    super::{budget::Budget, entry::EntryBuffer},
    counters::CommitCounters,
};

/// An entry handed over to be made durable.
#[derive(Debug)]
pub struct Submission {
    /// The entry; it comes back with the answer.
    pub entry: EntryBuffer,
    /// How many points it holds, as whoever wrote them counted: for the ledger.
    pub points: u64,
    /// Where the answer goes.
    pub reply: Reply,
}

/// Where an answer goes. The channel is not bounded because each answer was asked for: there are
/// never more of them than submissions that the receiver waits for.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The receiver's channel; one that is closed loses its answers.
    pub to: UnboundedSender<Settled>,
    /// Given back as it is: which of the receiver's lanes.
    pub lane: u16,
    /// Given back as it is: which of the receiver's submissions.
    pub token: u64,
}

/// The answer to a submission.
#[derive(Debug)]
pub struct Settled {
    /// From [`Reply::lane`].
    pub lane: u16,
    /// From [`Reply::token`].
    pub token: u64,
    /// The entry is durable. False: it never will be, and nothing in it may be acknowledged.
    pub durable: bool,
    /// The entry as it was handed over, if it is durable: for a last look, and to be cleared and
    /// used again. Else an empty one.
    pub entry: EntryBuffer,
}

/// How a commit thread is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitState {
    /// Entries become durable.
    Running,
    /// No room, in the budget or on the disk: entries wait, and go on by themselves.
    Full,
    /// A write or sync failed: nothing becomes durable until a restart.
    Halted {
        /// What failed, with its causes.
        reason: Arc<str>,
    },
}

/// Hands entries to a commit thread. Cheap to clone; the thread ends when the last clone is gone.
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

    /// Hands an entry over. Never blocks; the answer comes to `submission.reply`, once.
    pub fn submit(&self, submission: Submission) {
        let mut queue = self.inner.lock();
        if queue.closed() {
            drop(queue);
            refuse(submission);
            return;
        }
        queue.bytes += submission.entry.len();
        queue.waiting.push(submission);
        drop(queue);
        self.inner.arrived.notify_one();
    }

    /// How the thread is doing.
    #[must_use]
    pub fn state(&self) -> CommitState {
        self.inner.lock().state.clone()
    }

    /// Bytes of payload submitted and not settled.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.inner.lock().bytes
    }

    /// What the thread has done so far.
    #[must_use]
    pub fn counters(&self) -> CommitCounters {
        self.inner.lock().counters
    }

    /// Asks the thread to commit what is queued and to end. What is submitted from now on is
    /// answered `durable: false`.
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

/// What handles and thread share.
#[derive(Debug)]
pub(super) struct Inner {
    /// A mutex because a whole group is taken at once and the thread sleeps on it; held for a push
    /// or a swap only.
    queue: Mutex<Queue>,
    pub arrived: Condvar,
    /// To wake a thread that waits for room.
    pub budget: Arc<Budget>,
}

#[derive(Debug)]
pub(super) struct Queue {
    /// Bounded by what the submitters leave unanswered.
    pub waiting: Vec<Submission>,
    /// Of everything that is not settled.
    pub bytes: usize,
    pub state: CommitState,
    pub stopping: bool,
    pub counters: CommitCounters,
}

impl Queue {
    /// Whether nothing is taken any more.
    fn closed(&self) -> bool {
        self.stopping || matches!(self.state, CommitState::Halted { .. })
    }
}

impl Inner {
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        let queue = Mutex::new(Queue {
            waiting: Vec::new(),
            bytes: 0,
            state: CommitState::Running,
            stopping: false,
            counters: CommitCounters::default(),
        });
        Self { queue, arrived: Condvar::new(), budget }
    }

    fn stop(&self) {
        self.lock().stopping = true;
        self.arrived.notify_all();
        self.budget.wake();
    }

    /// Takes nothing any more, and gives back what waits, to be refused.
    pub(super) fn halt(&self, reason: Arc<str>) -> Vec<Submission> {
        let mut queue = self.lock();
        queue.state = CommitState::Halted { reason };
        queue.bytes = 0;
        mem::take(&mut queue.waiting)
    }

    /// The queue is changed in single steps, each of which leaves it whole.
    pub(super) fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers that an entry will never be durable, and lets go of its memory.
pub(super) fn refuse(submission: Submission) {
    settle(submission.reply, false, EntryBuffer::new());
}

/// Answers; a receiver that is gone has nobody left to acknowledge to.
pub(super) fn settle(reply: Reply, durable: bool, entry: EntryBuffer) {
    drop(reply.to.send(Settled { lane: reply.lane, token: reply.token, durable, entry }));
}
