//! The signals that end a demo.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::error::DemoError;

/// Ctrl-C, `kill`, and a terminal that is closed: none of them may leave the folder behind.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// From now on; to be called inside a runtime.
    pub(super) fn listen() -> Result<Self, DemoError> {
        let on = |kind| {
            signal(kind).map_err(|source| DemoError::Start { what: "signal handler", source })
        };
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
            hangup: on(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one; may be dropped and called again.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
