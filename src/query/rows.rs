//! A store's row → a row of the answer with its key: the position of a row in the answer's order.
//! `after` is the key of the last row.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    model::{Column, FieldType, Row, UnixNanos, Value, ValueType},
    query::{
        dialect::{self, Layout},
        question::{Field, Purpose, Question},
        request::Function,
    },
    store::StoreQueryError,
};

/// The sort key of rows. The order of its fields is the order of comparison (QY-2).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) time: UnixNanos,
    /// The first tag's value: the vehicle, unless rows are grouped by other tags.
    pub(super) vehicle: String,
    /// The remaining tags in the mapping's order; an absent one is empty.
    pub(super) tags: Vec<String>,
}

impl Key {
    /// The form for clients: opaque and safe in a URL.
    pub(super) fn to_after(&self) -> String {
        let text = serde_json::json!([self.time.0, self.vehicle, self.tags]).to_string();
        URL_SAFE_NO_PAD.encode(text)
    }

    /// `None` unless it is the result of [`Key::to_after`].
    pub(super) fn from_after(after: &str) -> Option<Self> {
        let text = URL_SAFE_NO_PAD.decode(after).ok()?;
        let (time, vehicle, tags) = serde_json::from_slice(&text).ok()?;
        Some(Self { time: UnixNanos(time), vehicle, tags })
    }
}

/// A row of the answer with its key.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct KeyedRow {
    pub(super) key: Key,
    /// The index of its server, and of the query to that server.
    pub(super) origin: (usize, usize),
    pub(super) row: Row,
}

impl KeyedRow {
    /// Merges the fields of another part of the same row; false if the other is not of the same
    /// row.
    pub(super) fn merge(&mut self, other: &mut Self) -> bool {
        let is_other_part = self.origin.0 == other.origin.0 && self.origin.1 != other.origin.1;
        if self.key != other.key || !is_other_part {
            return false;
        }
        for (own, others) in self.row.iter_mut().zip(&mut other.row) {
            if *own == Value::Null {
                std::mem::swap(own, others);
            }
        }
        true
    }
}

impl KeyedRow {
    /// Checks its sums for overflow, and removes the fields of that check; false if nothing of the
    /// row is left.
    pub(super) fn check_overflow(&mut self, question: &Question) -> Result<bool, StoreQueryError> {
        /// Half of the smallest difference of a wrapped sum: more than the error of floats.
        const FAR: f64 = 4_611_686_018_427_387_904.0;
        let before = self.row.len() - question.fields.len();
        let mut n_answers = question.fields.len();
        for (at, field) in question.fields.iter().enumerate() {
            let Purpose::OverflowCheck(place) = field.purpose else { continue };
            n_answers = n_answers.min(at);
            let is_past = match (&self.row[before + place], &self.row[before + at]) {
                (Value::Unsigned(_), _) => true,
                (Value::Integer(sum), Value::Float(near)) => (float(*sum) - near).abs() > FAR,
                _ => false,
            };
            if is_past {
                return Err(StoreQueryError::SumOverflow { field: field.name.clone() });
            }
        }
        self.row.truncate(before + n_answers);
        Ok(self.row[before..].iter().any(|value| *value != Value::Null))
    }
}

/// The indexes of a layout's columns in the store's answer.
#[derive(Clone, Debug)]
pub(super) struct Places {
    origin: (usize, usize),
    /// Absent: every row is of `from`.
    time: Option<Option<usize>>,
    vehicle: Option<usize>,
    tags: Vec<Option<usize>>,
    fields: Vec<Option<usize>>,
    has_coded_texts: bool,
}

impl Places {
    pub(super) fn new(origin: (usize, usize), layout: &Layout, columns: &[Column]) -> Self {
        let find = |name: &String| columns.iter().position(|column| column.name == *name);
        Self {
            origin,
            time: layout.time.as_ref().map(find),
            vehicle: find(&layout.vehicle),
            tags: layout.tags.iter().map(find).collect(),
            fields: layout.fields.iter().map(find).collect(),
            has_coded_texts: layout.has_coded_texts,
        }
    }

