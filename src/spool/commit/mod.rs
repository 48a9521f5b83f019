//! Group commit: one plain thread a spool, which owns the writer.
//!
//! Whoever has an entry hands it over with [`CommitHandle::submit`], which never blocks, and hears
//! on its own channel when it is settled. The thread takes all that has gathered (up to
//! `group_bytes_max`), appends it, syncs once, counts the group in the [`PointLedger`], shows it to
//! the reader, and answers. Answers come in the order in which submissions were taken.
//!
//! ```text
//! submit ─▶ queue ─▶ append … append ─▶ sync ─▶ ledger ─▶ reader sees it ─▶ Settled{durable: true}
//! ```
//!
//! # States
//! - **Running**. Under load the time between two syncs is at least `interval`, and what arrives in
//!   it joins the next group; after an idle period the first group is synced at once.
//! - **Full**: the writer has no room, in the budget or on the disk. What was taken is kept, in
//!   order; the thread waits on the budget and looks again every `recheck`; it resumes by itself.
//!   The queue is not bounded here: whoever submits waits for its answers, and so bounds what it
//!   has unanswered (UP-4).
//! - **Halted**: a write or a sync failed. For good: everything queued, and everything submitted
//!   later, is answered `durable: false`, which must never become an acknowledgement (I1, I2). The
//!   thread stays, so that a thread that has ended means a panic or a stop.
//!
//! A stop commits what is queued, then the thread ends; what found no room is answered
//! `durable: false`. Dropping the last handle stops as well.
//!
//! Budget: at 2 ms an fsync and 100,000 points of 400 B a second, a group is 80 KB and the thread
//! takes 500 locks a second of each worker; the copy into the page cache is most of its work.
//!
//! Why a thread and not a task: a sync blocks for a millisecond or, on a bad day, for seconds.
//!
//! [`PointLedger`]: crate::telemetry::PointLedger

mod counters;
mod handle;
mod thread;

pub use counters::{CommitCounters, SYNC_BUCKET_BOUNDS};
pub use handle::{CommitHandle, CommitState, Reply, Settled, Submission};
pub use thread::{CommitOptions, Committer, OnState};
