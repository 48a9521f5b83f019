//! What the journal's records add up to: sessions, their queues, retained messages, wills.
//!
//! - `state`: the table and the single steps by which it changes. `session`: one session and its
//!   queue. `messages`: which messages are wanted, and where in the journal they lie.
//! - `apply`: a frame of records, live or read again. `deliver`: its publishes.
//! - `snapshot`: the table as entries of a file, and back.
//!
//! # Memory
//! A queued message takes some 20 bytes in its session's queue and some 30 for where it lies, once
//! for all who wait for it; its bytes are on disk only. An absent session with a subscription takes
//! some 300 bytes.

mod apply;
mod deliver;
mod messages;
mod session;
mod snapshot;
mod state;

pub(super) use apply::{Applied, Broken};
pub use apply::{Opened, Outcome, Placed, Published};
pub(super) use messages::Block;
pub(super) use session::EntryState;
pub use snapshot::SnapshotError;
pub(super) use snapshot::{Pieces, load};
pub use state::{Ended, Facts};
pub(super) use state::{Limits, Table, parts};
