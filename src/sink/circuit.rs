//! One server's circuit breaker: while the server fails, it gets one request at a time.
//!
//! So few requests find out that a server is down, however many shards and batches wait for it.
//! After [`FAILURES_MAX`] failures in a row the circuit opens. Then a request that has failed
//! before waits until the server may be tried again; a new one may try it at once; and only one
//! request tries it at a time. The first answer closes the circuit, and all waiting requests
//! continue. A batch on which the server always fails does not open the circuit if other requests
//! are answered in between.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

/// Failures in a row that open the circuit: more than the requests of one shard that are cut off
/// when a server restarts.
const FAILURES_MAX: u32 = 4;

/// The circuit of one server, shared by the shards that are written to it.
#[derive(Debug)]
pub(super) struct Circuit {
    /// The server's index in `store.urls`, for the operator.
    endpoint: usize,
    /// Why a watch: a change wakes all that wait, and none misses it.
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Failures since the last answer.
    failures: u32,
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    /// When a request that has failed before may try the server again.
    until: Instant,
    /// A request is trying it now.
    is_tried: bool,
}

/// Permission to send one request. If it is dropped without a result, nothing is counted.
#[derive(Debug)]
pub(super) struct Permit {
    circuit: Arc<Circuit>,
    /// It was given while the circuit was open: no other trial is under way.
    is_trial: bool,
}

impl Circuit {
    /// A closed circuit.
    pub(super) fn new(endpoint: usize) -> Self {
        Self { endpoint, state: watch::Sender::default() }
    }

    /// Whether the circuit is open.
    pub(super) fn is_open(&self) -> bool {
        self.state.borrow().open.is_some()
    }

    /// Waits until a request may be sent; `again`: it has failed before.
    pub(super) async fn enter(self: &Arc<Self>, again: bool) -> Permit {
        let mut changes = self.state.subscribe();
        loop {
            changes.mark_unchanged();
            let now = Instant::now();
            let (mut permit, mut until) = (None, None);
            self.state.send_if_modified(|state| {
                match &mut state.open {
                    None => permit = Some(false),
                    Some(open) if open.is_tried => {}
                    Some(open) if !again || open.until <= now => {
                        open.is_tried = true;
                        permit = Some(true);
                    }
                    Some(open) => until = Some(open.until),
                }
                false
            });
            if let Some(is_trial) = permit {
                return Permit { circuit: Arc::clone(self), is_trial };
            }
            let alarm = async {
                match until {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // The sender lives as long as this does.
                _ = changes.changed() => {}
                () = alarm => {}
            }
        }
    }

    /// Waits for so long, or until an open circuit closes.
    pub(super) async fn pause(&self, wait: Duration) {
        let mut changes = self.state.subscribe();
        let closes = async {
            if changes.borrow_and_update().open.is_none() {
                std::future::pending::<()>().await;
            }
            // The sender lives as long as this does.
            drop(changes.wait_for(|state| state.open.is_none()).await);
        };
        tokio::select! {
            () = sleep(wait) => {}
            () = closes => {}
        }
    }
}

impl Permit {
    /// Whether the circuit is open, and other requests wait for the result of this one.
    pub(super) fn is_trial(&self) -> bool {
        self.is_trial
    }

    /// The server failed: it is not tried again for `wait`, which is returned.
    pub(super) fn failed(mut self, wait: Duration) -> Duration {
        let until = Instant::now() + wait;
        let was_trial = std::mem::take(&mut self.is_trial);
        let mut has_opened = false;
        self.circuit.state.send_modify(|state| {
            state.failures = state.failures.saturating_add(1);
            match &mut state.open {
                Some(open) if was_trial => *open = Open { until, is_tried: false },
                // The trial decides.
                Some(_) => {}
                None if state.failures >= FAILURES_MAX => {
                    has_opened = true;
                    state.open = Some(Open { until, is_tried: false });
                }
                None => {}
            }
        });
        if has_opened {
            let server = self.circuit.endpoint;
            tracing::warn!(server, "the store fails: one request at a time until it answers");
        }
        wait
    }

    /// The server answered, whatever it said about the lines.
    pub(super) fn answered(mut self) {
        self.is_trial = false;
        let mut has_closed = false;
        self.circuit.state.send_if_modified(|state| {
            has_closed = state.open.is_some();
            *state = State::default();
            has_closed
        });
        if has_closed {
            let server = self.circuit.endpoint;
            tracing::info!(server, "the store answers again");
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.is_trial {
            self.circuit.state.send_modify(|state| {
                if let Some(open) = &mut state.open {
                    open.is_tried = false;
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than any of these tests takes.
    const WAIT: Duration = Duration::from_mins(10);

    /// The permit, if it is given at once.
    async fn enters(circuit: &Arc<Circuit>, again: bool) -> Option<Permit> {
        tokio::time::timeout(Duration::from_millis(1), circuit.enter(again)).await.ok()
    }

    async fn open() -> Arc<Circuit> {
        let circuit = Arc::new(Circuit::new(0));
        for _ in 0..FAILURES_MAX {
            assert!(!circuit.is_open());
            circuit.enter(false).await.failed(WAIT);
        }
        assert!(circuit.is_open());
        circuit
    }

    #[tokio::test]
    async fn what_failed_waits_and_what_did_not_may_try_one_at_a_time() {
        let circuit = open().await;
        assert!(enters(&circuit, true).await.is_none());
        let trial = enters(&circuit, false).await.expect("it has not failed yet");
        assert!(enters(&circuit, false).await.is_none(), "one at a time");
        drop(trial);
        let trial = enters(&circuit, false).await.expect("a trial that was broken off");
        trial.failed(WAIT);
        assert!(enters(&circuit, true).await.is_none());
        enters(&circuit, false).await.expect("it has not failed yet").failed(Duration::ZERO);
        let trial = enters(&circuit, true).await.expect("its time has come");
        assert!(enters(&circuit, true).await.is_none(), "one at a time");
        trial.answered();
        assert!(!circuit.is_open());
        assert!(enters(&circuit, true).await.is_some());
    }

    #[tokio::test]
    async fn whoever_waits_goes_on_when_it_closes() {
        let circuit = open().await;
        let waiting: Vec<_> = (0..8)
            .map(|_| {
                let circuit = Arc::clone(&circuit);
                tokio::spawn(async move {
                    circuit.pause(WAIT * 2).await;
                    circuit.enter(true).await.answered();
                })
            })
            .collect();
        tokio::task::yield_now().await;
        circuit.enter(false).await.answered();
        for waits in waiting {
            let waited = tokio::time::timeout(WAIT / 2, waits).await;
            waited.expect("it goes on").expect("no panic");
        }
    }

    #[tokio::test]
    async fn one_batch_that_always_fails_opens_nothing_while_others_are_answered() {
        let circuit = Arc::new(Circuit::new(0));
        for _ in 0..20 {
            circuit.enter(true).await.failed(WAIT);
            circuit.enter(false).await.answered();
        }
        assert!(!circuit.is_open());
        let (began, pause) = (Instant::now(), Duration::from_millis(20));
        circuit.pause(pause).await;
        assert!(began.elapsed() >= pause, "a pause beside a closed circuit is not cut short");
    }
}
