//! The requests that a running appliance waits for: to stop, or to reload.

use std::io;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

/// The source of requests to stop.
#[derive(Debug)]
pub enum Until {
    /// SIGTERM or SIGINT; SIGHUP reloads. For a process that is only the appliance.
    Signals,
    /// A message of the sender, or its drop. For a process that contains the appliance and handles
    /// signals itself.
    Asked(oneshot::Receiver<()>),
}

/// The source of requests.
#[derive(Debug)]
pub(super) enum Requests {
    Signals(Signals),
    Asked(oneshot::Receiver<()>),
}

impl Requests {
    /// Begins to listen; for signals it must be called inside a runtime.
    pub(super) fn listen(until: Until) -> io::Result<Self> {
        match until {
            Until::Signals => Signals::listen().map(Self::Signals),
            Until::Asked(asked) => Ok(Self::Asked(asked)),
        }
    }

    pub(super) async fn next(&mut self) -> Asked {
        match self {
            Self::Signals(signals) => signals.next().await,
            Self::Asked(asked) => {
                // A dropped sender counts as a request to stop.
                let _answer = asked.await;
                Asked::Stop
            }
        }
    }
}

/// The signals that the appliance handles.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Stop, in order.
    Stop,
    /// Reload schemas, mappings, certificates and the files of `[auth]`.
    Reload,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }
}
