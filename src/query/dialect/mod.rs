//! A portable question in each store's language.
//!
//! Each file is pure: a `Question` in, a `StoreQuery` and the `Layout` of its answer out. Columns
//! of the answer are named by us (`t0`, `f3`) wherever the language lets us, so that no name of a
//! field can be taken for another thing. Names and values are quoted here by each language's rules,
//! or bound by the store; `tests` holds that for every text of a corpus.

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
