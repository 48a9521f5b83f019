//! The answers to statements.

use rusqlite::types::Value;
use serde_json::{Value as Json, json};

use super::{sqlite, tables::Tables};

/// An error of a statement, which is always an HTTP 200.
pub(super) fn statement_error(code: u32, desc: &str) -> (u16, String) {
    (200, json!({ "code": code, "desc": desc, "timing": 137_218 }).to_string())
}

pub(super) fn answer(columns: &[(&str, &str)], rows: &[Vec<Json>]) -> (u16, String) {
    let meta: Vec<Json> = columns.iter().map(|(name, kind)| json!([name, kind, 8])).collect();
    let (meta, data) = (json!(meta), json!(rows));
    let count = rows.len();
    (200, format!(r#"{{"code":0,"column_meta":{meta},"data":{data},"rows":{count}}}"#))
}

/// Turns an error of SQLite into the server's error.
fn fault(error: &rusqlite::Error) -> (u16, String) {
    let text = error.to_string();
    if text.contains("no such table") {
        return statement_error(9731, "Fail to get table info, error: Table does not exist");
    }
    if text.contains("no such function") {
        return statement_error(884, "Func not exists");
    }
    match text.split_once("no such column: ") {
        Some((_, rest)) => statement_error(9730, &format!("Invalid column name: {rest}")),
        None => statement_error(9728, &format!("syntax error near \"{text}\"")),
    }
}

impl Tables {
    pub(super) fn select(&self, text: &str) -> (u16, String) {
        let mut statement = match self.sqlite.prepare(&sqlite::translate(text)) {
            Ok(statement) => statement,
            Err(error) => return fault(&error),
        };
        let declared: Vec<(String, Option<String>)> = statement
            .columns()
            .map(|column| (column.name().to_owned(), column.decl_type().map(str::to_owned)))
            .collect();
        let count = declared.len();
        let values = statement.query_map([], |row| {
            (0..count).map(|at| row.get::<_, Value>(at)).collect::<Result<Vec<_>, _>>()
        });
        let rows: Vec<Vec<Value>> = values.unwrap().map(Result::unwrap).collect();
        let is_unreadable = |value: &Value| matches!(value, Value::Real(it) if !it.is_finite());
        if rows.iter().flatten().any(is_unreadable) {
            return (200, String::new());
        }
        let kind = |(at, (name, declared)): (usize, &(String, Option<String>))| {
            let seen = rows.iter().find_map(|row| match &row[at] {
                Value::Integer(_) => Some("BIGINT"),
                Value::Real(_) => Some("DOUBLE"),
                Value::Text(_) => Some("VARCHAR"),
                Value::Blob(_) => Some("BIGINT UNSIGNED"),
                Value::Null => None,
            });
            let kind = match (name.as_str(), declared) {
                ("q_time", _) => "TIMESTAMP".to_owned(),
                (_, Some(declared)) => declared.clone(),
                (_, None) => seen.unwrap_or("BIGINT").to_owned(),
            };
            (name.clone(), kind)
        };
        let columns: Vec<(String, String)> = declared.iter().enumerate().map(kind).collect();
        let json = |(value, (_, kind)): (&Value, &(String, String))| match (value, kind.as_str()) {
            (Value::Integer(nanos), "TIMESTAMP") => {
                let at = jiff::Timestamp::from_nanosecond(i128::from(*nanos)).unwrap();
                json!(format!("{at:.9}"))
            }
            (Value::Integer(value), "BOOL") => json!(*value == 1),
            (Value::Integer(value), _) => json!(value),
            (Value::Real(value), _) => json!(sqlite::read_float(*value)),
            (Value::Text(text), _) => json!(text),
            (Value::Blob(digits), _) => {
                json!(str::from_utf8(digits).unwrap().parse::<u64>().unwrap())
            }
            (Value::Null, _) => Json::Null,
        };
        let data: Vec<Vec<Json>> =
            rows.iter().map(|row| row.iter().zip(&columns).map(json).collect()).collect();
        let meta: Vec<(&str, &str)> =
            columns.iter().map(|(name, kind)| (name.as_str(), kind.as_str())).collect();
        answer(&meta, &data)
    }
}
