//! The language of a store's queries, and the meaning of the columns of their answers.

use crate::{
    model::UnixNanos,
    query::{
        dialect::{flux, influxql, sql, tdengine},
        question::Question,
    },
    store::{Author, Kind, StoreQuery, StoreQueryError, Table},
};

/// Names of columns; a column that the answer lacks has only nulls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::query) struct Layout {
    /// Absent: every row has the time `from` of the query.
    pub(in crate::query) time: Option<String>,
    pub(in crate::query) vehicle: String,
    /// The remaining tags.
    pub(in crate::query) tags: Vec<String>,
    /// The query's fields.
    pub(in crate::query) fields: Vec<String>,
    /// Whether texts of fields are encoded as in `coded`.
    pub(in crate::query) has_coded_texts: bool,
    /// Whether rows are not in the order of time. Then they are few: per vehicle at most the rows
    /// of a page.
    pub(in crate::query) is_unordered: bool,
}

/// A query in a store's language.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::query) struct Translated {
    pub(in crate::query) ask: StoreQuery,
    pub(in crate::query) layout: Layout,
}

/// What was read from a server before the query itself; all absent if nothing was needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::query) struct Known {
    /// The columns of the measurement (InfluxDB 3, the embedded store).
    pub(in crate::query) columns: Option<Vec<String>>,
    /// Its table (TDengine); absent if there is none.
    pub(in crate::query) table: Option<Table>,
    /// The last moment of the page (TDengine); absent if the whole range fits.
    pub(in crate::query) end: Option<UnixNanos>,
}

/// The question that tells which columns a measurement has there, one a row: of a database that
/// refuses to be asked for one that nobody has written yet. The embedded store tells its own, and
/// TDengine's are a [`Table`].
pub(in crate::query) fn known_columns(kind: Kind, question: &Question) -> Option<StoreQuery> {
    match kind {
        Kind::InfluxDb1 | Kind::InfluxDb2 | Kind::TdEngine | Kind::Embedded => None,
        Kind::InfluxDb3 => Some(sql::known_columns(question)),
    }
}

/// The query for the end of a page of a table, if the store cannot limit the page itself.
pub(in crate::query) fn page_end(
    question: &Question,
    table: &Table,
) -> Result<Option<StoreQuery>, StoreQueryError> {
    if is_empty(question) {
        return Ok(None);
    }
    tdengine::page_end(question, table)
}

/// The queries for a server of which this is `known`; empty if no row can result. Each returns some
/// of the fields, and rows of one key are parts of one row.
///
/// # Errors
/// If the store's language cannot express it.
pub(in crate::query) fn translate(
    kind: Kind,
    bucket: &str,
    question: &Question,
    known: &Known,
) -> Result<Vec<Translated>, StoreQueryError> {
    if is_empty(question) {
        return Ok(Vec::new());
    }
    let mut parts = Vec::new();
    for (asked, places) in question.parts() {
        for mut part in ask_of(kind, bucket, &asked, known)? {
            let mut names = vec![String::new(); question.fields.len()];
            for (place, name) in places.iter().zip(part.layout.fields) {
                names[*place] = name;
            }
            part.layout.fields = names;
            parts.push(part);
        }
    }
    let (from, to) = question.rest();
    for part in &mut parts {
        part.ask.measurements = vec![question.measurement.clone()];
        part.ask.range = Some(from..to);
        part.ask.author = Author::Fleetline;
    }
    Ok(parts)
}

/// The queries for a part of a query's fields.
fn ask_of(
    kind: Kind,
    bucket: &str,
    question: &Question,
    known: &Known,
) -> Result<Vec<Translated>, StoreQueryError> {
    let columns = known.columns.as_deref();
    Ok(match kind {
        Kind::InfluxDb1 => vec![influxql::translate(question)],
        Kind::InfluxDb2 => flux::translate(question, bucket),
        Kind::InfluxDb3 => sql::translate(question, sql::INFLUXDB3, columns).into_iter().collect(),
        Kind::Embedded => sql::translate(question, sql::SQLITE, columns).into_iter().collect(),
        Kind::TdEngine => match &known.table {
            Some(table) => tdengine::translate(question, table, known.end)?.into_iter().collect(),
            None => Vec::new(),
        },
    })
}

fn is_empty(question: &Question) -> bool {
    let (from, to) = question.rest();
    question.fields.is_empty() || from >= to
}
