//! Why a command is not sent, found or cancelled.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{
    downlink::{PushError, ReadError, Refused, RequestError},
    http::{ApiError, Code},
};

/// Why a request about commands failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The request is invalid. The operator corrects it.
    #[error(transparent)]
    Request(RequestError),
    /// The command is not created, or not cancelled.
    #[error(transparent)]
    Refused(Refused),
    /// A push would reach more vehicles than its guard allows. The operator looks at a dry run.
    #[error("{message}")]
    Guard {
        /// The message for the operator.
        message: String,
        /// How many it would reach.
        targeted: u64,
        /// The maximum.
        max: u64,
        /// How many vehicles are known, if the maximum is a share of them.
        known: Option<u64>,
    },
    /// There is no such push, or no longer.
    #[error("there is no push `{id}`")]
    PushUnknown {
        /// As requested.
        id: String,
    },
    /// There is no such command, or no longer.
    #[error("there is no command `{id}`")]
    Unknown {
        /// As requested.
        id: String,
    },
    /// The file of commands cannot be read. The operator checks the disk.
    #[error("{reason}")]
    Failed {
        /// The error of SQLite.
        reason: String,
    },
}

impl CommandError {
    pub(in crate::http) const fn code(&self) -> Code {
        match self {
            Self::Request(RequestError::Member { .. }) => Code::ParameterInvalid,
            Self::Request(RequestError::Undeclared { .. }) => Code::CommandUndeclared,
            Self::Request(RequestError::Field { .. }) => Code::FieldInvalid,
            Self::Request(RequestError::TooLarge { .. }) => Code::PayloadTooLarge,
            Self::Refused(
                Refused::TooManyOpen { .. }
                | Refused::TooManyOpenInAll { .. }
                | Refused::TooManySchedules { .. },
            ) => Code::TooManyOpen,
            Self::Refused(Refused::KeyTaken { .. } | Refused::PushKeyTaken { .. }) => {
                Code::IdempotencyKeyTaken
            }
            Self::Guard { .. } => Code::GuardExceeded,
            Self::Refused(Refused::PushUnknown(_)) | Self::PushUnknown { .. } => Code::PushUnknown,
            Self::Refused(Refused::PushOpen(_)) => Code::PushOpen,
            Self::Refused(Refused::AlreadyDelivered(_)) => Code::AlreadyDelivered,
            Self::Refused(Refused::AlreadyEnded { .. } | Refused::PushEnded { .. }) => {
                Code::AlreadyEnded
            }
            Self::Refused(Refused::Unavailable { .. }) => Code::CommandsUnavailable,
            Self::Refused(Refused::Halted { .. }) => Code::CommandsHalted,
            Self::Refused(Refused::Unknown(_)) | Self::Unknown { .. } => Code::CommandUnknown,
            Self::Failed { .. } => Code::CommandsFailed,
        }
    }

    pub(in crate::http) const fn status(&self) -> StatusCode {
        match self.code() {
            Code::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Code::TooManyOpen => StatusCode::TOO_MANY_REQUESTS,
            Code::IdempotencyKeyTaken
            | Code::AlreadyDelivered
            | Code::AlreadyEnded
            | Code::GuardExceeded
            | Code::PushOpen => StatusCode::CONFLICT,
            Code::CommandsUnavailable | Code::CommandsHalted => StatusCode::SERVICE_UNAVAILABLE,
            Code::CommandUnknown | Code::PushUnknown => StatusCode::NOT_FOUND,
            Code::CommandsFailed => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    pub(in crate::http) fn details(&self) -> Value {
        match self {
            Self::Request(RequestError::Member { member, .. }) => json!({ "parameter": member }),
            Self::Request(RequestError::Undeclared { name, .. }) => json!({ "command": name }),
            Self::Request(RequestError::Field { field, .. }) => json!({ "field": field }),
            Self::Request(RequestError::TooLarge { bytes, max }) => {
                json!({ "bytes": bytes, "max": max })
            }
            Self::Refused(Refused::TooManyOpen { vehicle, max }) => {
                json!({ "vehicle": &**vehicle, "max": max })
            }
            Self::Refused(
                Refused::TooManyOpenInAll { max } | Refused::TooManySchedules { max },
            ) => json!({ "max": max }),
            Self::Refused(
                Refused::KeyTaken { id, .. }
                | Refused::PushKeyTaken { id, .. }
                | Refused::AlreadyDelivered(id)
                | Refused::Unknown(id)
                | Refused::PushUnknown(id)
                | Refused::PushOpen(id),
            ) => json!({ "id": id.to_string() }),
            Self::Guard { targeted, max, known, .. } => {
                json!({ "targeted": targeted, "max": max, "known": known })
            }
            Self::Refused(
                Refused::AlreadyEnded { id, state } | Refused::PushEnded { id, state },
            ) => {
                json!({ "id": id.to_string(), "state": state })
            }
            Self::Unknown { id } | Self::PushUnknown { id } => json!({ "id": id }),
            Self::Refused(Refused::Unavailable { .. } | Refused::Halted { .. })
            | Self::Failed { .. } => json!({}),
        }
    }
}

impl From<RequestError> for ApiError {
    fn from(error: RequestError) -> Self {
        Self::Command(CommandError::Request(error))
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        Self::Command(CommandError::Refused(refused))
    }
}

impl From<PushError> for ApiError {
    fn from(error: PushError) -> Self {
        let message = error.to_string();
        match error {
            PushError::Request(error) => error.into(),
            PushError::Query(error) => Self::Query(error),
            PushError::Refused(refused) => refused.into(),
            PushError::Read { reason } => Self::Command(CommandError::Failed { reason }),
            PushError::Guard { targeted, max, known } => {
                Self::Command(CommandError::Guard { message, targeted, max, known })
            }
        }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        Self::Command(CommandError::Failed { reason: error.to_string() })
    }
}
