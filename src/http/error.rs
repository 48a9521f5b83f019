//! The shape of an error, `{"error":{"code","message","details"}}`, and the closed list of codes.

use axum::{
    Json,
    extract::rejection::BytesRejection,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::Refused;
use crate::{
    http::CommandError,
    model::{EdgeTimeout, LettersError, words},
    query::{QueryError, QueryRequest, QuestionError, StoreQueryError},
};

words! {
    /// What went wrong, for programs. The names are part of the contract.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Code;

    /// There is nothing at the path.
    NotFound = "not-found",
    /// The path exists, but not for this method.
    MethodNotAllowed = "method-not-allowed",
    /// A token is required, and the request has none, or an unknown or expired one.
    Unauthorized = "unauthorized",
    /// The token's role or vehicles do not allow the request.
    Forbidden = "forbidden",
    /// No token is required, and the `Host` of a request that changes something is not this
    /// server's.
    HostRefused = "host-refused",
    /// A request that changes something is not sent as `application/json`.
    ContentTypeRefused = "content-type-refused",
    /// No answer within `http.request-timeout`.
    TimedOut = "timed-out",
    /// A parameter or a member of the body is unknown, missing or no value of its kind.
    ParameterInvalid = "parameter-invalid",
    /// The body is larger than `http.body-bytes-max`, or incomplete.
    BodyUnread = "body-unread",
    /// The vehicle has no session, is not remembered, and the store has no point of it in the
    /// range.
    VehicleUnknown = "vehicle-unknown",
    /// There is no session with that client identifier, or no longer.
    SessionUnknown = "session-unknown",
    /// Several users have a session with that client identifier; choose one by `user`.
    SessionAmbiguous = "session-ambiguous",
    /// There is no dead letter with that id, or no longer.
    DeadLetterUnknown = "dead-letter-unknown",
    /// The dead-letter log cannot be read, or the disk refuses to remove letters.
    DeadLettersFailed = "dead-letters-failed",
    /// The dead-letter log accepts nothing until a restart.
    DeadLettersHalted = "dead-letters-halted",
    /// No `[[command]]` of that name is declared.
    CommandUndeclared = "command-undeclared",
    /// A field of a command is unknown, missing or of another type; `details` name it.
    FieldInvalid = "field-invalid",
    /// The payload of a command is larger than `mqtt.max-packet-size`.
    PayloadTooLarge = "payload-too-large",
    /// There is no command with that id, or no longer.
    CommandUnknown = "command-unknown",
    /// Too many commands are open: `downlink.open-max` of one vehicle, or
    /// `downlink.total-open-max` of all.
    TooManyOpen = "too-many-open",
    /// The idempotency key belongs to another command or push; `details` name it.
    IdempotencyKeyTaken = "idempotency-key-taken",
    /// The vehicle has the command already: it cannot be cancelled.
    AlreadyDelivered = "already-delivered",
    /// The command, or the push, has ended otherwise; `details` say how.
    AlreadyEnded = "already-ended",
    /// A push would reach more vehicles than its `guard` allows; `details` say how many.
    GuardExceeded = "guard-exceeded",
    /// There is no push with that id, or no longer.
    PushUnknown = "push-unknown",
    /// The push or one of its commands has not ended: it cannot be deleted.
    PushOpen = "push-open",
    /// The disk accepts no commands for now; retry.
    CommandsUnavailable = "commands-unavailable",
    /// The disk has failed: no commands are accepted until a restart.
    CommandsHalted = "commands-halted",
    /// The file of commands cannot be read.
    CommandsFailed = "commands-failed",
    /// The MQTT workers did not answer in time; retry.
    EdgeTimeout = "edge-silent",
    /// `query.concurrent-max` queries are running; retry.
    Busy = "busy",
    /// No mapping writes the measurement.
    MeasurementUnknown = "measurement-unknown",
    /// The measurement's mapping keeps no tag for the vehicle; use a native query.
    VehicleUntagged = "vehicle-untagged",
    /// No mapping writes the field.
    FieldUnknown = "field-unknown",
    /// No mapping writes the tag, and the store has no tag of that name.
    TagUnknown = "tag-unknown",
    /// The function does not fit the field's type.
    FunctionUnfit = "function-unfit",
    /// `after` does not come from an answer.
    AfterInvalid = "after-invalid",
    /// The store does not speak the language.
    LanguageUnsupported = "language-unsupported",
    /// The query does more than read, or the store refuses it.
    QueryRefused = "query-refused",
    /// The store is unavailable; retry.
    StoreUnavailable = "store-unavailable",
    /// The store refuses our login, or its database is gone: the operator must correct it.
    StoreHalted = "store-halted",
    /// The answer has more rows than `query.rows-max`; query less.
    TooManyRows = "too-many-rows",
    /// The answer has more bytes than `query.bytes-max`; query less.
    TooManyBytes = "too-many-bytes",
    /// The answer takes longer than `query.time-max`; query less.
    QueryTimedOut = "query-timed-out",
    /// The native query needs more memory, longer texts or a larger program than a bound of the
    /// embedded store (`store.question-…`) allows; simplify it.
    QuestionTooLarge = "question-too-large",
    /// A sum of integers does not fit into 64 bits; `details` name the field.
    SumOverflow = "sum-overflow",
    /// The store's answer cannot be read.
    StoreAnswerBroken = "store-answer-broken",
}

/// Why a request failed. The codes are stable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// No such path. The operator reads the API's description.
    #[error("there is nothing at {path}")]
    NotFound {
        /// As requested.
        path: String,
    },
    /// The path exists, but not for this method.
    #[error("{path} cannot be asked with {method}")]
    MethodNotAllowed {
        /// As requested.
        path: String,
        /// As requested.
        method: Method,
    },
    /// The caller is not authorised.
    #[error(transparent)]
    Refused(Refused),
    /// No answer within `http.request-timeout`. The operator requests less, or raises it.
    #[error("no answer within {limit_ms} ms")]
    TimedOut {
        /// The bound, in milliseconds.
        limit_ms: u64,
    },
    /// A parameter or a member of the body is unknown, missing or not a value of its kind. The
    /// operator corrects it.
    #[error("{message}")]
    ParameterInvalid {
        /// Its name.
        parameter: String,
        /// What is wrong with it.
        message: String,
    },
    /// The body is larger than `http.body-bytes-max`, or incomplete.
    #[error("the body cannot be read: {reason}")]
    BodyUnread {
        /// The reason.
        reason: String,
        /// The status from the library.
        status: StatusCode,
    },
    /// The vehicle has no session, and the store has no point of it within the range.
    #[error("nothing is known of vehicle `{vehicle}`")]
    VehicleUnknown {
        /// As requested.
        vehicle: String,
    },
    /// No session has the client identifier. The operator lists them.
    #[error("no session has the client identifier `{client_id}`")]
    SessionUnknown {
        /// As requested.
        client_id: String,
    },
    /// Several users have a session with the client identifier. The operator names the user.
    #[error("several users have a session `{client_id}`: name one of them with `user`")]
    SessionAmbiguous {
        /// As requested.
        client_id: String,
        /// The users who have one; `None`: an anonymous client.
        users: Vec<Option<String>>,
    },
    /// There is no such dead letter: it never existed, or was removed.
    #[error("there is no dead letter `{id}`")]
    DeadLetterUnknown {
        /// As requested.
        id: String,
    },
    /// The dead-letter log fails. The operator checks the disk.
    #[error(transparent)]
    DeadLetters(LettersError),
    /// The workers of the vehicle edge are stalled. The operator retries.
    #[error(transparent)]
    EdgeTimeout(EdgeTimeout),
    /// A command was not sent, found or cancelled.
    #[error(transparent)]
    Command(CommandError),
    /// A query failed.
    #[error(transparent)]
    Query(#[from] QueryError),
}

impl ApiError {
    /// A body that is incomplete or too large.
    pub(super) fn body_unread(error: BytesRejection) -> Self {
        Self::BodyUnread { reason: error.body_text(), status: error.status() }
    }

    /// The stable code for programs.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::NotFound { .. } => Code::NotFound,
            Self::MethodNotAllowed { .. } => Code::MethodNotAllowed,
            Self::Refused(refused) => refused.code(),
            Self::TimedOut { .. } => Code::TimedOut,
            Self::ParameterInvalid { .. } => Code::ParameterInvalid,
            Self::BodyUnread { .. } => Code::BodyUnread,
            Self::VehicleUnknown { .. } => Code::VehicleUnknown,
            Self::SessionUnknown { .. } => Code::SessionUnknown,
            Self::SessionAmbiguous { .. } => Code::SessionAmbiguous,
            Self::DeadLetterUnknown { .. } => Code::DeadLetterUnknown,
            Self::DeadLetters(LettersError::Halted) => Code::DeadLettersHalted,
            Self::DeadLetters(_) => Code::DeadLettersFailed,
            Self::EdgeTimeout(_) => Code::EdgeTimeout,
            Self::Command(error) => error.code(),
            Self::Query(error) => query_code(error),
        }
    }

    /// The status of the answer.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NotFound { .. }
            | Self::VehicleUnknown { .. }
            | Self::SessionUnknown { .. }
            | Self::DeadLetterUnknown { .. } => StatusCode::NOT_FOUND,
            Self::DeadLetters(LettersError::Halted) => StatusCode::SERVICE_UNAVAILABLE,
            Self::DeadLetters(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::SessionAmbiguous { .. } => StatusCode::CONFLICT,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::TimedOut { .. } | Self::EdgeTimeout(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Refused(refused) => refused.status(),
            Self::ParameterInvalid { .. } => StatusCode::BAD_REQUEST,
            Self::BodyUnread { status, .. } => *status,
            Self::Command(error) => error.status(),
            Self::Query(error) => query_status(error),
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::NotFound { path } => json!({ "path": path }),
            Self::MethodNotAllowed { path, method } => {
                json!({ "path": path, "method": method.as_str() })
            }
            Self::Refused(refused) => refused.details(),
            Self::TimedOut { limit_ms } => json!({ "limit_ms": limit_ms }),
            Self::ParameterInvalid { parameter, .. } => json!({ "parameter": parameter }),
            Self::BodyUnread { .. } | Self::DeadLetters(_) => json!({}),
            Self::DeadLetterUnknown { id } => json!({ "id": id }),
            Self::SessionUnknown { client_id } => json!({ "client_id": client_id }),
            Self::SessionAmbiguous { client_id, users } => {
                json!({ "client_id": client_id, "users": users })
            }
            Self::VehicleUnknown { vehicle } => json!({ "vehicle": vehicle }),
            Self::EdgeTimeout(EdgeTimeout { waited_ms }) => json!({ "waited_ms": waited_ms }),
            Self::Command(error) => error.details(),
            Self::Query(error) => query_details(error),
        }
    }
}

