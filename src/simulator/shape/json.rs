//! JSON by a JSON Schema's properties.

use serde_json::{Map, Value as Json, json};

use super::{
    Field, Files, Kind, ShapeError, Value,
    load::{Layout, Wanted},
};

/// Objects nested deeper than this are ignored.
const DEPTH_MAX: usize = 8;

#[derive(Debug)]
pub(super) struct JsonEncoder {
    time: String,
    /// The keys down to each field.
    paths: Vec<Vec<String>>,
}

impl JsonEncoder {
    pub(super) fn load(files: &Files, wanted: Wanted<'_>) -> Result<Layout<Self>, ShapeError> {
        let name = wanted.schema.to_owned();
        let schema: Json = serde_json::from_str(&files.text(wanted.schema)?)
            .map_err(|source| ShapeError::Json { name: name.clone(), source })?;
        let mut found = Vec::new();
        walk(&schema, &[], &mut found);
        let is_time = |path: &[String]| path == [wanted.time.to_owned()];
        if !found.iter().any(|(path, field)| is_time(path) && field.kind == Kind::Integer) {
            return Err(ShapeError::Time { name });
        }
        let (paths, fields) = found.into_iter().filter(|(path, _)| !is_time(path)).unzip();
        Ok(Layout { encoder: Self { time: wanted.time.to_owned(), paths }, fields, unit: None })
    }

    pub(super) fn encode(&self, time: i64, values: &[Value]) -> Vec<u8> {
        let mut object = Map::new();
        object.insert(self.time.clone(), json!(time));
        for (path, value) in self.paths.iter().zip(values) {
            let value = match value {
                Value::Absent => continue,
                Value::Float(value) => json!(value),
                Value::Integer(value) => json!(value),
                Value::Text(value) => json!(value),
                Value::Flag(value) => json!(value),
            };
            let Some((leaf, way)) = path.split_last() else { continue };
            let mut inner = &mut object;
            for key in way {
                let next = inner.entry(key.clone()).or_insert_with(|| json!({}));
                inner = next.as_object_mut().expect("a way leads through objects");
            }
            inner.insert(leaf.clone(), value);
        }
        Json::Object(object).to_string().into_bytes()
    }
}

fn walk(schema: &Json, way: &[String], found: &mut Vec<(Vec<String>, Field)>) {
    let Some(properties) = schema.get("properties").and_then(Json::as_object) else { return };
    let required = |name: &str| {
        let names = schema.get("required").and_then(Json::as_array);
        names.is_some_and(|names| names.iter().any(|known| known == name))
    };
    for (name, property) in properties {
        let path: Vec<String> = way.iter().cloned().chain([name.clone()]).collect();
        let kind = match kind_name(property) {
            Some("object") if path.len() < DEPTH_MAX => {
                walk(property, &path, found);
                continue;
            }
            Some("number") => Kind::Float,
            Some("integer") => Kind::Integer,
            Some("string") => Kind::Text,
            Some("boolean") => Kind::Flag,
            _ => continue,
        };
        let required = required(name) && way.is_empty();
        let field = Field { name: String::new(), path: path.join("."), kind, required };
        found.push((path, field));
    }
}

/// The type of a property; of a list, the one that is not null.
fn kind_name(property: &Json) -> Option<&str> {
    match property.get("type")? {
        Json::String(name) => Some(name),
        Json::Array(names) => names.iter().filter_map(Json::as_str).find(|name| *name != "null"),
        _ => None,
    }
}
