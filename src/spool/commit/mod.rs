//! Group commit: one plain thread per spool, which owns the writer.
//!
//! An owner of entries opens a [`Feed`], offers its entries there without blocking, and is called
//! when they are durable. Whenever the thread is free, it takes what has gathered in all feeds,
//! appends it (up to `group_bytes_max`), syncs once, counts the group in the [`PointLedger`], shows
//! it to the reader, and answers. Answers come in the order in which entries were appended.
//!
//! ```text
//! feed ─▶ ┐
//! feed ─▶ ├ pull ─▶ append … append ─▶ sync ─▶ ledger ─▶ reader sees it ─▶ answer(durable)
//! feed ─▶ ┘
//! ```
//!
//! # States
//! - **Running**. Under load the time between two syncs is at least `interval`, and what arrives in
//!   it joins the next group; after an idle period the first group is synced at once. Only an idle
//!   thread is woken: an offer to a busy one costs an uncontended lock.
//! - **Full**: the writer has no room, in the budget or on the disk. What was taken is kept, in
//!   order, and what comes later stays in its feed. The thread waits on the budget, tries again
//!   every `recheck`, and resumes by itself. Feeds are not bounded here: each owner bounds how much
//!   it leaves unanswered (UP-4).
//! - **Halted**: a write or a sync failed. This state is final: everything taken, and everything
//!   offered later, is answered `durable: false`, in order and only by the thread; it must never
//!   become an acknowledgement (I1, I2). The thread keeps running, so that a thread that has ended
//!   always means a panic or a stop.
//!
//! A stop commits what is in the feeds, then the thread ends; what found no room, and what is
//! offered after that, is answered `durable: false`. Dropping the last handle stops as well.
//!
//! # What else an owner can do
//! A submission may decide what depends on the order of all submissions when its turn comes
//! ([`Submission::decide`]), and is told where its entry was written; a [`Maintenance`] works on
//! the log between two groups. The session journal uses both; a lane uses neither.
//!
//! Budget: at 2 ms between two syncs and 100,000 points of 400 B a second, a group is 80 KB and the
//! thread locks each feed 500 times a second; most of its work is the copy into the page cache.
//!
//! Why a thread and not a task: a sync blocks for a millisecond or, on a bad day, for seconds.
//!
//! [`PointLedger`]: crate::telemetry::PointLedger

mod feed;
mod handle;
mod thread;

pub use feed::{Feed, Submission};
pub use handle::{CommitCounters, CommitHandle, CommitState};
pub use thread::{CommitOptions, Committer, Maintenance, OnState};
