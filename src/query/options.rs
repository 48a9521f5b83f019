//! The bounds of queries.

use std::time::Duration;

use crate::store::StoreQueryLimits;

/// What queries may cost the appliance and the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Rows of one answer. Default: 1,000,000: what a spreadsheet still opens.
    pub rows_max: usize,
    /// Bytes of one answer as the store sends them. Default: 256 MiB.
    pub bytes_max: usize,
    /// Time from a query to the last row of its answer. Default: 20 s, below
    /// `http.request-timeout`, so that this bound is reached first and reported.
    pub time_max: Duration,
    /// Queries that run at once; further ones wait, for at most `time_max`. Default: 8.
    pub concurrent_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rows_max: 1_000_000,
            bytes_max: 256 * 1024 * 1024,
            time_max: Duration::from_secs(20),
            concurrent_max: 8,
        }
    }
}

impl Options {
    pub(super) fn limits(&self) -> StoreQueryLimits {
        let Self { rows_max, bytes_max, time_max, .. } = *self;
        StoreQueryLimits { rows_max, bytes_max, time_max }
    }
}
