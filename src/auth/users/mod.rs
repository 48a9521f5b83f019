//! Users and their passwords: the file, its hashes, and threads that verify.
//!
//! A hash is made to be slow: some 50 ms and 46 MiB for one of argon2id. So it is computed on
//! threads of its own, `auth.verify-cores` at once, of a queue that is bounded and lets addresses
//! and users take turns (`turns`); whoever finds it full is told to come again. What was right is
//! remembered for a time under a keyed hash, so that a fleet that comes back after a cut costs
//! nothing; a reload forgets all of it.

mod file;
mod hash;
mod turns;
mod verify;

pub(super) use file::Users;
pub use file::check_user_line;
pub use hash::{NewHash, new_hash};
pub(super) use verify::{Verdict, Verifier, VerifyLimits};
