//! Fields with placeholders → the fields of one command, from a push's row or from a message that
//! raises an alarm (PU-4).
//!
//! `"{column}"` alone stands for the value with its type; within a text the value is written into
//! it. `{{` and `}}` are braces. A value that is absent leaves its field out, and nothing in a
//! text. Names of fields are taken as they are.

use serde_json::{Map, Number, Value as Json};

use crate::model::{Value, ValueType};

/// Fields whose texts are parsed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template(Vec<(String, Part)>);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Fixed(Json),
    /// A value with its type.
    Column(String),
    /// A text with values in it.
    Text(Vec<Piece>),
    List(Vec<Part>),
    Object(Vec<(String, Part)>),
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Column(String),
}

impl Template {
    /// Parses the texts.
    ///
    /// # Errors
    /// The path of the field, and what is wrong with its text.
    pub fn parse(fields: &Map<String, Json>) -> Result<Self, (String, String)> {
        members(fields, "").map(Self)
    }

    /// A template with one field per column, of the same name.
    pub(super) fn of_columns<'a>(columns: impl Iterator<Item = &'a str>) -> Self {
        Self(columns.map(|name| (name.to_owned(), Part::Column(name.to_owned()))).collect())
    }

    /// The fields without placeholders, which do not depend on the row.
    pub(super) fn fixed(&self) -> Map<String, Json> {
        fixed_members(&self.0)
    }

    /// The fields with a sample value of its type in place of each column, and null if the type is
    /// not known.
    pub(super) fn samples(&self, kind: &dyn Fn(&str) -> Option<ValueType>) -> Map<String, Json> {
        sample_members(&self.0, kind)
    }

    /// The columns that it uses, each once.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        let mut columns = Vec::new();
        for (_, part) in &self.0 {
            part.columns(&mut columns);
        }
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// The fields of a row.
    #[must_use]
    pub fn fill<'v>(&self, value: &dyn Fn(&str) -> Option<&'v Value>) -> Map<String, Json> {
        object(&self.0, value)
    }
}

fn members(
    fields: &Map<String, Json>,
    path: &str,
) -> Result<Vec<(String, Part)>, (String, String)> {
    let member = |(name, value): (&String, &Json)| {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        Ok((name.clone(), part(value, &path)?))
    };
    fields.iter().map(member).collect()
}

/// The parser of JSON bounds the depth.
fn part(value: &Json, path: &str) -> Result<Part, (String, String)> {
    Ok(match value {
        Json::String(text) => {
            let mut pieces = pieces(text).map_err(|what| (path.to_owned(), what))?;
            match (pieces.pop(), pieces.is_empty()) {
                (None, _) => Part::Fixed(value.clone()),
                (Some(Piece::Column(column)), true) => Part::Column(column),
                (Some(Piece::Text(text)), true) => Part::Fixed(Json::String(text)),
                (Some(last), false) => {
                    pieces.push(last);
                    Part::Text(pieces)
                }
            }
        }
        Json::Array(values) => {
            Part::List(values.iter().map(|value| part(value, path)).collect::<Result<_, _>>()?)
        }
        Json::Object(fields) => Part::Object(members(fields, path)?),
        _ => Part::Fixed(value.clone()),
    })
}

fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        plain.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        let brace = &rest[at..=at];
        if let Some(behind) = behind.strip_prefix(brace) {
            plain.push_str(brace);
            rest = behind;
            continue;
        }
        let end = behind.find('}').filter(|_| brace == "{");
        let column = end.map(|end| &behind[..end]).filter(|it| !it.is_empty() && !it.contains('{'));
        let (Some(end), Some(column)) = (end, column) else {
            let what = "has a brace that is no `{column}`; write `{{` or `}}` for a brace";
            return Err(format!("{what}: \"{text}\""));
        };
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(Piece::Column(column.to_owned()));
        rest = &behind[end + 1..];
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

impl Part {
    fn columns<'a>(&'a self, columns: &mut Vec<&'a str>) {
        match self {
            Self::Fixed(_) => {}
            Self::Column(column) => columns.push(column),
            Self::Text(pieces) => columns.extend(pieces.iter().filter_map(|piece| match piece {
                Piece::Column(column) => Some(column.as_str()),
                Piece::Text(_) => None,
            })),
            Self::List(parts) => parts.iter().for_each(|part| part.columns(columns)),
            Self::Object(parts) => parts.iter().for_each(|(_, part)| part.columns(columns)),
        }
    }

    /// Nothing where it depends on the row.
    fn fixed(&self) -> Option<Json> {
        match self {
            Self::Fixed(fixed) => Some(fixed.clone()),
            Self::Column(_) | Self::Text(_) => None,
            Self::List(parts) => Some(Json::Array(parts.iter().filter_map(Self::fixed).collect())),
            Self::Object(parts) => Some(Json::Object(fixed_members(parts))),
        }
    }

    fn sample(&self, kind: &dyn Fn(&str) -> Option<ValueType>) -> Json {
        match self {
            Self::Fixed(fixed) => fixed.clone(),
            Self::Column(column) => match kind(column) {
                None => Json::Null,
                // One that is whole may be an integer.
                Some(ValueType::Float | ValueType::Integer) => Json::from(1),
                Some(ValueType::Boolean) => Json::from(true),
                // What is wrong with it is told with the column's name.
                Some(ValueType::Timestamp | ValueType::String) => {
                    Json::from(format!("{{{column}}}"))
                }
            },
            Self::Text(_) => Json::from("text"),
            Self::List(parts) => Json::Array(parts.iter().map(|part| part.sample(kind)).collect()),
            Self::Object(parts) => Json::Object(sample_members(parts, kind)),
        }
    }

    /// Nothing where it stands for an absent value.
    fn fill<'v>(&self, value: &dyn Fn(&str) -> Option<&'v Value>) -> Option<Json> {
        Some(match self {
            Self::Fixed(fixed) => fixed.clone(),
            Self::Column(column) => value(column).map(json_of).filter(|json| !json.is_null())?,
            Self::Text(pieces) => {
                let mut text = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Text(plain) => text.push_str(plain),
                        Piece::Column(column) => match value(column).map(json_of) {
                            None | Some(Json::Null) => {}
                            Some(Json::String(value)) => text.push_str(&value),
                            Some(other) => text.push_str(&other.to_string()),
                        },
                    }
                }
                Json::String(text)
            }
            Self::List(parts) => {
                Json::Array(parts.iter().map(|it| it.fill(value).unwrap_or(Json::Null)).collect())
            }
            Self::Object(parts) => Json::Object(object(parts, value)),
        })
    }
}

