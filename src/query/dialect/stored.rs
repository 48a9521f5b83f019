//! The queries for the names that a store has, regardless of who wrote them, and how their answers
//! are read.

use crate::{
    model::{FieldType, Row, Value},
    query::dialect::{flux, influxql, sql, tdengine},
    store::{Kind, Language, StoreQuery, StoreQueryError, Stored},
};

/// The query whose first column has the names of measurements. The embedded store has none: its
/// folders are listed.
pub(in crate::query) fn measurements(kind: Kind, bucket: &str) -> Option<StoreQuery> {
    Some(match kind {
        Kind::Embedded => return None,
        Kind::InfluxDb1 => StoreQuery::new(Language::InfluxQl, "SHOW MEASUREMENTS"),
        Kind::InfluxDb2 => StoreQuery::new(Language::Flux, flux::measurements(bucket)),
        Kind::InfluxDb3 => StoreQuery::new(Language::Sql, sql::MEASUREMENTS),
        Kind::TdEngine => StoreQuery::new(Language::Sql, "SHOW STABLES"),
    })
}

/// The queries for the fields and tags of a measurement; each returns one row per name.
///
/// # Errors
/// If the store's language cannot express its name.
pub(in crate::query) fn columns(
    kind: Kind,
    bucket: &str,
    measurement: &str,
) -> Result<Vec<StoreQuery>, StoreQueryError> {
    Ok(match kind {
        Kind::Embedded => Vec::new(),
        Kind::InfluxDb1 => {
            let name = influxql::name(measurement);
            let ask = |keys: &str| {
                StoreQuery::new(Language::InfluxQl, format!("SHOW {keys} FROM {name}"))
            };
            vec![ask("FIELD KEYS"), ask("TAG KEYS")]
        }
        Kind::InfluxDb2 => {
            let texts = [flux::fields(bucket, measurement), flux::tags(bucket, measurement)];
            texts.map(|text| StoreQuery::new(Language::Flux, text)).to_vec()
        }
        Kind::InfluxDb3 => vec![sql::typed_columns(measurement)],
        Kind::TdEngine => {
            let text = format!("DESCRIBE {}", tdengine::name(measurement)?);
            vec![StoreQuery::new(Language::Sql, text)]
        }
    })
}

/// Adds one row of the answer to the query at this index.
pub(in crate::query) fn take(kind: Kind, place: usize, row: &Row, stored: &mut Stored) {
    let text = |at: usize| match row.get(at) {
        Some(Value::String(text)) => text.as_str(),
        _ => "",
    };
    // Flux keeps the order of columns: the value is before the field's name.
    let name = text(usize::from((kind, place) == (Kind::InfluxDb2, 0)));
    let found = match (kind, place) {
        (Kind::InfluxDb1, 0) => field_of(text(1)),
        (Kind::InfluxDb2, 0) => Some(row.first().map_or(FieldType::String, of_value)),
        (Kind::InfluxDb1, _) => None,
        // The columns that every series has.
        (Kind::InfluxDb2, _) if name.starts_with('_') => return,
        (Kind::InfluxDb2, _) => None,
        (Kind::InfluxDb3, _) if text(1).starts_with("Timestamp") => return,
        (Kind::InfluxDb3, _) if text(1).starts_with("Dictionary") => None,
        (Kind::TdEngine, _) if text(1) == "TIMESTAMP" => return,
        (Kind::TdEngine, _) if text(3) == "TAG" => None,
        (Kind::InfluxDb3 | Kind::TdEngine, _) => field_of(text(1)),
        (Kind::Embedded, _) => return,
    };
    match found {
        _ if name.is_empty() => {}
        Some(kind) if !stored.fields.iter().any(|(known, _)| known == name) => {
            stored.fields.push((name.to_owned(), kind));
        }
        None if !stored.tags.iter().any(|known| known == name) => {
            stored.tags.push(name.to_owned());
        }
        Some(_) | None => {}
    }
}

fn of_value(value: &Value) -> FieldType {
    match value {
        Value::Float(_) => FieldType::Float,
        Value::Integer(_) => FieldType::Integer,
        Value::Unsigned(_) => FieldType::Unsigned,
        Value::Boolean(_) => FieldType::Boolean,
        // An empty text is returned as null.
        Value::String(_) | Value::Timestamp(_) | Value::Null => FieldType::String,
    }
}

/// The type for a store's name of a type.
fn field_of(word: &str) -> Option<FieldType> {
    Some(match word.to_ascii_lowercase().as_str() {
        "float" | "float64" | "double" => FieldType::Float,
        "integer" | "int64" | "bigint" | "int" => FieldType::Integer,
        "unsigned" | "uint64" | "bigint unsigned" => FieldType::Unsigned,
        "boolean" | "bool" => FieldType::Boolean,
        _ => FieldType::String,
    })
}