    /// The row with its key; `None` if it has none of the fields (QY-4).
    pub(super) fn place(
        &self,
        question: &Question,
        mut row: Row,
    ) -> Result<Option<KeyedRow>, StoreQueryError> {
        let time = match self.time {
            None => question.from,
            Some(at) => moment(take(&mut row, at))?,
        };
        let time = question.window(time);
        let key = Key {
            time,
            vehicle: text(take(&mut row, self.vehicle)),
            tags: self.tags.iter().map(|at| text(take(&mut row, *at))).collect(),
        };
        let mut values = vec![Value::Timestamp(time), Value::String(key.vehicle.clone())];
        values.extend(question.shown.iter().map(|at| Value::String(key.tags[*at].clone())));
        let mut is_there = false;
        for (index, field) in question.fields.iter().enumerate() {
            let mut value = take(&mut row, self.fields[index]);
            if self.has_coded_texts
                && let Value::String(code) = &value
            {
                let text = dialect::decode(code);
                value = Value::String(text.ok_or_else(|| broken(format!("no code: {code:?}")))?);
            }
            let value = typed(field, question.function, value)?;
            is_there |= !matches!(value, Value::Null)
                && (question.function != Some(Function::Count) || value != Value::Integer(0));
            values.push(value);
        }
        Ok(is_there.then_some(KeyedRow { key, origin: self.origin, row: values }))
    }
}

fn take(row: &mut Row, at: Option<usize>) -> Value {
    at.map_or(Value::Null, |at| std::mem::replace(&mut row[at], Value::Null))
}

fn moment(value: Value) -> Result<UnixNanos, StoreQueryError> {
    match value {
        Value::Timestamp(at) => Ok(at),
        Value::Integer(nanos) => Ok(UnixNanos(nanos)),
        other => Err(broken(format!("{other:?} is no time"))),
    }
}

fn text(value: Value) -> String {
    if let Value::String(text) = value { text } else { String::new() }
}

fn broken(reason: String) -> StoreQueryError {
    StoreQueryError::Broken { reason }
}

/// Converts a value to its column's type (QY-1): stores write numbers and booleans differently.
fn typed(
    field: &Field,
    function: Option<Function>,
    value: Value,
) -> Result<Value, StoreQueryError> {
    let typed = match (field.answers, value) {
        // A count without values is 0.
        (ValueType::Integer, Value::Null) if function == Some(Function::Count) => Value::Integer(0),
        (_, Value::Null) => Value::Null,
        // Some stores keep the sign of zero and others do not: it is removed.
        (ValueType::Float, Value::Float(value)) => Value::Float(value + 0.0),
        (ValueType::Float, Value::Integer(value)) => Value::Float(float(value)),
        (ValueType::Float, Value::Unsigned(value)) => match i64::try_from(value) {
            Ok(value) => Value::Float(float(value)),
            Err(_) => return Err(mistyped(field, "an unsigned integer")),
        },
        (ValueType::Integer, Value::Integer(value)) => Value::Integer(value),
        (ValueType::Integer, Value::Unsigned(value)) => match i64::try_from(value) {
            Ok(value) => Value::Integer(value),
            Err(_) if field.kind == FieldType::Unsigned => Value::Unsigned(value),
            Err(_) => return Err(mistyped(field, "an unsigned integer")),
        },
        // A field whose type was changed from integer to float, if the value is exact.
        (ValueType::Integer, Value::Float(value)) => {
            whole(value).map(Value::Integer).ok_or_else(|| mistyped(field, "a float"))?
        }
        (ValueType::Boolean, Value::Boolean(value)) => Value::Boolean(value),
        (ValueType::Boolean, Value::Integer(value @ (0 | 1))) => Value::Boolean(value == 1),
        (ValueType::String, Value::String(value)) => Value::String(value),
        (_, other) => {
            return Err(mistyped(field, other.kind().map_or("nothing", ValueType::as_str)));
        }
    };
    Ok(typed)
}

fn mistyped(field: &Field, found: &str) -> StoreQueryError {
    broken(format!(
        "field `{}` is {found} in the store and {} in the mappings",
        field.name,
        field.answers.as_str()
    ))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a float column answers floats; the store had it as an integer by its own choice"
)]
fn float(value: i64) -> f64 {
    value as f64
}

/// The integer value of a float, if it is exactly an integer.
fn whole(value: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() != 0.0 || value.abs() > EXACT {
        return None;
    }
    format!("{value:.0}").parse().ok()
}
