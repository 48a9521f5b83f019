//! JSON, checked against the keywords of its schema that are handled below; other keywords are
//! ignored.

use serde_json::{Map, Value};

use super::form::{DEPTH_MAX, FieldError, FieldValue, Leaf, Strictness, below};

/// A parsed JSON Schema.
#[derive(Debug)]
pub(in crate::mapping::command) struct JsonForm {
    schema: Value,
}

impl JsonForm {
    pub(super) fn parse(schema: &str) -> Result<Self, String> {
        let schema = serde_json::from_str(schema).map_err(|error| error.to_string())?;
        Ok(Self { schema })
    }

    pub(super) fn encode(
        &self,
        fields: &Map<String, Value>,
        strictness: Strictness,
    ) -> Result<Vec<u8>, FieldError> {
        let value = Value::from(fields.clone());
        self.check(&self.schema, &value, "", 0, strictness)?;
        Ok(value.to_string().into_bytes())
    }

    /// What a `$ref` within the file leads to.
    fn resolved<'s>(&'s self, mut schema: &'s Value) -> &'s Value {
        for _ in 0..DEPTH_MAX {
            let Some(reference) = schema.get("$ref").and_then(Value::as_str) else { break };
            let found = reference.strip_prefix('#').and_then(|at| self.schema.pointer(at));
            match found {
                Some(found) => schema = found,
                None => break,
            }
        }
        schema
    }

