//! Why a request is not let in.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::error::Code;
use crate::auth::{Role, TokenFault};

/// Why a request is not let in. The operator brings another token, or asks for something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its token opens nothing.
    #[error(transparent)]
    Token(TokenFault),
    /// Its token may do less.
    #[error("the token's role is not `{}`, which this wants", role.as_str())]
    Role {
        /// What is wanted.
        role: Role,
    },
    /// Its token is limited to vehicles, and this is of the whole fleet.
    #[error("the token is limited to vehicles, and this is of the whole fleet")]
    Fleet,
    /// Its token is limited to other vehicles.
    #[error("the token is not for vehicle `{vehicle}`")]
    Vehicle {
        /// As asked for.
        vehicle: String,
    },
    /// Its token is for all vehicles that begin so, and it names none.
    #[error("the token is limited to vehicles: name them with `vehicle`")]
    Unnamed,
    /// No token is asked for, and it names another host.
    #[error("the Host is none of this server's: name it in http.hosts, or set auth.tokens")]
    Host,
    /// It changes something, and is no JSON.
    #[error("what changes something wants `Content-Type: application/json`")]
    ContentType,
}

impl Refused {
    /// A word for metrics.
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::Token(fault) => fault.cause(),
            Self::Role { .. } => "role",
            Self::Fleet | Self::Vehicle { .. } | Self::Unnamed => "vehicle",
            Self::Host => "host",
            Self::ContentType => "content-type",
        }
    }

    pub(super) const fn code(&self) -> Code {
        match self {
            Self::Token(_) => Code::Unauthorized,
            Self::Role { .. } | Self::Fleet | Self::Vehicle { .. } | Self::Unnamed => {
                Code::Forbidden
            }
            Self::Host => Code::HostRefused,
            Self::ContentType => Code::ContentTypeRefused,
        }
    }

    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::Token(_) => StatusCode::UNAUTHORIZED,
            Self::Role { .. } | Self::Fleet | Self::Vehicle { .. } | Self::Unnamed | Self::Host => {
                StatusCode::FORBIDDEN
            }
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
    }

    pub(super) fn details(&self) -> Value {
        match self {
            Self::Token(fault) => json!({ "reason": fault.cause() }),
            Self::Role { role } => json!({ "role": role }),
            Self::Vehicle { vehicle } => json!({ "vehicle": vehicle }),
            Self::Fleet | Self::Unnamed | Self::Host | Self::ContentType => json!({}),
        }
    }
}
