//! Queries of any store: in one portable form, or in the store's own languages.
//!
//! # The portable query
//! A [`QueryRequest`] is checked against the `Catalog` and becomes a `Question`: a measurement,
//! vehicles, fields with their types, a half-open range, perhaps a window and a function, an order
//! and a limit. `dialect` writes it in the store's language, the store answers row by row, and
//! `merge` makes one answer from the rows, which is the same for every store:
//!
//! - QY-1: columns, their names, types and order follow from the query and the catalog alone.
//!   An integer is exact, whatever the format of the store's answer.
//! - QY-2: rows are ordered by time, then vehicle, then the remaining tags in the mapping's order,
//!   each by its bytes, an absent tag as an empty one; `desc` reverses all of it. Stores that order
//!   by time only are put in order here, among the rows of one moment.
//! - QY-3: pages joined at `after` are the whole answer, no row twice and none missing, as long as
//!   nothing is written meanwhile; `after` is the last row's key and nothing else.
//! - QY-4: a row, or window, without any of the fields is left out.
//!
//! Functions apply to all points of a vehicle in a window, whatever their other tags. Where two
//! series of a vehicle have a value at the very first (last) moment, `first` (`last`) is the
//! greater of the two. `count` of a field without values, in a window where another field has
//! some, is 0; every other function is null there.
//!
//! # Where stores differ
//! One table of queries runs against every store at hand (`tests/it/answers`). It allows these
//! differences, which the stores force:
//! - Sums and means of floats are added in the order that each store likes, so that their last
//!   digits may differ.
//! - Of two series that have a value at the very first (last) moment InfluxDB 1 and TDengine give
//!   one or the other: `first` (`last`) keeps no time that could tell them apart.
//!
//! A sum of integers past 64 bits, which some stores wrap and others fail on, is refused with its
//! field's name: the same integers are also added as floats, which is exact enough to detect it.
//!
//! # Several servers
//! Each holds the vehicles of its shards. All are queried at once and their rows merged by key. If
//! one server gets several queries, each for some of the fields, rows of one key are joined. A
//! vehicle whose points are on two servers, because `store.urls` was changed, has two rows a
//! window. A native query runs on one server after the other, and their rows follow each other.
//!
//! # Bounds
//! [`Options`]: rows, bytes and time of an answer, queries at once. Past a bound the work is
//! cancelled at the store and the answer ends with an error, never short.

mod dialect;
mod engine;
mod merge;
mod moment;
mod options;
mod question;
mod request;
mod rows;
mod seen;
mod stored;
mod text;
mod with_points;

pub use engine::{Answer, EngineParts, Part, QueryEngine, QueryError};
pub use moment::{every, moment, nanos};
pub use options::Options;
pub use question::columns_of;
pub use request::{Function, Order, QueryRequest, QuestionError, value_type};
pub use seen::Seen;
pub use stored::Known;
pub use text::{EpochUnit, push_csv, push_csv_head, push_json};

pub use crate::store::{Language, StoreQuery, StoreQueryError};
