//! Why a request is refused before it is handled.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::error::Code;
use crate::auth::{Role, TokenFault};

/// Why a request is refused before it is handled. The operator sends another token or request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It has no valid token.
    #[error(transparent)]
    Token(TokenFault),
    /// Its token's role is too low.
    #[error("the request needs a token with the role `{}`", role.as_str())]
    Role {
        /// The role that is needed.
        role: Role,
    },
    /// Its token is limited to vehicles, and the request concerns the whole fleet.
    #[error("the token is limited to vehicles, and this is of the whole fleet")]
    Fleet,
    /// The token is limited to other vehicles.
    #[error("the token is not for vehicle `{vehicle}`")]
    Vehicle {
        /// As requested.
        vehicle: String,
    },
    /// Its token is limited to vehicles, and the request names none.
    #[error("the token is limited to vehicles: name them with `vehicle`")]
    Unnamed,
    /// No token is required, and the request names another host.
    #[error("the Host is not one of this server's: add it to http.hosts, or set auth.tokens")]
    Host,
    /// The request changes something, and is not JSON.
    #[error("a request that changes something needs `Content-Type: application/json`")]
    ContentType,
}

impl Refused {
    /// A label value for metrics.
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
