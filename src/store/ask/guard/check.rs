//! Which guard watches which language.

use crate::store::ask::{
    guard::{flux, sql},
    terms::{Ask, AskError, Language},
};

/// Refuses a question that does more than read, or is more than one.
pub(in crate::store) fn check(ask: &Ask) -> Result<(), AskError> {
    let checked = match ask.language {
        Language::Sql => sql::check(&ask.text, sql::SQL),
        Language::InfluxQl => sql::check(&ask.text, sql::INFLUXQL),
        Language::Flux => flux::check(&ask.text),
    };
    checked.map_err(AskError::refused)
}
