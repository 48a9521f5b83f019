//! A naive implementation of the portable query: it scans all points for every query.

use std::{cmp::Ordering, collections::BTreeMap};

use serde_json::{Value, json};

use super::{
    asked::Asked,
    fleet::{FIELDS, Point},
};

/// The member of an object for a value that may be any of several.
pub(super) const ONE_OF: &str = "one of";

/// An answer: names and types of the columns, and the rows with `time` in nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) columns: Vec<(String, String)>,
    pub(super) rows: Vec<Vec<Value>>,
}

/// The expected answer to a query, without its limit. `breaks_ties`: whether the first of several
/// values at one time is the greatest, or any.
pub(super) fn answer(asked: &Asked, points: &[Point], breaks_ties: bool) -> Answer {
    let fields = fields(asked);
    let mut columns =
        vec![("time".to_owned(), "timestamp".to_owned()), ("vin".to_owned(), "string".to_owned())];
    for (name, kind) in &fields {
        let kind = match asked.function {
            Some("mean") => "float",
            Some("count") => "integer",
            _ => kind,
        };
        columns.push(((*name).to_owned(), kind.to_owned()));
    }
    let is_asked = |point: &&Point| {
        (asked.from..asked.to).contains(&point.at)
            && (asked.vehicles.is_empty() || asked.vehicles.contains(&point.vin()))
            && fields.iter().any(|(name, _)| point.fields.contains_key(*name))
    };
    let points: Vec<&Point> = points.iter().filter(is_asked).collect();
    let mut keyed = match asked.function {
        None => raw(&points, &fields),
        Some(function) => windows(asked, function, &points, &fields, breaks_ties),
    };
    keyed.sort_by(|(one, _), (other, _)| one.cmp(other));
    if asked.is_desc {
        keyed.reverse();
    }
    Answer { columns, rows: keyed.into_iter().map(|(_, row)| row).collect() }
}

/// The fields of the columns: the requested ones, otherwise all that fit the function.
fn fields(asked: &Asked) -> Vec<(&'static str, &'static str)> {
    let is_number = |kind: &str| matches!(kind, "float" | "integer");
    let fits = |kind: &str| {
        is_number(kind) || matches!(asked.function, None | Some("count" | "first" | "last"))
    };
    if asked.fields.is_empty() {
        return FIELDS.into_iter().filter(|(_, kind)| fits(kind)).collect();
    }
    let find = |name: &&str| FIELDS.into_iter().find(|(known, _)| known == name).unwrap();
    asked.fields.iter().map(find).collect()
}

/// The sort key of rows: time, vehicle, remaining tags.
type Key = (i64, String, [String; 2]);

fn raw(points: &[&Point], fields: &[(&str, &str)]) -> Vec<(Key, Vec<Value>)> {
    let row = |point: &&Point| {
        let [model, vin, region] = point.tags.clone();
        let mut row = vec![json!(point.at), json!(vin)];
        let value = |name: &str| point.fields.get(name).cloned().unwrap_or(Value::Null);
        row.extend(fields.iter().map(|(name, _)| value(name)));
        ((point.at, vin, [model, region]), row)
    };
    points.iter().map(row).collect()
}

fn windows(
    asked: &Asked,
    function: &str,
    points: &[&Point],
    fields: &[(&str, &str)],
    breaks_ties: bool,
) -> Vec<(Key, Vec<Value>)> {
    let mut groups: BTreeMap<(i64, String), Vec<&Point>> = BTreeMap::new();
    for point in points {
        let window = match asked.every {
            Some(every) => point.at - point.at.rem_euclid(every),
            None => asked.from,
        };
        groups.entry((window, point.vin().to_owned())).or_default().push(point);
    }
    let row = |((window, vin), points): ((i64, String), Vec<&Point>)| {
        let mut row = vec![json!(window), json!(vin)];
        for (name, kind) in fields {
            let has = |point: &&Point| Some((point.at, point.fields.get(*name)?.clone()));
            let values: Vec<(i64, Value)> = points.iter().filter_map(has).collect();
            row.push(apply(function, kind, values, breaks_ties));
        }
        ((window, vin, [String::new(), String::new()]), row)
    };
    groups.into_iter().map(row).collect()
}

/// One function over all values of a vehicle's field in a window.
fn apply(function: &str, kind: &str, values: Vec<(i64, Value)>, breaks_ties: bool) -> Value {
    if function == "count" {
        return json!(values.len());
    }
    let plain = values.iter().map(|(_, value)| value.clone());
    let is_float = kind == "float";
    let float = |value: &Value| value.as_f64().unwrap();
    let chosen = match function {
        "min" => plain.min_by(compare),
        "max" => plain.max_by(compare),
        "first" => at_moment(&values, values.iter().map(|(at, _)| *at).min(), breaks_ties),
        "last" => at_moment(&values, values.iter().map(|(at, _)| *at).max(), breaks_ties),
        "sum" | "mean" if values.is_empty() => None,
        "sum" if is_float => Some(json!(plain.map(|value| float(&value)).sum::<f64>())),
        "sum" => {
            let sum: i128 = plain.map(|value| i128::from(value.as_i64().unwrap())).sum();
            Some(json!(i64::try_from(sum).unwrap()))
        }
        "mean" => {
            let count = f64::from(u32::try_from(values.len()).unwrap());
            Some(json!(plain.map(|value| float(&value)).sum::<f64>() / count))
        }
        other => panic!("no function {other}"),
    };
    chosen.unwrap_or(Value::Null)
}

/// The greatest of the values at one time; if the store may choose any, all of them.
fn at_moment(values: &[(i64, Value)], moment: Option<i64>, breaks_ties: bool) -> Option<Value> {
    let there = values.iter().filter(|(at, _)| Some(*at) == moment).map(|(_, value)| value.clone());
    let there: Vec<Value> = there.collect();
    match breaks_ties {
        true => there.into_iter().max_by(compare),
        false if there.is_empty() => None,
        false => Some(json!({ ONE_OF: there })),
    }
}

fn compare(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::String(one), Value::String(other)) => one.as_bytes().cmp(other.as_bytes()),
        (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
        _ => match (one.as_i64(), other.as_i64()) {
            (Some(one), Some(other)) => one.cmp(&other),
            _ => one.as_f64().unwrap().total_cmp(&other.as_f64().unwrap()),
        },
    }
}
