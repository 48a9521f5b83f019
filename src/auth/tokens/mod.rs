//! Tokens of operators: the file, and the callers that they identify.
//!
//! A token is 256 random bits, so only its SHA-256 is stored: it cannot be guessed, and a slow hash
//! is not needed. It has a role, may expire, and may be limited to vehicles.

mod caller;
mod file;
mod record;

pub use caller::{Caller, Role, TokenFault};
pub(super) use file::Tokens;
pub use record::{TokenRecord, new_token};
