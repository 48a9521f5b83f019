//! Rows for programs: JSON objects with the values in the format of the API.

use serde_json::json;

use crate::{
    model::{Column, Row},
    query::push_json,
};

/// The names of an object's members; a name that occurs again gets a number, so that none hides
/// another (`a`, `a_2`).
pub(super) fn members(columns: &[Column]) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(columns.len());
    for column in columns {
        let mut name = column.name.clone();
        for number in 2.. {
            if !names.contains(&name) {
                break;
            }
            name = format!("{}_{number}", column.name);
        }
        names.push(name);
    }
    names
}

/// One object on one line. A time is RFC 3339, an integer is exact, a non-finite float is null.
pub(super) fn json_row(members: &[String], row: &Row, out: &mut String) {
    for (at, (name, value)) in members.iter().zip(row).enumerate() {
        out.push(if at == 0 { '{' } else { ',' });
        out.push_str(&json!(name).to_string());
        out.push(':');
        push_json(value, None, out);
    }
    out.push_str(if row.is_empty() { "{}\n" } else { "}\n" });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{UnixNanos, Value, ValueType};

    fn row() -> Row {
        vec![
            Value::Timestamp(UnixNanos(1_619_448_248_500_000_000)),
            Value::String("a \"b\",\n".to_owned()),
            Value::Float(3.0),
            Value::Integer(i64::MIN),
            Value::Unsigned(u64::MAX),
            Value::Boolean(true),
            Value::Null,
            Value::String(String::new()),
        ]
    }

    fn columns(names: &[&str]) -> Vec<Column> {
        names.iter().map(|name| Column::new(*name, ValueType::String)).collect()
    }

    #[test]
    fn a_row_is_an_object_whose_members_have_names_of_their_own() {
        let members = members(&columns(&["t", "a", "a", "a_2", "a", "b\"", "n", "e"]));
        assert_eq!(members, ["t", "a", "a_2", "a_2_2", "a_3", "b\"", "n", "e"]);
        let mut out = String::new();
        json_row(&members, &row(), &mut out);
        let expect = r#"{"t":"2021-04-26T14:44:08.5Z","a":"a \"b\",\n","a_2":3.0,"a_2_2":-9223372036854775808,"a_3":18446744073709551615,"b\"":true,"n":null,"e":""}"#;
        assert_eq!(out, format!("{expect}\n"));
        out.clear();
        json_row(&[], &Vec::new(), &mut out);
        assert_eq!(out, "{}\n");
    }
}
