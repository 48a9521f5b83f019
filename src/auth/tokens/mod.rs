//! Tokens of operators: the file, and who is behind one.
//!
//! A token is 256 random bits, so its SHA-256 is all that is kept: nobody guesses it, and nothing
//! slow is needed. It has a role, may end, and may be limited to vehicles.

mod caller;
mod file;
mod record;

pub use caller::{Caller, Role, TokenFault};
pub(super) use file::Tokens;
pub use record::{TokenRecord, new_token};
