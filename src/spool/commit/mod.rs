//! Group commit: one plain thread a spool, which owns the writer.
//!
//! Whoever has an entry brings it to a [`Feed`] of its own, which never blocks, and hears when it
//! is durable. The thread takes what has gathered in all feeds whenever it is free, appends it (up
//! to `group_bytes_max`), syncs once, counts the group in the [`PointLedger`], shows it to the
//! reader, and answers. Answers come in the order in which entries were appended.
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
//!   thread is woken: to bring something to a busy one costs an uncontended lock.
//! - **Full**: the writer has no room, in the budget or on the disk. What was taken is kept, in
//!   order, and what comes stays in its feed; the thread waits on the budget and looks again every
//!   `recheck`; it resumes by itself. Feeds are not bounded here: whoever fills one bounds what it
//!   leaves unanswered (UP-4).
//! - **Halted**: a write or a sync failed. For good: everything taken, and everything that comes
//!   later, is answered `durable: false`, in order and by the thread alone; it must never become an
//!   acknowledgement (I1, I2). The thread stays, so that a thread that has ended means a panic or a
//!   stop.
//!
//! A stop commits what lies in the feeds, then the thread ends; what found no room, and what comes
//! after that, is answered `durable: false`. Dropping the last handle stops as well.
//!
//! # What else an owner may do
//! A submission may decide what depends on the order of all submissions when its turn comes
//! ([`Submission::decide`]), and hear where its entry lies; a [`Tend`] works on the log between two
//! groups. The session journal is made of these; a lane needs none of them.
//!
//! Budget: at 2 ms between two syncs and 100,000 points of 400 B a second, a group is 80 KB and the
//! thread takes 500 locks a second of each feed; the copy into the page cache is most of its work.
//!
//! Why a thread and not a task: a sync blocks for a millisecond or, on a bad day, for seconds.
//!
//! [`PointLedger`]: crate::telemetry::PointLedger

mod feed;
mod handle;
mod thread;

pub use feed::{Feed, Submission};
pub use handle::{CommitCounters, CommitHandle, CommitState};
pub use thread::{CommitOptions, Committer, OnState, Tend};
