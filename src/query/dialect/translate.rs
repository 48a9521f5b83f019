//! Which language a store is asked in.

use crate::{
    query::{
        dialect::{Layout, flux, influxql, sql},
        question::Question,
    },
    store::{Ask, Kind},
};

/// A question in a store's language.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::query) struct Translated {
    pub(in crate::query) ask: Ask,
    pub(in crate::query) layout: Layout,
}

/// The question that tells which columns a measurement has there, one a row: of a database that
/// refuses to be asked for one that nobody has written yet. The embedded store tells its own.
pub(in crate::query) fn known_columns(kind: Kind, question: &Question) -> Option<Ask> {
    match kind {
        Kind::InfluxDb1 | Kind::InfluxDb2 | Kind::Embedded => None,
        Kind::InfluxDb3 => Some(sql::known_columns(question)),
    }
}

/// The question for a store that holds `known` columns of the measurement; nothing where no row
/// can come of it.
pub(in crate::query) fn translate(
    kind: Kind,
    bucket: &str,
    question: &Question,
    known: Option<&[String]>,
) -> Option<Translated> {
    let (from, to) = question.rest();
    if question.fields.is_empty() || from >= to {
        return None;
    }
    let mut translated = match kind {
        Kind::InfluxDb1 => influxql::translate(question),
        Kind::InfluxDb2 => flux::translate(question, bucket),
        Kind::InfluxDb3 => sql::translate(question, sql::INFLUXDB3, known)?,
        Kind::Embedded => sql::translate(question, sql::SQLITE, known)?,
    };
    translated.ask.measurements = vec![question.measurement.clone()];
    translated.ask.range = Some(from..to);
    Some(translated)
}
