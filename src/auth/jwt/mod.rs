//! JSON web tokens as passwords: a key set of the operator's, and what a token has to say.
//!
//! The algorithm follows from the key, never from the token: an RSA key verifies RS256, a key on
//! P-256 ES256, a secret HS256, and a token whose header says otherwise is refused. `exp` is
//! asked for, `nbf` where it is there, `aud` where an audience is configured; each has to be of
//! its type, so that no odd value counts as absent.
//!
//! Why no crate for it: ring has the three signatures, and what is left is two JSON objects to be
//! read strictly.

mod keys;
mod token;

pub(super) use keys::JwtKeys;
pub(super) use token::{Jwt, JwtTerms, is_jwt};
