//! The caller of the operator edge, and what it may do.

use std::sync::Arc;

use crate::model::{NamePattern, UnixNanos};

/// The roles of callers; each includes those before it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Ask: everything that is read, and portable queries.
    Read,
    /// Send commands, and pushes over portable queries.
    Command,
    /// Everything, native queries included.
    Admin,
}

impl Role {
    /// In ascending order.
    pub const ALL: [Self; 3] = [Self::Read, Self::Command, Self::Admin];

    /// As written in a file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Command => "command",
            Self::Admin => "admin",
        }
    }
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// A token is required, and the request has none.
    #[error("a token is required: send `Authorization: Bearer TOKEN`")]
    Absent,
    /// There is no such token, or not any more.
    #[error("the token is unknown")]
    Unknown,
    /// It has expired.
    #[error("the token has expired")]
    Expired,
}

impl TokenFault {
    /// A word for metrics.
    #[must_use]
    pub const fn cause(self) -> &'static str {
        match self {
            Self::Absent => "no-token",
            Self::Unknown => "token-unknown",
            Self::Expired => "token-expired",
        }
    }
}

/// The caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The token's name; `None` if no token is required.
    name: Option<Arc<str>>,
    role: Role,
    /// Those that it may see and address; `None`: all.
    vehicles: Option<Arc<[NamePattern]>>,
    expires: Option<UnixNanos>,
}

impl Caller {
    /// Any caller, if no token is required.
    #[must_use]
    pub const fn anybody() -> Self {
        Self { name: None, role: Role::Admin, vehicles: None, expires: None }
    }

    /// The owner of a token.
    #[must_use]
    pub const fn new(
        name: Arc<str>,
        role: Role,
        vehicles: Option<Arc<[NamePattern]>>,
        expires: Option<UnixNanos>,
    ) -> Self {
        Self { name: Some(name), role, vehicles, expires }
    }

    /// The token's name; `None` if no token is required.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What it may do.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The vehicles that it may see and address; `None`: all.
    #[must_use]
    pub fn vehicles(&self) -> Option<&Arc<[NamePattern]>> {
        self.vehicles.as_ref()
    }

    /// Whether it may see and address a vehicle.
    #[must_use]
    pub fn may_address(&self, vehicle: &str) -> bool {
        let matches = |names: &Arc<[NamePattern]>| names.iter().any(|name| name.matches(vehicle));
        self.vehicles.as_ref().is_none_or(matches)
    }

    pub(super) fn is_over(&self, now: UnixNanos) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}