const fn query_code(error: &QueryError) -> Code {
    match error {
        QueryError::Busy { .. } => Code::Busy,
        QueryError::Question(error) => match error {
            QuestionError::MeasurementUnknown { .. } => Code::MeasurementUnknown,
            QuestionError::VehicleUntagged { .. } => Code::VehicleUntagged,
            QuestionError::FieldUnknown { .. } | QuestionError::FieldIsTag { .. } => {
                Code::FieldUnknown
            }
            QuestionError::TagUnknown { .. } => Code::TagUnknown,
            QuestionError::FunctionUnfit { .. } => Code::FunctionUnfit,
            QuestionError::AfterInvalid => Code::AfterInvalid,
            QuestionError::FieldTwice { .. }
            | QuestionError::TagTwice { .. }
            | QuestionError::EveryAlone
            | QuestionError::RangeReversed
            | QuestionError::LimitOutside
            | QuestionError::PageTooLarge { .. }
            | QuestionError::ValuesTooMany { .. } => Code::ParameterInvalid,
        },
        QueryError::Store(error) => match error {
            StoreQueryError::Language { .. } => Code::LanguageUnsupported,
            StoreQueryError::Refused { .. } => Code::QueryRefused,
            StoreQueryError::Unavailable { .. } => Code::StoreUnavailable,
            StoreQueryError::Halted { .. } => Code::StoreHalted,
            StoreQueryError::Rows { .. } => Code::TooManyRows,
            StoreQueryError::Bytes { .. } => Code::TooManyBytes,
            StoreQueryError::Time { .. } => Code::QueryTimedOut,
            StoreQueryError::TooLarge { .. } => Code::QuestionTooLarge,
            StoreQueryError::SumOverflow { .. } => Code::SumOverflow,
            StoreQueryError::Broken { .. } => Code::StoreAnswerBroken,
        },
    }
}

