//! The queue of the log's thread.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

use crate::model::{DeadLetter, LetterFilter, LetterId, LetterKind, LettersError};

/// Letters to be made durable together, all of one kind.
pub struct Submission {
    /// Whether they are about messages or points.
    pub kind: LetterKind,
    /// At least one.
    pub letters: Vec<DeadLetter>,
    /// Called once, by the log's thread, when they are durable; must not block. Dropped without a
    /// call if they never will be: then nothing in them may be acknowledged.
    pub durable: Box<dyn FnOnce() + Send>,
}

impl fmt::Debug for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission").field("letters", &self.letters).finish_non_exhaustive()
    }
}

/// A request to remove or change letters.
#[derive(Debug)]
pub(super) struct ChangeRequest {
    pub(super) action: Action,
    pub(super) answer: oneshot::Sender<Result<u64, LettersError>>,
}

/// What is done with which letters.
#[derive(Debug)]
pub(super) enum Action {
    /// Removes the matching letters.
    Remove(LetterFilter),
    /// Replaces letters, or removes those without a replacement.
    Change(BTreeMap<LetterId, Option<DeadLetter>>),
}

/// Shared by the handles and the thread.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Why a mutex: the thread takes everything at once and sleeps on its condition variable; it is
    /// held for a push or a swap.
    inner: Mutex<Inner>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    /// Bounded by the letters that sessions and shards wait for.
    pub(super) arrivals: Vec<Submission>,
    /// Bounded by the API requests that wait for them.
    pub(super) requests: VecDeque<ChangeRequest>,
    /// The log is being closed: nothing is added any more.
    pub(super) stopping: bool,
    /// The thread has ended or halted: nothing is taken any more.
    pub(super) closed: bool,
}

impl Queue {
    /// Adds letters; they are dropped if the log is closed.
    pub(super) fn submit(&self, submissions: impl IntoIterator<Item = Submission>) {
        let mut inner = self.lock();
        if inner.stopping || inner.closed {
            return;
        }
        inner.arrivals.extend(submissions);
        drop(inner);
        self.arrived.notify_one();
    }

    pub(super) fn request(&self, request: ChangeRequest) {
        let mut inner = self.lock();
        if inner.stopping || inner.closed {
            return;
        }
        inner.requests.push_back(request);
        drop(inner);
        self.arrived.notify_one();
    }

    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        self.arrived.notify_one();
    }

    /// Closes the queue and drops what is in it.
    pub(super) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        let (arrivals, requests) =
            (std::mem::take(&mut inner.arrivals), std::mem::take(&mut inner.requests));
        drop(inner);
        drop((arrivals, requests));
    }

    /// Waits until something is in the queue, for at most `at_most`.
    pub(super) fn wait(&self, at_most: Option<Duration>) -> MutexGuard<'_, Inner> {
        let is_idle = |inner: &mut Inner| {
            inner.arrivals.is_empty() && inner.requests.is_empty() && !inner.stopping
        };
        let inner = self.lock();
        match at_most {
            None => self.arrived.wait_while(inner, is_idle).unwrap_or_else(PoisonError::into_inner),
            Some(at_most) => {
                let waited = self.arrived.wait_timeout_while(inner, at_most, is_idle);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    /// Waits for more letters until `at_most` has passed or the log is closed.
    pub(super) fn gather(&self, at_most: Duration) {
        let waited = self.arrived.wait_timeout_while(self.lock(), at_most, |it| !it.stopping);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Each change leaves it whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
