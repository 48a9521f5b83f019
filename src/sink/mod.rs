//! Spool → store: batches, retries, the cursor.
//!
//! One task a shard reads what is durable in the shard's spool, cuts it into batches, delivers them
//! with a few requests in flight, and moves the cursor behind them. Everything that decides is pure
//! and takes the time as an argument; the tasks only wait and send.
//!
//! ```text
//!  spool ─▶ shipper ── batch ──▶ delivery ──▶ store
//!   ▲          │ Pacing: when      │ Split: halves until the bad lines are known
//!   │          │                   │ Retry: how long to wait ──▶ the same bytes again
//!   └─ cursor ─┴─ Sent ◀─ finished┴─▶ dead_letter: refused lines, durable first
//! ```
//!
//! # Invariants
//! - **SK-1** The cursor passes a line only when the store has accepted it, or when it is a durable
//!   dead letter (or the spool says that its entry is damaged).
//! - **SK-2** The cursor covers a contiguous prefix: requests overtake each other, the cursor waits
//!   for the oldest. What went ahead of a backlog is counted when the cursor passes it, and is sent
//!   again if a crash comes first.
//! - **SK-3** At most [`Options::requests_in_flight`] requests a shard are on the way; a retry
//!   sends the same bytes. After a restart lines are sent again, byte for byte, in requests cut
//!   anew.
//! - **SK-4** Memory does not grow while the store is away: nothing is read ahead of the requests
//!   that wait.
//!
//! # What the store may see
//! A line arrives at least once. With more than one request in flight two points of equal series
//! and time in different requests may arrive in either order, so which of two different values
//! stays is not defined; `requests-in-flight = 1` keeps the order of the spool. Where newer entries
//! go ahead of a backlog ([`Options::backfill_share_ppm`]) that order is given up between the two,
//! and kept in each of them (`stretches.rs`).
//!
//! # What a verdict leads to
//! - *Accepted*: finished. *Partial*: the named lines become dead letters, the rest is finished.
//! - *Rejected*: halved, down to single lines; a line refused alone becomes a dead letter. Others
//!   go on meanwhile, in the other slots and for at most [`Options::batches_ahead`] batches. Where
//!   every line of a batch is refused, one alarm says so. A measurement that is refused whole is
//!   parted from the others.
//! - *Doubtful*: sent again, as a whole, then after all other lines and alone; set aside after
//!   some times.
//! - *Unclear*: the same bytes again as for an unavailable store, for at most
//!   [`Options::unknown_code_patience`]; then halved. A line refused alone becomes a dead letter
//!   only if the store accepted something else within that time, or since its batch was first
//!   refused so; until then others take its place among the requests in flight (`stalled.rs`), that
//!   of [`Options::batches_stalled`] batches at most.
//! - *Too large*: halved too, but a single line waits like a halted request: what refuses it may
//!   not be the store.
//! - *Unavailable*: the same bytes again after a jittered wait of at most ten seconds, or after the
//!   store's `Retry-After` up to a bound. *Halted*: the same, slowly from the start, and the health
//!   board says failed.
//! - While a server of the store is unavailable or halted its [`circuit`](self) is open: one
//!   request at a time, of all shards that are written to it. Shards of other servers do not
//!   notice.
//! - A dead-letter log that has halted holds the batch until a restart, which sends it again.
//!
//! # What is known before a line is sent
//! - Of the requests of a shard with lines of a measurement whose types are not known, one is under
//!   way at a time (`probe.rs`), so that at most one batch is sent again for what it teaches.
//! - A line that the store would take and then fail on, or must refuse by what is known of its
//!   tables, is not sent ([`Store::screen`](crate::store::Store::screen)): it becomes a dead letter
//!   before the request is made. What is learned from a refusal is held against the rest of its
//!   batch before that is halved.
//!
//! # What is counted
//! Points are counted as stored or dead-lettered when the cursor in memory passes them, from what
//! the entries say they hold: the lines of an accepted request are not counted again.
//!
//! # Budget
//! 100,000 lines of 200 B a second are 20 MB/s: five to ten requests a second of full batches, two
//! reads each. A shard's memory is at most `(requests_in_flight + 2) × batch_bytes`, 16 MiB at the
//! defaults, two batches more for each stretch behind the first, of which there are at most 7, and
//! one for each of the [`Options::batches_stalled`].

mod aside;
mod circuit;
mod delivery;
mod lag;
mod letters;
mod meters;
mod options;
mod pacing;
mod probe;
mod retry;
mod rewrite;
mod send;
mod sent;
mod shipper;
mod split;
mod stalled;
mod start;
mod state;
mod stretch;
mod stretches;
#[cfg(test)]
mod tests;

pub use options::Options;
pub use retry::RetryOptions;
pub use start::{Drained, Parts, Shard, Sink, SinkState, start};
pub use state::ShardStatus;
