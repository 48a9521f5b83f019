//! The owner's side of a commit thread: it hands over entries, never blocks, and gets one answer
//! each.
//!
//! A feed is a slot that its owner fills and that the commit thread empties when it is free. While
//! the thread is busy the content of the slot keeps growing, so that a commit costs one hand-over
//! per owner and not one per turn of the owner. [`Feed::reclaim`] gives back what the thread has
//! not taken yet.

use std::{
    collections::VecDeque,
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    super::{entry::EntryBuffer, outcome::Place},
    handle::Inner,
};

/// An entry that is to be made durable, together with what waits for it: one value, so that an
/// answer needs no look-up and may come in any order.
pub trait Submission: Send + 'static {
    /// The entry.
    fn entry(&mut self) -> &mut EntryBuffer;

    /// How many points it holds, as counted by their writer: for the ledger.
    fn points(&self) -> u64;

    /// Called once by the thread, when there is room for the entry and before it is appended. Here
    /// the submission decides what depends on the order of submissions, and writes it into the
    /// entry without changing the entry's length.
    fn decide(&mut self) {}

    /// The entry was appended and its payload is at `place`; it is not durable yet.
    fn appended(&mut self, _place: Place) {}

    /// Called once, on any thread. If `durable` is false, the entry will never be durable, and
    /// nothing in it may be acknowledged.
    fn answer(self: Box<Self>, durable: bool);
}

/// One owner's way to a commit thread.
pub struct Feed<S: Submission> {
    inner: Arc<Inner>,
    slot: Arc<Slot<S>>,
}

impl<S: Submission> Feed<S> {
    pub(super) fn new(inner: &Arc<Inner>) -> Self {
        let slot = Arc::new(Slot { waiting: Mutex::default(), ownerless: false.into() });
        inner.register(Arc::clone(&slot) as Arc<dyn Pull>);
        Self { inner: Arc::clone(inner), slot }
    }

    /// Hands a submission over, behind those handed over before. Never blocks: the thread takes it
    /// when it is free.
    pub fn offer(&self, submission: Box<S>) {
        self.slot.lock().push(submission);
        if self.inner.closed.load(Ordering::SeqCst) {
            // The thread has ended, or is about to and may not have seen this one.
            self.slot.refuse();
            return;
        }
        // Pairs with the thread, which first sets `idle` and then looks once more.
        if self.inner.idle.swap(false, Ordering::SeqCst) {
            self.inner.wake();
        }
    }

    /// Takes back what was handed over last, to add to it, if the thread has not taken it yet and
    /// `open` says that it may grow.
    pub fn reclaim(&self, open: impl FnOnce(&S) -> bool) -> Option<Box<S>> {
        self.slot.lock().pop_if(|last| open(last))
    }
}

impl<S: Submission> Drop for Feed<S> {
    fn drop(&mut self) {
        // The thread still commits what is left in it.
        self.slot.ownerless.store(true, Ordering::SeqCst);
        self.inner.forget_done();
    }
}

impl<S: Submission> fmt::Debug for Feed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}

/// The queue between an owner and the thread. A mutex, because the owner may take back what the
/// thread is about to take; each holds it for a push or a swap.
struct Slot<S> {
    /// Bounded by how many submissions the owner leaves unanswered.
    waiting: Mutex<Vec<Box<S>>>,
    /// The owner has gone.
    ownerless: AtomicBool,
}

impl<S> Slot<S> {
    /// Poisoning is ignored: each change of the list is one step.
    fn lock(&self) -> MutexGuard<'_, Vec<Box<S>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread's side of a feed.
pub(super) trait Pull: Send + Sync {
    /// Takes everything, in order.
    fn pull(&self, into: &mut VecDeque<Box<dyn Submission>>);

    /// Answers everything: it will never be durable.
    fn refuse(&self);

    /// Whether it is empty and its owner is gone.
    fn is_done(&self) -> bool;
}

impl<S: Submission> Pull for Slot<S> {
    fn pull(&self, into: &mut VecDeque<Box<dyn Submission>>) {
        let mut waiting = self.lock();
        into.extend(waiting.drain(..).map(|submission| submission as Box<dyn Submission>));
    }

    fn refuse(&self) {
        // Answered outside the lock, because an answer runs the owner's code.
        let waiting = mem::take(&mut *self.lock());
        waiting.into_iter().for_each(|submission| submission.answer(false));
    }

    fn is_done(&self) -> bool {
        self.ownerless.load(Ordering::SeqCst) && self.lock().is_empty()
    }
}
