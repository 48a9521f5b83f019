//! What is handed to the log's thread, and how.

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
    /// What they are about.
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

/// Letters to be removed or changed.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) what: What,
    pub(super) answer: oneshot::Sender<Result<u64, LettersError>>,
}

/// Which letters, and what becomes of them.
#[derive(Debug)]
pub(super) enum What {
    /// Those that are meant go.
    Remove(LetterFilter),
    /// These become others, or go.
    Change(BTreeMap<LetterId, Option<DeadLetter>>),
}

/// What handles and thread share.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// A mutex because all that has gathered is taken at once and the thread sleeps on it; held for
    /// a push or a swap only.
    inner: Mutex<Inner>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    /// Bounded by what sessions and shards leave unanswered.
    pub(super) arrivals: Vec<Submission>,
    /// Bounded by the requests that wait for them.
    pub(super) orders: VecDeque<Order>,
    /// Nothing more comes.
    pub(super) stopping: bool,
    /// The thread takes nothing any more.
    pub(super) closed: bool,
}

impl Queue {
    /// Hands letters over; they are dropped if the log takes nothing any more.
    pub(super) fn submit(&self, submissions: impl IntoIterator<Item = Submission>) {
        let mut inner = self.lock();
        if inner.stopping || inner.closed {
            return;
        }
        inner.arrivals.extend(submissions);
        drop(inner);
        self.arrived.notify_one();
    }

    pub(super) fn order(&self, order: Order) {
        let mut inner = self.lock();
        if inner.stopping || inner.closed {
            return;
        }
        inner.orders.push_back(order);
        drop(inner);
        self.arrived.notify_one();
    }

    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        self.arrived.notify_one();
    }

    /// Nothing is taken any more; what waits is dropped.
    pub(super) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        let (arrivals, orders) =
            (std::mem::take(&mut inner.arrivals), std::mem::take(&mut inner.orders));
        drop(inner);
        drop((arrivals, orders));
    }

    /// Waits until something comes, at most so long; without a bound, until it does.
    pub(super) fn wait(&self, at_most: Option<Duration>) -> MutexGuard<'_, Inner> {
        let is_idle = |inner: &mut Inner| {
            inner.arrivals.is_empty() && inner.orders.is_empty() && !inner.stopping
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

    /// Waits for more to come, unless a stop does.
    pub(super) fn gather(&self, at_most: Duration) {
        let waited = self.arrived.wait_timeout_while(self.lock(), at_most, |it| !it.stopping);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Each change leaves it whole.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
