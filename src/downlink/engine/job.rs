//! The jobs of the thread of commands.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::pushes::{Asked, PushJob};
use crate::{
    downlink::{
        push::Verified,
        record::{Record, Request},
    },
    model::{CommandId, CommandReport, IncomingReceipt, RaisedAlarm, SessionId},
};

/// Why a command is not created or not cancelled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The vehicle has its maximum of open commands. Wait, or cancel some.
    #[error("vehicle `{vehicle}` has {max} commands that have not ended (downlink.open-max)")]
    TooManyOpen {
        /// Which vehicle.
        vehicle: Arc<str>,
        /// The bound.
        max: usize,
    },
    /// All vehicles together have the maximum of open commands.
    #[error("{max} commands have not ended (downlink.total-open-max)")]
    TooManyOpenInAll {
        /// The bound.
        max: usize,
    },
    /// There is the maximum number of pushes with a schedule. Delete some.
    #[error("{max} pushes with a schedule stand (downlink.schedules-max)")]
    TooManySchedules {
        /// The bound.
        max: usize,
    },
    /// The key was used for another command. Use another key.
    #[error("the idempotency key `{key}` was used for another command, {id}")]
    KeyTaken {
        /// The key.
        key: Arc<str>,
        /// The command that has the key.
        id: CommandId,
    },
    /// There is no such command, or it was deleted.
    #[error("there is no command `{0}`")]
    Unknown(CommandId),
    /// It is already delivered.
    #[error("the vehicle has command `{0}` already")]
    AlreadyDelivered(CommandId),
    /// It has already ended.
    #[error("command `{id}` has ended already: it is {state}")]
    AlreadyEnded {
        /// The id.
        id: CommandId,
        /// Its final state.
        state: &'static str,
    },
    /// The key was used for another push. Use another key.
    #[error("the idempotency key `{key}` was used for another push, {id}")]
    PushKeyTaken {
        /// The key.
        key: Arc<str>,
        /// The command that has the key.
        id: CommandId,
    },
    /// There is no such push, or it was deleted.
    #[error("there is no push `{0}`")]
    PushUnknown(CommandId),
    /// It has ended, so it cannot be paused, resumed or aborted.
    #[error("push `{id}` has ended already: it is {state}")]
    PushEnded {
        /// The id.
        id: CommandId,
        /// Its final state.
        state: &'static str,
    },
    /// It has not ended, so it cannot be deleted. Abort it first.
    #[error("push `{0}` has not ended: abort it first, and wait for what is on its way")]
    PushOpen(CommandId),
    /// The disk accepts no writes now. Free some space and try again.
    #[error("commands cannot be made durable now: {reason}")]
    Unavailable {
        /// SQLite's error.
        reason: Arc<str>,
    },
    /// The disk has failed: nothing is accepted until a restart.
    #[error("commands are halted until a restart: {reason}")]
    Halted {
        /// SQLite's error.
        reason: Arc<str>,
    },
}

/// The result of a request for a command.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The command, as it was when it became durable.
    pub record: Record,
    /// It existed before, with the same idempotency key.
    pub is_repeat: bool,
}

/// The result of cancelling a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelling {
    /// It was not sent, or is not in flight any more.
    Cancelled,
    /// It is in flight: its acknowledgement decides.
    Requested,
}

/// One job.
#[derive(Debug)]
pub(in crate::downlink) enum Job {
    /// Create commands; each has its own result.
    Create(Vec<Arc<Request>>, Option<oneshot::Sender<Vec<Result<Placed, Refused>>>>),
    /// Cancel a command.
    Cancel(CommandId, Arc<str>, Option<oneshot::Sender<Result<Cancelling, Refused>>>),
    /// A job of a push.
    Push(Box<PushJob>, Option<oneshot::Sender<Result<Asked, Refused>>>),
    /// The effect of commands was seen, or was not seen in time.
    Verified(Vec<(i64, Verified)>),
    /// Answer when a command has ended, at once if it has already.
    Wait(CommandId, Option<oneshot::Sender<()>>),
    /// Outcomes of sent commands.
    Reports(Vec<CommandReport>),
    /// A receipt arrived.
    Receipt(IncomingReceipt),
    /// A message has raised an alarm.
    Alarm(Box<RaisedAlarm>),
    /// A vehicle is reachable.
    Here(Arc<str>),
    /// A persistent session is connected as this live session, and its queue had these commands.
    Resumed(u64, SessionId, Vec<CommandId>),
    /// A persistent session has ended.
    Ended(u64),
    /// The result of checking a `still`; `None` if it is unknown.
    Still(i64, Option<bool>),
    /// The webhook has accepted all changes up to this one.
    WebhookCursor(i64),
    /// The appliance is stopping.
    Stop,
}

impl Job {
    /// The number of commands that it is about.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Create(requests, _) => requests.len(),
            Self::Reports(reports) => reports.len(),
            Self::Push(job, _) => job.weight(),
            Self::Verified(all) => all.len(),
            _ => 1,
        }
    }

    /// Whether it comes from a vehicle, and must not be lost while the disk accepts no writes.
    pub(super) fn is_of_a_vehicle(&self) -> bool {
        matches!(
            self,
            Self::Reports(_)
                | Self::Receipt(_)
                | Self::Alarm(_)
                | Self::Resumed(..)
                | Self::Ended(_)
        )
    }
}
