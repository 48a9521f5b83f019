//! A portable query in each store's language.
//!
//! Each file is pure: it makes a `StoreQuery` and the `Layout` of its answer from a `Question`.
//! Columns of the answer get generated names (`t0`, `f3`) if the language allows it, so that the
//! name of a field cannot collide with another column. Names and values are quoted here by each
//! language's rules, or bound as parameters; `tests` checks that for every text of a corpus.

mod coded;
mod flux;
mod influxql;
mod sql;
pub(super) mod stored;
mod tdengine;
#[cfg(test)]
mod tests;
mod translate;

pub(super) use coded::decode;
pub(super) use translate::{Known, Layout, Translated, known_columns, page_end, translate};
