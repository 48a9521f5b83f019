//! The bounds of shipping.

use std::{num::NonZeroUsize, time::Duration};

use crate::sink::RetryOptions;

/// How one shard's spool is shipped. A process holds at most
/// `(requests_in_flight + 2) × (batch_bytes + one entry)` of lines for each shard, whether the
/// store is there or not; and of `batches_stalled` batches more where so many stand at lines that
/// nobody can judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Lines at which a batch is full; stores are fastest at 5,000 to 10,000. Default: 10,000.
    pub batch_lines: NonZeroUsize,
    /// Bytes at which a batch is full; below every store's largest request. Default: 4 MiB.
    pub batch_bytes: NonZeroUsize,
    /// How long a batch that is not full waits for more. Default: 200 ms.
    pub batch_age: Duration,
    /// Whether requests are compressed; worth it only on a slow network. Default: no.
    pub gzip: bool,
    /// Requests of one shard on the way at once; they may overtake each other. Default: 2.
    pub requests_in_flight: NonZeroUsize,
    /// How long the store is left alone after it failed.
    pub retry: RetryOptions,
    /// How long the cursor may lie behind on disk; what it lies behind is sent again after a crash.
    /// Default: 1 s.
    pub cursor_age: Duration,
    /// Bytes by which the cursor may lie behind on disk, so that room is given back early enough.
    /// Default: 32 MiB.
    pub cursor_bytes: u64,
    /// Batches that may be finished before the oldest one is: those behind one that is being
    /// halved. Each costs some 100 bytes. Default: 1,024.
    pub batches_ahead: NonZeroUsize,
    /// The part of the requests that a backlog has when newer entries go ahead of it, in
    /// millionths; 0: none do. Default: 0, because it gives up the order between the two.
    pub backfill_share_ppm: u32,
    /// How long entries wait to be read until those that come later go ahead of them. Default:
    /// 10 s.
    pub backfill_after: Duration,
    /// How long a request is sent again that is refused in words that are in no list. Default:
    /// 60 s.
    pub unknown_code_patience: Duration,
    /// Batches that may stand at a line which nobody can judge without a place among the requests
    /// in flight. Default: 8.
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
