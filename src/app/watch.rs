//! What the appliance waits for while it runs: a request to stop, or to load anew.

use std::io;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

/// What the appliance runs until.
#[derive(Debug)]
pub enum Until {
    /// SIGTERM or SIGINT; SIGHUP loads anew. For a process that is the appliance.
    Signals,
    /// Its sender says so, or is gone. For a process that has the appliance inside, and signals of
    /// its own.
    Asked(oneshot::Receiver<()>),
}

/// Where requests come from.
#[derive(Debug)]
pub(super) enum Requests {
    Signals(Signals),
    Asked(oneshot::Receiver<()>),
}

impl Requests {
    /// Listens from now on; for signals it has to be called inside a runtime.
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
                // A sender that is gone will never ask, so it has.
                let _answer = asked.await;
                Asked::Stop
            }
        }
    }
}

/// The signals that the appliance answers to.
#[derive(Debug)]
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Stop, in order.
    Stop,
    /// Load schemas and mappings anew.
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
