//! A query of the table: sent over HTTP, its answer parsed and compared.

use serde_json::Value;

use super::oracle::{Answer, ONE_OF};
use crate::harness::Appliance;

/// The allowed relative error of a sum or mean of floats, because of the order of additions.
const FLOAT_SLACK: f64 = 1e-9;

/// One query, for the oracle and for the API.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub(super) vehicles: Vec<&'static str>,
    pub(super) fields: Vec<&'static str>,
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) every: Option<i64>,
    pub(super) function: Option<&'static str>,
    pub(super) is_desc: bool,
    /// `from` and `to` in another form than nanoseconds.
    pub(super) words: Option<(String, String)>,
}

impl Asked {
    pub(super) fn parameters(&self) -> Vec<(String, String)> {
        let mut parameters = Vec::new();
        let mut add = |name: &str, value: String| parameters.push((name.to_owned(), value));
        for vehicle in &self.vehicles {
            add("vehicle", (*vehicle).to_owned());
        }
        if !self.fields.is_empty() {
            add("fields", self.fields.join(","));
        }
        let (from, to) = match &self.words {
            Some((from, to)) => (from.clone(), to.clone()),
            None => (self.from.to_string(), self.to.to_string()),
        };
        for (name, value) in [("from", from), ("to", to)] {
            if !value.is_empty() {
                add(name, value);
            }
        }
        if let Some(every) = self.every {
            add("every", format!("{every}ns"));
        }
        if let Some(function) = self.function {
            add("fn", function.to_owned());
        }
        if self.is_desc {
            add("order", "desc".to_owned());
        }
        parameters
    }

    /// Whether its numbers may differ because of the order of additions.
    fn is_rounded(&self) -> bool {
        matches!(self.function, Some("sum" | "mean"))
    }

    /// The difference of an answer, if any.
    pub(super) fn differs(&self, answer: &Answer, expected: &Answer) -> Option<String> {
        if answer.columns != expected.columns {
            return Some(format!("columns {:?}\nexpected {:?}", answer.columns, expected.columns));
        }
        let is_equal = |(row, expected_row): (&Vec<Value>, &Vec<Value>)| {
            row.len() == expected_row.len()
                && row.iter().zip(expected_row).zip(&expected.columns).all(
                    |((value, expected), (_, kind))| {
                        is_same(value, expected, kind, self.is_rounded())
                    },
                )
        };
        let pairs = answer.rows.iter().zip(&expected.rows);
        if let Some(at) = pairs.clone().position(|pair| !is_equal(pair)) {
            let (row, expected) = (&answer.rows[at], &expected.rows[at]);
            return Some(format!("row {at}\n         {row:?}\nexpected {expected:?}"));
        }
        let (is, should) = (answer.rows.len(), expected.rows.len());
        (is != should).then(|| format!("{is} rows, expected {should}"))
    }
}

fn is_same(value: &Value, expected: &Value, kind: &str, is_rounded: bool) -> bool {
    match (value, expected) {
        (value, Value::Object(several)) => several[ONE_OF]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| is_same(value, one, kind, is_rounded))),
        (Value::Number(value), Value::Number(expected)) if kind == "float" => {
            let (Some(value), Some(expected)) = (value.as_f64(), expected.as_f64()) else {
                return false;
            };
            let slack = if is_rounded { FLOAT_SLACK * expected.abs() } else { 0.0 };
            value.to_bits() == expected.to_bits() || (value - expected).abs() <= slack
        }
        // An integer is written without decimal point and exponent.
        (Value::Number(value), Value::Number(expected)) => {
            (value.as_i64(), value.as_u64()) == (expected.as_i64(), expected.as_u64())
                && !value.is_f64()
        }
        (value, expected) => value == expected,
    }
}

/// Requests a page: the answer, and where the next one begins.
pub(super) fn ask(
    appliance: &Appliance,
    parameters: &[(String, String)],
    more: &[(&str, &str)],
) -> Result<(Answer, Option<String>), String> {
    let mut all: Vec<(&str, &str)> =
        parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    all.push(("epoch", "ns"));
    all.extend(more);
    let (status, body) = appliance.get_with("/api/v1/telemetry/reading", &all);
    if status != 200 {
        return Err(format!("{status} {body}"));
    }
    read(&body).ok_or_else(|| format!("no answer: {body}"))
}

fn read(body: &str) -> Option<(Answer, Option<String>)> {
    let tree: Value = serde_json::from_str(body).ok()?;
    let column = |column: &Value| {
        Some((column["name"].as_str()?.to_owned(), column["type"].as_str()?.to_owned()))
    };
    let columns = tree["columns"].as_array()?.iter().map(column).collect::<Option<_>>()?;
    let rows = tree["rows"].as_array()?.iter().map(|row| row.as_array().cloned());
    let answer = Answer { columns, rows: rows.collect::<Option<_>>()? };
    Some((answer, tree["after"].as_str().map(str::to_owned)))
}
