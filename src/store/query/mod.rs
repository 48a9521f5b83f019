//! Queries to a store in its own language: one [`StoreQuery`] in, a stream of typed [`Rows`] out.
//!
//! # Guarantees
//! AK-1: a query only reads. Anything else, or more than one statement, is refused here, before the
//! store sees it.
//!
//! AK-2: a parameter is data. It is bound if the store can bind (`params` of InfluxDB 1 and 3,
//! names in SQLite), and sent as a syntax tree besides the text for InfluxDB 2. TDengine has
//! neither over REST: there a value is written into the text as one literal, by one function
//! (`tdengine::literal`); its tests read a corpus of hostile values back with an independent
//! tokenizer. No other code writes a value into a text.
//!
//! AK-3: an answer is bounded in rows, bytes and time ([`StoreQueryLimits`]), and past a bound, or
//! when its [`Rows`] are dropped, the connection is closed; then every store cancels its work.
//! InfluxDB 2 checks that between tables, not while it generates one (`generate.from`).
//!
//! AK-4: an answer that ends in the middle is an error, never a shorter answer. An answer that the
//! store itself ends early and declares complete cannot be detected: TDengine's adapter does so if
//! its server fails between two blocks of rows, and at its own `restfulRowLimit`.
//!
//! # The stores
//! | store | languages | how | types from |
//! |---|---|---|---|
//! | InfluxDB 1 | InfluxQL | `GET /query`, chunked MessagePack | MessagePack |
//! | InfluxDB 2 | Flux | `POST /api/v2/query`, annotated CSV | `#datatype` |
//! | InfluxDB 3 | SQL, InfluxQL | `POST /api/v3/query_sql`, JSON lines | the values themselves |
//! | TDengine | SQL | `POST /rest/sql/{database}`, one JSON document | `column_meta` |
//!
//! InfluxDB 2's CSV writes an empty string like a null, and LF like CR LF: in the answer to a Flux
//! query empty texts are nulls, and each line break is LF.
//!
//! The code that differs between stores is pure and in one file per store: it turns a
//! [`StoreQuery`] into a request, and bytes into rows. `send` does the I/O.

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

pub(in crate::store) use send::QueryClient;
pub use terms::{
    Author, Language, NativeQueryLimit, Rows, StoreQuery, StoreQueryError, StoreQueryLimits,
    Stored, Table,
};
