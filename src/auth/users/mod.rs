//! Users and their passwords: the file, its hashes, and threads that verify.
//!
//! A hash is slow by design: about 50 ms and 46 MiB for argon2id. So it is computed on separate
//! threads, at most `auth.verify-cores` at once, from a bounded queue in which addresses and users
//! take turns (`turns`); if the queue is full, the client must try again. A successful verification
//! is remembered for a time under a keyed hash, so that a fleet that reconnects after a network
//! failure costs nothing; a reload forgets all of them.

mod file;
mod hash;
mod turns;
mod verify;

pub(super) use file::Users;
pub use file::check_user_line;
pub use hash::{NewHash, new_hash};
pub(super) use verify::{Verdict, Verifier, VerifyLimits};
