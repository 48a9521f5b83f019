//! Where a write goes: the parts of a request that do not depend on what is written.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::model::Secret;

/// Path, query and authorisation of a store's write request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Segments below the base address.
    pub path: &'static [&'static str],
    /// Query parameters, unescaped, in order.
    pub query: Vec<(&'static str, String)>,
    /// The value of the `Authorization` header.
    pub authorization: Option<Secret>,
}

/// `Authorization` for a scheme that sends its token as it is (`Token`, `Bearer`).
pub(super) fn token(scheme: &str, token: &Secret) -> Secret {
    Secret::new(format!("{scheme} {}", token.expose()))
}

/// `Authorization` for a user and a password.
pub(super) fn basic(user: &str, password: &Secret) -> Secret {
    let pair = format!("{user}:{}", password.expose());
    Secret::new(format!("Basic {}", STANDARD.encode(pair)))
}
