//! The one shape of an error: `{"error":{"code","message","details"}}`.

use axum::{
    Json,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// Why a request was not answered as it hoped. The codes are stable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// No such path. The operator looks at the API's description.
    #[error("there is nothing at {path}")]
    NotFound {
        /// As asked for.
        path: String,
    },
    /// The path exists, but not for this method.
    #[error("{path} cannot be asked with {method}")]
    MethodNotAllowed {
        /// As asked for.
        path: String,
        /// As asked with.
        method: Method,
    },
    /// No answer within `http.request-timeout`. The operator asks for less, or raises it.
    #[error("no answer within {limit_ms} ms")]
    TimedOut {
        /// The bound, in milliseconds.
        limit_ms: u64,
    },
}

impl ApiError {
    /// The stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not-found",
            Self::MethodNotAllowed { .. } => "method-not-allowed",
            Self::TimedOut { .. } => "timed-out",
        }
    }

    /// The status of the answer.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::TimedOut { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::NotFound { path } => json!({ "path": path }),
            Self::MethodNotAllowed { path, method } => {
                json!({ "path": path, "method": method.as_str() })
            }
            Self::TimedOut { limit_ms } => json!({ "limit_ms": limit_ms }),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({ "error": {
            "code": self.code(),
            "message": self.to_string(),
            "details": self.details(),
        }});
        (self.status(), Json(body)).into_response()
    }
}
