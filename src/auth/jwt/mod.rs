//! JSON web tokens as passwords: the operator's key set, and the required claims.
//!
//! The algorithm follows from the key, never from the token: an RSA key verifies RS256, a key on
//! P-256 ES256, a secret HS256, and a token whose header names another algorithm is refused. `exp`
//! is required, `nbf` is checked if present, `aud` if an audience is configured. Each must have its
//! type, so that no odd value counts as absent.
//!
//! Why not a crate: ring has the three signature algorithms; the rest is to read two JSON objects
//! strictly.

mod keys;
mod token;

pub(super) use keys::JwtKeys;
pub(super) use token::{Jwt, JwtTerms, is_jwt};
