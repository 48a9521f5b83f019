//! What the thread of commands is asked to do.

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

/// Why a command is not created, or not taken back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The vehicle has as many open ones as it may have. The operator waits, or cancels some.
    #[error("vehicle `{vehicle}` has {max} commands that have not ended (downlink.open-max)")]
    TooManyOpen {
        /// Which vehicle.
        vehicle: Arc<str>,
        /// The bound.
        max: usize,
    },
    /// All vehicles together have.
    #[error("{max} commands have not ended (downlink.total-open-max)")]
    TooManyOpenInAll {
        /// The bound.
        max: usize,
    },
    /// As many pushes stand as may. The operator deletes some.
    #[error("{max} pushes with a schedule stand (downlink.schedules-max)")]
    TooManySchedules {
        /// The bound.
        max: usize,
    },
    /// The key was used for something else. The operator takes another one.
    #[error("the idempotency key `{key}` was used for another command, {id}")]
    KeyTaken {
        /// The key.
        key: Arc<str>,
        /// Whose it is.
        id: CommandId,
    },
    /// There is no such command, or not any more.
    #[error("there is no command `{0}`")]
    Unknown(CommandId),
    /// It is with the vehicle already.
    #[error("the vehicle has command `{0}` already")]
    AlreadyDelivered(CommandId),
    /// It has ended otherwise.
    #[error("command `{id}` has ended already: it is {state}")]
    AlreadyEnded {
        /// Which.
        id: CommandId,
        /// How it ended.
        state: &'static str,
    },
    /// The key was used for another push. The operator takes another one.
    #[error("the idempotency key `{key}` was used for another push, {id}")]
    PushKeyTaken {
        /// The key.
        key: Arc<str>,
        /// Whose it is.
        id: CommandId,
    },
    /// There is no such push, or not any more.
    #[error("there is no push `{0}`")]
    PushUnknown(CommandId),
    /// It has ended, and is neither paused, resumed nor stopped.
    #[error("push `{id}` has ended already: it is {state}")]
    PushEnded {
        /// Which.
        id: CommandId,
        /// How it ended.
        state: &'static str,
    },
    /// It goes on, and is not forgotten. The operator aborts it first.
    #[error("push `{0}` has not ended: abort it first, and wait for what is on its way")]
    PushOpen(CommandId),
    /// The disk takes nothing now. The operator makes room and asks again.
    #[error("commands cannot be made durable now: {reason}")]
    Unavailable {
        /// What SQLite said.
        reason: Arc<str>,
    },
    /// The disk has failed: nothing is taken until a restart.
    #[error("commands are halted until a restart: {reason}")]
    Halted {
        /// What SQLite said.
        reason: Arc<str>,
    },
}

/// A command that was asked for.
#[derive(Clone, Debug)]
pub struct Placed {
    /// As of the moment when it was durable.
    pub record: Record,
    /// It was there before, under the same idempotency key.
    pub is_repeat: bool,
}

/// What came of taking a command back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelling {
    /// It has not left, or nothing of it is under way any more.
    Cancelled,
    /// It is under way: its acknowledgement decides.
    Requested,
}

/// One thing to do.
#[derive(Debug)]
pub(in crate::downlink) enum Job {
    /// Create commands; each is answered by itself.
    Create(Vec<Arc<Request>>, Option<oneshot::Sender<Vec<Result<Placed, Refused>>>>),
    /// Take one back.
    Cancel(CommandId, Arc<str>, Option<oneshot::Sender<Result<Cancelling, Refused>>>),
    /// Do something for a push.
    Push(Box<PushJob>, Option<oneshot::Sender<Result<Asked, Refused>>>),
    /// The effect of commands was seen, or was not in time.
    Verified(Vec<(i64, Verified)>),
    /// Tell when it has ended, or at once if it has.
    Wait(CommandId, Option<oneshot::Sender<()>>),
    /// What became of commands that left.
    Reports(Vec<CommandReport>),
    /// A receipt came.
    Receipt(IncomingReceipt),
    /// A message has raised an alarm.
    Alarm(Box<RaisedAlarm>),
    /// A vehicle is there.
    Here(Arc<str>),
    /// A session that lasts is connected, there, and these are the commands that its queue had.
    Resumed(u64, SessionId, Vec<CommandId>),
    /// A session that lasts has ended.
    Ended(u64),
    /// What became of a question whether a `still` holds.
    Still(i64, Option<bool>),
    /// The webhook has been told of all changes up to this one.
    Told(i64),
    /// The appliance is stopping.
    Stop,
}

impl Job {
    /// How many commands it is about.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Create(requests, _) => requests.len(),
            Self::Reports(reports) => reports.len(),
            Self::Push(job, _) => job.weight(),
            Self::Verified(all) => all.len(),
            _ => 1,
        }
    }

    /// Whether it came from a vehicle, and must not be lost where the disk takes nothing for a
    /// while.
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
