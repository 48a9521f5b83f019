//! Watches every thread and task that must run as long as the appliance, and reports the name of
//! one that ends without a stop.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use tokio::sync::Notify;

/// Is notified of threads and tasks that end without a stop. Cheap to clone; all clones share one
/// state.
#[derive(Clone, Default)]
pub struct Supervisor {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    /// The appliance is stopping: everything may end.
    stopping: AtomicBool,
    /// The name of the first that ended without a stop.
    ended: Mutex<Option<String>>,
    told: Notify,
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").field("ended", &self.ended()).finish_non_exhaustive()
    }
}

impl Supervisor {
    /// Watches the thread or task that holds the guard: the guard must not be dropped before
    /// [`Self::stop`].
    #[must_use]
    pub fn guard(&self, name: impl Into<String>) -> Guard {
        Guard { supervisor: self.clone(), name: name.into(), only_panics: false }
    }

    /// Watches something that may end at any time, but not by a panic.
    #[must_use]
    pub fn panic_guard(&self, name: impl Into<String>) -> Guard {
        Guard { supervisor: self.clone(), name: name.into(), only_panics: true }
    }

    /// From now on everything may end.
    pub fn stop(&self) {
        self.inner.stopping.store(true, Ordering::SeqCst);
    }

    /// Waits until something has ended without a stop; returns its name.
    pub async fn ended_unasked(&self) -> String {
        loop {
            let told = self.inner.told.notified();
            if let Some(name) = self.ended() {
                return name;
            }
            told.await;
        }
    }

    fn ended(&self) -> Option<String> {
        self.inner.ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn tell(&self, name: &str) {
        if self.inner.stopping.load(Ordering::SeqCst) && !thread::panicking() {
            return;
        }
        let mut ended = self.inner.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.get_or_insert_with(|| name.to_owned());
        drop(ended);
        self.inner.told.notify_waiters();
    }
}

/// Held by a thread or task as long as it runs. Reports if that ends without a stop: because it
/// returns, panics, or its runtime has ended.
#[derive(Debug)]
pub struct Guard {
    supervisor: Supervisor,
    name: String,
    only_panics: bool,
}

impl Guard {
    /// The name of what it watches.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.only_panics || thread::panicking() {
            self.supervisor.tell(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_that_ends_without_a_stop_is_reported_however_it_ends() {
        for panics in [false, true] {
            let supervisor = Supervisor::default();
            let guard = supervisor.guard("a task");
            let task = tokio::spawn(async move {
                let _guard = guard;
                assert!(!panics, "on purpose");
            });
            assert_eq!(supervisor.ended_unasked().await, "a task");
            assert_eq!(task.await.is_err(), panics);
            drop(supervisor.guard("another"));
            assert_eq!(supervisor.ended_unasked().await, "a task");
        }
    }

    #[tokio::test]
    async fn what_may_end_is_reported_only_if_it_panics() {
        let supervisor = Supervisor::default();
        drop(supervisor.panic_guard("a connection"));
        assert_eq!(supervisor.ended(), None);
        let guard = supervisor.panic_guard("a connection");
        let thread = thread::spawn(move || {
            let _guard = guard;
            panic!("on purpose");
        });
        assert_eq!(supervisor.ended_unasked().await, "a connection");
        assert!(thread.join().is_err());
    }

    #[test]
    fn after_a_stop_everything_may_end_except_by_a_panic() {
        let supervisor = Supervisor::default();
        let guard = supervisor.guard("a thread");
        supervisor.stop();
        drop(guard);
        assert_eq!(supervisor.ended(), None);
    }
}
