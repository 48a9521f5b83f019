//! Queries to a store in its own language: one [`Ask`] in, a stream of typed [`Rows`] out.
//!
//! # Guarantees
//! AK-1: a query only reads. Anything else, or more than one statement, is refused here, before the
//! store could refuse it.
//!
//! AK-2: a parameter is data. It is bound where the store binds (`params` of InfluxDB 1 and 3,
//! names in SQLite) and sent as a syntax tree beside the text where it does not (InfluxDB 2).
//! TDengine has neither over REST: there a value is written into the text as one literal, by one
//! function (`tdengine::literal`), whose corpus of hostile values is read back by a tokenizer that
//! knows nothing of it. No other code pastes a value into a text.
//!
//! AK-3: an answer is bounded in rows, bytes and time ([`AskLimits`]), and past a bound, or when
//! its [`Rows`] are dropped, the connection is closed, on which every store cancels its work.
//! InfluxDB 2 checks that between tables, not while it generates one (`generate.from`).
//!
//! AK-4: an answer that ends in the middle is an error, never a shorter answer. An answer that the
//! store itself ends early and calls whole cannot be detected: TDengine's adapter does so if its
//! server fails between two blocks of rows, and at its own `restfulRowLimit`.
//!
//! # The stores
//! | store | languages | how | types from |
//! |---|---|---|---|
//! | InfluxDB 1 | InfluxQL | `GET /query`, chunked MessagePack | MessagePack |
//! | InfluxDB 2 | Flux | `POST /api/v2/query`, annotated CSV | `#datatype` |
//! | InfluxDB 3 | SQL, InfluxQL | `POST /api/v3/query_sql`, JSON lines | the values themselves |
//! | TDengine | SQL | `POST /rest/sql/{database}`, one JSON document | `column_meta` |
//!
//! InfluxDB 2's CSV has one spelling for an empty string and for none, and for LF and CR LF: texts
//! of a Flux query come back with nulls for empty ones and LF for each line break.
//!
//! The code that differs between stores is pure and in one file each: an [`Ask`] to a request,
//! bytes to rows. `send` is the shell around them.

mod decode;
mod flux;
pub(in crate::store) mod guard;
mod influxql;
mod json_lines;
mod packed;
mod refusal;
mod request;
mod send;
mod tdengine;
mod terms;

pub(in crate::store) use send::Asker;
pub use terms::{Ask, AskError, AskLimits, Author, Language, QuestionLimit, Rows, Stored, Table};