    fn check(
        &self,
        schema: &Value,
        value: &Value,
        path: &str,
        depth: usize,
        strictness: Strictness,
    ) -> Result<(), FieldError> {
        if depth > DEPTH_MAX {
            return Err(FieldError::new(path, "nests too deep"));
        }
        let schema = self.resolved(schema);
        if strictness.is_any(value) {
            return Ok(());
        }
        check_type(schema, value, path)?;
        if strictness.asks_for_values() {
            check_value(schema, value, path)?;
        }
        let parts = |key: &str| schema.get(key).and_then(Value::as_array).into_iter().flatten();
        for part in parts("allOf") {
            self.check(part, value, path, depth + 1, strictness)?;
        }
        for key in ["anyOf", "oneOf"] {
            let mut first = None;
            let fits = parts(key).any(|part| {
                let checked = self.check(part, value, path, depth + 1, strictness);
                let is_fit = checked.is_ok();
                first = first.take().or(checked.err());
                is_fit
            });
            if let (false, Some(error)) = (fits, first) {
                return Err(error);
            }
        }
        match value {
            Value::Object(members) => self.check_members(schema, members, path, depth, strictness),
            Value::Array(items) => {
                let item = schema.get("items");
                for (place, value) in items.iter().enumerate() {
                    if let Some(item) = item {
                        let path = below(path, &place.to_string());
                        self.check(item, value, &path, depth + 1, strictness)?;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn check_members(
        &self,
        schema: &Value,
        members: &Map<String, Value>,
        path: &str,
        depth: usize,
        strictness: Strictness,
    ) -> Result<(), FieldError> {
        let declared = schema.get("properties").and_then(Value::as_object);
        let more = schema.get("additionalProperties");
        let is_whole = !["allOf", "anyOf", "oneOf"].iter().any(|key| schema.get(key).is_some());
        for (name, value) in members {
            let path = below(path, name);
            match (declared.and_then(|declared| declared.get(name)), more) {
                (Some(of), _) => self.check(of, value, &path, depth + 1, strictness)?,
                (None, Some(of @ Value::Object(_))) => {
                    self.check(of, value, &path, depth + 1, strictness)?;
                }
                (None, Some(Value::Bool(true))) => {}
                // A name that the schema does not declare is most likely a mistake.
                (None, Some(Value::Bool(false))) | (None, _)
                    if is_whole && (declared.is_some() || more.is_some()) =>
                {
                    let known = declared.into_iter().flatten().map(|(name, _)| name.as_str());
                    return Err(FieldError::unknown(&path, known));
                }
                (None, _) => {}
            }
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        let missing = required.filter_map(Value::as_str).find(|name| !members.contains_key(*name));
        match missing {
            Some(name) if strictness.asks_for_all() => {
                Err(FieldError::new(below(path, name), "is missing"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn leaf(&self, path: &str) -> Result<Leaf, FieldError> {
        let mut at = self.resolved(&self.schema);
        let mut walked = String::new();
        for name in path.split('.') {
            walked = below(&walked, name);
            let declared = at.get("properties").and_then(Value::as_object);
            let found = declared.and_then(|declared| declared.get(name));
            at = self.resolved(found.ok_or_else(|| {
                let known = declared.into_iter().flatten().map(|(name, _)| name.as_str());
                FieldError::unknown(&walked, known)
            })?);
        }
        if let Some(names) = at.get("enum").and_then(Value::as_array) {
            return Ok(Leaf::Enum(names.iter().map(word).collect()));
        }
        Ok(match at.get("type") {
            Some(Value::String(kind)) if kind == "string" => Leaf::Text,
            _ => Leaf::Other,
        })
    }

    pub(super) fn read(payload: &[u8], paths: &[&str]) -> Result<Vec<Option<FieldValue>>, String> {
        let value: Value = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
        let found = paths.iter().map(|path| {
            let mut at = &value;
            for name in path.split('.') {
                at = at.get(name)?;
            }
            match at {
                Value::Null | Value::Array(_) | Value::Object(_) => None,
                other => Some(FieldValue::Text(word(other))),
            }
        });
        Ok(found.collect())
    }
}

/// A value as text, without quotes.
fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => {
            value.is_i64()
                || value.is_u64()
                || value.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

fn check_type(schema: &Value, value: &Value, path: &str) -> Result<(), FieldError> {
    let kinds: Vec<&str> = match schema.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    if kinds.iter().any(|kind| is_of(kind, value)) {
        return Ok(());
    }
    let told = kinds.iter().map(|kind| match *kind {
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "a text",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "an object",
        other => other,
    });
    Err(FieldError::kind(path, value, &told.collect::<Vec<_>>().join(" or ")))
}

/// Checks the keywords of a schema other than its type.
fn check_value(schema: &Value, value: &Value, path: &str) -> Result<(), FieldError> {
    if let Some(wanted) = schema.get("const")
        && wanted != value
    {
        return Err(FieldError::kind(path, value, &word(wanted)));
    }
    if let Some(names) = schema.get("enum").and_then(Value::as_array)
        && !names.contains(value)
    {
        let names: Vec<String> = names.iter().map(word).collect();
        return Err(FieldError::kind(path, value, &format!("one of {}", names.join(", "))));
    }
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let size = match value {
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            let told = |told: &str, bound: f64| {
                Err(FieldError::kind(path, value, &format!("{told} {bound}")))
            };
            return match (
                bound("minimum").filter(|least| number < *least),
                bound("maximum").filter(|most| number > *most),
                bound("exclusiveMinimum").filter(|least| number <= *least),
                bound("exclusiveMaximum").filter(|most| number >= *most),
            ) {
                (Some(least), ..) => told("at least", least),
                (_, Some(most), ..) => told("at most", most),
                (_, _, Some(least), _) => told("more than", least),
                (.., Some(most)) => told("less than", most),
                _ => Ok(()),
            };
        }
        Value::String(text) => Some((text.chars().count(), "minLength", "maxLength", "characters")),
        Value::Array(items) => Some((items.len(), "minItems", "maxItems", "items")),
        _ => None,
    };
    let Some((len, least, most, what)) = size else { return Ok(()) };
    let count = |key: &str| schema.get(key).and_then(Value::as_u64);
    if count(least).is_some_and(|least| (len as u64) < least) {
        let least = count(least).unwrap_or_default();
        return Err(FieldError::new(
            path,
            format!("has {len} {what}; at least {least} are needed"),
        ));
    }
    if count(most).is_some_and(|most| (len as u64) > most) {
        let most = count(most).unwrap_or_default();
        return Err(FieldError::new(path, format!("has {len} {what}; at most {most} may be")));
    }
    Ok(())
}
