//! The table in memory that results from the journal's records: sessions, their queues, retained
//! messages, wills.
//!
//! - `state`: the table and the single steps by which it changes. `session`: one session and its
//!   queue. `messages`: the needed messages, and their places in the journal.
//! - `apply`: a frame of records, live or read again. `deliver`: its publishes.
//! - `snapshot`: the table as entries of a file, and back.
//!
//! # Memory
//! A queued message takes about 20 bytes in each session's queue and about 30 bytes for its place,
//! once for all sessions; its content is only on disk. A disconnected session with a subscription
//! takes about 300 bytes.

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
