//! Which guard watches which language.

use crate::store::{
    ask::{
        guard::{flux, sql},
        terms::{Ask, AskError, Language},
    },
    options::Kind,
};

/// Refuses a question that does more than read, or is more than one.
pub(in crate::store) fn check(kind: Kind, ask: &Ask) -> Result<(), AskError> {
    let checked = match ask.language {
        Language::Sql if kind == Kind::TdEngine => sql::check(&ask.text, sql::TDENGINE),
        Language::Sql => sql::check(&ask.text, sql::SQL),
        Language::InfluxQl => sql::check(&ask.text, sql::INFLUXQL),
        Language::Flux => flux::check(&ask.text),
    };
    checked.map_err(AskError::refused)
}
