//! Spool → store: batches, retries, the cursor.
//!
//! For each shard one task reads the durable entries of the shard's spool, cuts them into batches,
//! delivers these with a few requests in flight, and moves the cursor past finished ones. All
//! decisions are in pure code that takes the time as an argument; the tasks only wait and send.
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
//!   for the oldest. Entries that overtook a backlog are counted when the cursor passes them, and
//!   are sent again after a crash.
//! - **SK-3** At most [`Options::requests_in_flight`] requests a shard are in flight; a retry sends
//!   the same bytes. After a restart the same lines are sent again, in other requests.
//! - **SK-4** Memory does not grow while the store is unavailable: nothing is read ahead of the
//!   waiting requests.
//!
//! # What the store may see
//! A line arrives at least once. With more than one request in flight two points of equal series
//! and time in different requests may arrive in either order, so which of two different values
//! stays is not defined; `requests-in-flight = 1` keeps the order of the spool. If newer entries
//! overtake a backlog ([`Options::backfill_share_ppm`]), the order between the two is given up, and
//! kept within each of them (`stretches.rs`).
//!
//! # What a verdict leads to
//! - *Accepted*: finished. *Partial*: the named lines become dead letters, the rest is finished.
//! - *Rejected*: halved, down to single lines; a line that is refused alone becomes a dead letter.
//!   Meanwhile the other slots deliver up to [`Options::batches_ahead`] later batches. If every
//!   line of a batch is refused, this is logged. A measurement that is refused whole is separated
//!   from the others.
//! - *Doubtful*: sent again as a whole, then line by line after all other lines; after some rounds
//!   a line becomes a dead letter.
//! - *Unclear*: retried like an unavailable store for at most [`Options::unknown_code_patience`],
//!   then halved. A line that is refused alone becomes a dead letter only if the store has accepted
//!   something else within that time, or since its batch was first refused so. Until then it is
//!   stalled (`stalled.rs`): other batches use its slot, for up to [`Options::batches_stalled`]
//!   stalled batches.
//! - *Too large*: halved, too; but a single line waits like a halted request, because a proxy may
//!   have refused it and not the store.
//! - *Unavailable*: the same bytes again after a jittered wait of at most ten seconds, or after the
//!   store's `Retry-After` up to a bound. *Halted*: the same with long waits from the start, and
//!   health `failed`.
//! - While a server is unavailable or halted, its [`circuit`](self) is open: the shards that are
//!   written to it send one request at a time. Shards of other servers are not affected.
//! - If the dead-letter log has halted, the batch waits for a restart, which sends it again.
//!
//! # What is known before a line is sent
//! - Of the requests of a shard with lines of a measurement whose types are not known, one is under
//!   way at a time (`probe.rs`), so that at most one batch is sent again for what it teaches.
//! - A line that the store would accept and then fail on, or that it must refuse according to its
//!   known tables, is not sent ([`Store::screen`](crate::store::Store::screen)): it becomes a dead
//!   letter before the request is made. After a refusal that taught something, the rest of the
//!   batch is screened again before it is halved.
//!
//! # What is counted
//! Points are counted as stored or dead-lettered when the cursor in memory passes them, from what
//! the counts in the entries: the lines of an accepted request are not counted again.
//!
//! # Budget
//! 100,000 lines of 200 B a second are 20 MB/s: five to ten requests a second of full batches, two
//! reads each. A shard's memory is at most `(requests_in_flight + 2) × batch_bytes`, 16 MiB at the
//! defaults, two batches more for each stretch behind the first, of which there are at most 7, and
//! one for each of the [`Options::batches_stalled`].

mod circuit;
mod delivery;
mod lag;
mod lend;
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
