//! Saved queries as topics: a `[[query]]` of a mapping file runs at intervals, and its answer is
//! retained on `$query/NAME`.
//!
//! A subscriber gets the last answer at once, and the next one when it differs; only the server
//! publishes there. The payload is JSON; `failing` is not null while the query fails:
//!
//! ```json
//! { "name": "hot", "at": "2026-11-28T12:00:00Z",
//!   "columns": [{ "name": "vin", "type": "string" }], "rows": [["VIN1"]], "failing": null }
//! ```
//!
//! - `at` is the time at which these rows were first the answer; as long as `failing` is null, they
//!   still are. An answer that has not changed is not published again.
//! - If a query fails, the last good answer stays, and `failing` says since when and why, with the
//!   label of the metric. The store's message is in the log.
//! - An answer that exceeds its bounds (`query.topic-rows-max`, `query.topic-bytes-max`) counts as
//!   failed: a cut answer is never published.
//! - Nothing is stored across a restart: each query runs at the start.

mod answer;
mod check;
mod publish;

pub use check::check_queries;
pub(super) use publish::tell;
