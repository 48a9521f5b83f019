//! Selects the guard of a language.

use crate::store::{
    options::Kind,
    query::{
        guard::{flux, sql},
        terms::{Language, StoreQuery, StoreQueryError},
    },
};

/// Refuses a query that does more than read, or that has more than one statement.
pub(in crate::store) fn check(kind: Kind, query: &StoreQuery) -> Result<(), StoreQueryError> {
    let checked = match query.language {
        Language::Sql if kind == Kind::TdEngine => sql::check(&query.text, sql::TDENGINE),
        Language::Sql => sql::check(&query.text, sql::SQL),
        Language::InfluxQl => sql::check(&query.text, sql::INFLUXQL),
        Language::Flux => flux::check(&query.text),
    };
    checked.map_err(StoreQueryError::refused)
}
