//! The bounds of shipping.

use std::{num::NonZeroUsize, time::Duration};

use crate::sink::RetryOptions;

/// How one shard's spool is shipped. A process holds at most
/// `(requests_in_flight + 2) × (batch_bytes + one entry)` of lines for each shard, whether the
/// store is available or not, and up to `batches_stalled` batches more while so many are stalled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Lines at which a batch is full; stores are fastest at 5,000 to 10,000. Default: 10,000.
    pub batch_lines: NonZeroUsize,
    /// Bytes at which a batch is full; less than the largest request of every store. Default: 4
    /// MiB.
    pub batch_bytes: NonZeroUsize,
    /// How long a batch that is not full waits for more. Default: 200 ms.
    pub batch_age: Duration,
    /// Whether requests are compressed, which only pays on a slow network. Default: no.
    pub gzip: bool,
    /// Requests of one shard in flight; they may overtake each other. Default: 2.
    pub requests_in_flight: NonZeroUsize,
    /// The waits before retries.
    pub retry: RetryOptions,
    /// How long the cursor on disk may lag; the difference is sent again after a crash. Default:
    /// 1 s.
    pub cursor_age: Duration,
    /// Bytes by which the cursor on disk may lag, so that room is freed early enough. Default:
    /// 32 MiB.
    pub cursor_bytes: u64,
    /// Batches that may finish before the oldest unfinished one, for instance while that one is
    /// being halved. Each costs some 100 bytes. Default: 1,024.
    pub batches_ahead: NonZeroUsize,
    /// The share of requests for a backlog while newer entries overtake it, in millionths; 0: no
    /// entry overtakes. Default: 0, because the order between the two is given up.
    pub backfill_share_ppm: u32,
    /// How long entries wait before later ones overtake them. Default: 10 s.
    pub backfill_after: Duration,
    /// How long a request is retried that the store refuses in unknown words. Default: 60 s.
    pub unknown_code_patience: Duration,
    /// Stalled batches that give up their slot among the requests in flight. Default: 8.
    pub batches_stalled: usize,
    /// How long a batch with lines of a measurement whose types are not known waits for what
    /// another such batch of its shard teaches. Default: 5 s.
    pub probe_wait_max: Duration,
}

impl Default for Options {
    fn default() -> Self {
        const fn count(n: usize) -> NonZeroUsize {
            NonZeroUsize::new(n).expect("a default is not zero")
        }
        Self {
            batch_lines: count(10_000),
            batch_bytes: count(4 << 20),
            batch_age: Duration::from_millis(200),
            gzip: false,
            requests_in_flight: count(2),
            retry: RetryOptions::default(),
            cursor_age: Duration::from_secs(1),
            cursor_bytes: 32 << 20,
            batches_ahead: count(1024),
            backfill_share_ppm: 0,
            backfill_after: Duration::from_secs(10),
            unknown_code_patience: Duration::from_mins(1),
            batches_stalled: 8,
            probe_wait_max: Duration::from_secs(5),
        }
    }
}
