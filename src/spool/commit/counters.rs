//! What a commit thread has done, for metrics.

use std::time::Duration;

/// Upper bounds of the buckets of [`CommitCounters::sync_buckets`]; the last bucket has none.
pub const SYNC_BUCKET_BOUNDS: [Duration; 11] = [
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_secs(1),
];

/// Totals since the thread started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitCounters {
    /// Groups made durable: one sync each.
    pub syncs: u64,
    /// Entries made durable.
    pub entries: u64,
    /// Bytes of payload made durable.
    pub bytes: u64,
    /// Time spent in appends and syncs of those groups, from the first write on.
    pub sync_time: Duration,
    /// The longest of them.
    pub sync_time_max: Duration,
    /// How many took at most [`SYNC_BUCKET_BOUNDS`] (not cumulative); the last: longer than all.
    pub sync_buckets: [u64; SYNC_BUCKET_BOUNDS.len() + 1],
    /// How often the thread began to wait for room.
    pub fulls: u64,
}

impl CommitCounters {
    /// Counts one group.
    pub(super) fn group(&mut self, entries: u64, bytes: u64, took: Duration) {
        self.syncs += 1;
        self.entries += entries;
        self.bytes += bytes;
        self.sync_time += took;
        self.sync_time_max = self.sync_time_max.max(took);
        let bucket = SYNC_BUCKET_BOUNDS.iter().position(|bound| took <= *bound);
        self.sync_buckets[bucket.unwrap_or(SYNC_BUCKET_BOUNDS.len())] += 1;
    }
}