const fn query_status(error: &QueryError) -> StatusCode {
    match error {
        QueryError::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
        QueryError::Question(QuestionError::MeasurementUnknown { .. }) => StatusCode::NOT_FOUND,
        QueryError::Question(_) => StatusCode::BAD_REQUEST,
        QueryError::Store(error) => match error {
            StoreQueryError::Language { .. } | StoreQueryError::Refused { .. } => {
                StatusCode::BAD_REQUEST
            }
            StoreQueryError::Rows { .. }
            | StoreQueryError::Bytes { .. }
            | StoreQueryError::TooLarge { .. }
            | StoreQueryError::SumOverflow { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            StoreQueryError::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            StoreQueryError::Time { .. } => StatusCode::GATEWAY_TIMEOUT,
            StoreQueryError::Halted { .. } | StoreQueryError::Broken { .. } => {
                StatusCode::BAD_GATEWAY
            }
        },
    }
}

fn query_details(error: &QueryError) -> Value {
    match error {
        QueryError::Busy { max } => json!({ "max": max }),
        QueryError::Question(error) => match error {
            QuestionError::MeasurementUnknown { measurement, nearest } => {
                json!({ "measurement": measurement, "nearest": nearest })
            }
            QuestionError::VehicleUntagged { measurement } => json!({ "measurement": measurement }),
            QuestionError::FieldUnknown { measurement, field, nearest } => {
                json!({ "measurement": measurement, "field": field, "nearest": nearest })
            }
            QuestionError::FunctionUnfit { function, field, kind } => {
                json!({ "fn": function.as_str(), "field": field, "type": kind })
            }
            QuestionError::FieldIsTag { measurement, tag } => {
                json!({ "measurement": measurement, "field": tag })
            }
            QuestionError::TagUnknown { measurement, tag, nearest } => {
                json!({ "measurement": measurement, "tag": tag, "nearest": nearest })
            }
            QuestionError::TagTwice { tag } => json!({ "parameter": "group-by", "tag": tag }),
            QuestionError::FieldTwice { field } => json!({ "parameter": "fields", "field": field }),
            QuestionError::EveryAlone => json!({ "parameter": "every" }),
            QuestionError::RangeReversed => json!({ "parameter": "to" }),
            QuestionError::LimitOutside => json!({ "parameter": "limit" }),
            QuestionError::PageTooLarge { limit_max, .. } => {
                json!({ "parameter": "limit", "max": limit_max })
            }
            QuestionError::ValuesTooMany { .. } => {
                json!({ "parameters": ["vehicle", "tag."], "max": QueryRequest::VALUES_MAX })
            }
            QuestionError::AfterInvalid => json!({ "parameter": "after" }),
        },
        QueryError::Store(error) => match error {
            StoreQueryError::Language { spoken, .. } => {
                json!({ "languages": spoken.iter().map(|it| it.as_str()).collect::<Vec<_>>() })
            }
            StoreQueryError::Rows { max } | StoreQueryError::Bytes { max } => json!({ "max": max }),
            StoreQueryError::Time { max_ms } => json!({ "max_ms": max_ms }),
            StoreQueryError::SumOverflow { field } => json!({ "field": field }),
            StoreQueryError::TooLarge { limit, max } => json!({ "key": limit.key(), "max": max }),
            _ => json!({}),
        },
    }
}

impl ApiError {
    /// The body of the answer.
    pub(super) fn json(&self) -> Value {
        json!({ "error": {
            "code": self.code().as_str(),
            "message": self.to_string(),
            "details": self.details(),
        }})
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(self.json())).into_response();
        if self.status() == StatusCode::UNAUTHORIZED {
            let how = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, how);
        }
        response
    }
}
