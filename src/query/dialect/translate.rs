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

/// The questions for a store that holds `known` columns of the measurement; none where no row can
/// come of it. Each brings some of the fields, and rows of one key are parts of one row.
pub(in crate::query) fn translate(
    kind: Kind,
    bucket: &str,
    question: &Question,
    known: Option<&[String]>,
) -> Vec<Translated> {
    let (from, to) = question.rest();
    if question.fields.is_empty() || from >= to {
        return Vec::new();
    }
    let mut parts = match kind {
        Kind::InfluxDb1 => vec![influxql::translate(question)],
        Kind::InfluxDb2 => flux::translate(question, bucket),
        Kind::InfluxDb3 => sql::translate(question, sql::INFLUXDB3, known).into_iter().collect(),
        Kind::Embedded => sql::translate(question, sql::SQLITE, known).into_iter().collect(),
    };
    for part in &mut parts {
        part.ask.measurements = vec![question.measurement.clone()];
        part.ask.range = Some(from..to);
    }
    parts
}