fn fixed_members(parts: &[(String, Part)]) -> Map<String, Json> {
    let fixed = parts.iter().filter_map(|(name, part)| Some((name.clone(), part.fixed()?)));
    fixed.collect()
}

fn sample_members(
    parts: &[(String, Part)],
    kind: &dyn Fn(&str) -> Option<ValueType>,
) -> Map<String, Json> {
    parts.iter().map(|(name, part)| (name.clone(), part.sample(kind))).collect()
}

fn object<'v>(
    parts: &[(String, Part)],
    value: &dyn Fn(&str) -> Option<&'v Value>,
) -> Map<String, Json> {
    let filled = parts.iter().filter_map(|(name, part)| Some((name.clone(), part.fill(value)?)));
    filled.collect()
}

/// A row's value as JSON; a number that JSON cannot express is null.
#[must_use]
pub fn json_of(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Timestamp(at) => Json::String(at.to_string()),
        Value::Float(number) => Number::from_f64(*number).map_or(Json::Null, Json::Number),
        Value::Integer(number) => Json::from(*number),
        Value::Unsigned(number) => Json::from(*number),
        Value::Boolean(value) => Json::Bool(*value),
        Value::String(text) => Json::String(text.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::UnixNanos;

    fn fill(fields: &Json, row: &[(&str, Value)]) -> Json {
        let template = Template::parse(fields.as_object().expect("an object"));
        let template = template.expect("it is well formed");
        let value = |name: &str| row.iter().find(|(known, _)| *known == name).map(|(_, it)| it);
        Json::Object(template.fill(&value))
    }

    #[test]
    fn a_placeholder_alone_keeps_its_type_and_one_in_a_text_is_written_into_it() {
        let row = [
            ("t", Value::Float(60.0)),
            ("n", Value::Integer(i64::MAX)),
            ("u", Value::Unsigned(u64::MAX)),
            ("b", Value::Boolean(true)),
            ("s", Value::String("a {t} \"b\"".to_owned())),
            ("at", Value::Timestamp(UnixNanos(0))),
            ("none", Value::Null),
            ("nan", Value::Float(f64::NAN)),
            ("two words", Value::Integer(2)),
        ];
        let check = |fields: Json, expect: Json| assert_eq!(fill(&fields, &row), expect);
        check(
            json!({ "a": "{t}", "b": "{n}", "c": "{u}", "d": "{b}", "e": "{at}" }),
            json!({ "a": 60.0, "b": i64::MAX, "c": u64::MAX, "d": true,
                "e": "1970-01-01T00:00:00Z" }),
        );
        check(json!({ "a": "at {t} and {n}" }), json!({ "a": "at 60.0 and 9223372036854775807" }));
        check(json!({ "a": "{{t}} {{{n}}}" }), json!({ "a": "{t} {9223372036854775807}" }));
        check(json!({ "a": "{none}", "b": "x{none}y", "c": "{nan}" }), json!({ "b": "xy" }));
        check(json!({ "a": ["{two words}", "{none}"] }), json!({ "a": [2, null] }));
        check(json!({ "a": { "b": ["{b}"] }, "c": 5 }), json!({ "a": { "b": [true] }, "c": 5 }));
        check(json!({ "a": "" }), json!({ "a": "" }));
        // What a value says is not looked at again.
        check(
            json!({ "a": "{s}", "b": "<{s}>" }),
            json!({ "a": "a {t} \"b\"", "b": "<a {t} \"b\">" }),
        );
        check(json!({ "{t}": 1 }), json!({ "{t}": 1 }));
    }

    #[test]
    fn a_brace_that_stands_alone_is_refused_with_its_field() {
        for text in ["{", "}", "a {", "{}", "{a{b}}", "a } b", "{a"] {
            let fields = json!({ "outer": { "inner": text } });
            let refused = Template::parse(fields.as_object().expect("an object"));
            let (field, what) = refused.expect_err(text);
            assert_eq!(field, "outer.inner");
            assert!(what.contains("brace"), "{what}");
        }
        let fields = json!({ "a": "{x} {y}", "b": ["{x}"] });
        let template =
            Template::parse(fields.as_object().expect("an object")).expect("well formed");
        assert_eq!(template.columns(), ["x", "y"]);
    }
}
