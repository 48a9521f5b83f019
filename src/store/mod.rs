//! Databases as protocols: the target of a write, and the meaning of an answer.
//!
//! [`Store`] sends one HTTP request of lines and returns a [`Verdict`]. Everything that differs
//! between stores is pure and in one file per store: it turns options into the parts of a request
//! ([`Route`]), and an [`Answer`] into a verdict. [`Store`] only does the I/O.
//!
//! # Guarantees
//! - A verdict is read from body text and codes, not from the status alone.
//! - A line counts as refused only by a message that the configured store is known to use for
//!   lines. Any other refusal (an unknown precision, a gateway's JSON, a proxy's page, a TLS port,
//!   a quota, an empty body) holds the whole request and is reported; no line is set aside.
//! - Only 204 is success. A 200 does not come from the store.
//! - A line that a store would accept and then fail on or misread, or that it must refuse, is not
//!   sent ([`Store::screen`]).
//! - The kept part of an answer is bounded ([`Answer::BODY_BYTES_MAX`],
//!   [`Answer::QUOTE_BYTES_MAX`]): stores quote whole lines.
//! - Redirects are not followed and proxies are not taken from the environment.
//!
//! # Queries
//! [`Store::query`] queries in the store's own language and streams typed rows; see `query`.
//!
//! # What it does not do
//! It does not retry, split, or know a spool: `sink` does. It does not look into lines.
//!
//! # Answers and verdicts
//! | answer | verdict |
//! |---|---|
//! | 204 | accepted |
//! | 400, 422 with each refused line's number (InfluxDB 3) | partial |
//! | 400, 422 in the store's words for lines; its own 413; InfluxDB 2.0's 500 | rejected: halve |
//! | TDengine, by the code in the body | rejected, doubtful, halted, unavailable, or else unclear |
//! | any other 413 | too large: halve, and hold a single line |
//! | 408, 425, 429 | unavailable |
//! | any other 3xx and 4xx; InfluxDB 1's 500 for no such policy | halted |
//! | all else: 5xx, other statuses, network, timeouts, cut bodies | unavailable |

mod answer;
mod any;
mod client;
mod conflict;
pub mod embedded;
mod http_error;
mod influxdb1;
mod influxdb2;
#[cfg(feature = "influxdb2")]
mod influxdb2_admin;
mod influxdb3;
mod ledger;
mod mapped;
mod options;
mod placement;
mod query;
mod route;
mod tdengine;
mod verdict;

pub use answer::Answer;
pub use any::Store;
pub use client::{Encoding, StoreError};
pub use embedded::{answer_question, stored_in};
#[cfg(feature = "influxdb2")]
pub use influxdb2_admin::ServerReport;
pub use ledger::{Screened, Turn};
pub use mapped::conflicts;
pub use options::{
    Authorities, AuthoritiesError, Credentials, Embedded, InfluxDb1, InfluxDb2, InfluxDb3, Kind,
    KindError, NativeQueryLimits, Newlines, Options, Partition, Target, TdEngine,
};
pub use query::{
    Author, Language, NativeQueryLimit, Rows, StoreQuery, StoreQueryError, StoreQueryLimits,
    Stored, Table,
};
pub use route::{Route, without_secrets};
pub use tdengine::Unsendable;
pub use verdict::{Refusal, Verdict, verdict};

#[cfg(test)]
mod tests;
