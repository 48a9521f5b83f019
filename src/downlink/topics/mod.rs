//! Saved queries as topics: a `[[query]]` of a mapping file is asked again and again, and what it
//! says is retained on `$query/NAME`.
//!
//! Whoever may subscribe there has the last answer at once, and the next one when it differs; only
//! the server publishes there. The payload is JSON, `failing` with a text in it while the question
//! is not answered:
//!
//! ```json
//! { "name": "hot", "at": "2026-11-28T12:00:00Z",
//!   "columns": [{ "name": "vin", "type": "string" }], "rows": [["VIN1"]], "failing": null }
//! ```
//!
//! - `at` is when these rows were first the answer; as long as `failing` is null, they are it
//!   still. An answer that has not changed is not published again.
//! - Where a question fails, the last good answer stays, and `failing` says since when and why, in
//!   the words of the metric. What the store said is in the log.
//! - An answer past its bounds (`query.topic-rows-max`, `query.topic-bytes-max`) has failed: none
//!   is told that was cut.
//! - Nothing of it is kept through a restart: each is asked at the start.

mod answer;
mod check;
mod told;

pub use check::check_queries;
pub(super) use told::tell;
