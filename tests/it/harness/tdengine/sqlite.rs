//! Translates TDengine's SQL for SQLite.

use rusqlite::{
    Connection,
    functions::{Aggregate, Context, FunctionFlags},
    types::{Value, ValueRef},
};

/// Adds the functions that statements are rewritten to.
pub(super) fn add_functions(sqlite: &Connection) {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    sqlite.create_aggregate_function("td_sum", 1, flags, Sum).unwrap();
    sqlite
        .create_scalar_function("td_vgroup", 1, flags, |context| {
            Ok(super::tables::vgroup(&context.get::<String>(0)?))
        })
        .unwrap();
    sqlite
        .create_scalar_function("server_version", 0, flags, |_| Ok("3.3.6.6.alpha".to_owned()))
        .unwrap();
    for (name, is_last) in [("td_first", false), ("td_last", true)] {
        sqlite.create_aggregate_function(name, 2, flags, Edge { is_last }).unwrap();
    }
}

/// Translates a statement of TDengine into SQLite's SQL.
pub(super) fn translate(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(c);
        if c != '\'' {
            continue;
        }
        loop {
            match chars.next().expect("a text that closes") {
                '\\' => match chars.next().expect("an escape of something") {
                    '\'' => plain.push_str("''"),
                    c => plain.push(c),
                },
                '\'' => break,
                c => plain.push(c),
            }
        }
        plain.push('\'');
    }
    let mut plain = plain
        .replace("FIRST(", "td_first(`_ts`, ")
        .replace("LAST(", "td_last(`_ts`, ")
        .replace("SUM(", "td_sum(");
    if let Some((before, after)) = plain.clone().split_once(" INTERVAL(") {
        let (every, after) = after.split_once("b)").expect("nanoseconds");
        let start = format!("(`_ts` - ((`_ts` % {every}) + {every}) % {every})");
        let is_parted = before.contains("PARTITION BY");
        let group = if is_parted { "," } else { " GROUP BY" };
        let before = before.replace("_wstart", &start);
        plain = match after.strip_prefix(')') {
            // A windowed subquery: its rows come partition by partition, because the planner drops
            // the outer order; in descending order, the parts of a window in two vgroups are not
            // merged.
            Some(order) if is_parted => match order.contains("DESC") {
                true => format!("{before}{group} td_vgroup(series), q_time)"),
                false => format!("{before}{group} q_time)"),
            },
            _ => format!("{before}{group} q_time{after}"),
        };
    }
    plain.replace("PARTITION BY", "GROUP BY")
}

/// The negative float closest to zero stands for -0.0, which SQLite does not store.
const NEGATIVE_ZERO: f64 = -5e-324;

/// A float as it is stored. A NaN is stored as infinite, because SQLite has no NaN.
pub(super) fn float(value: f64) -> Value {
    Value::Real(match value {
        _ if value.is_nan() => f64::INFINITY,
        _ if value == 0.0 && value.is_sign_negative() => NEGATIVE_ZERO,
        _ => value,
    })
}

/// A float as it was written.
pub(super) fn read_float(value: f64) -> f64 {
    if value == NEGATIVE_ZERO { -0.0 } else { value }
}

/// An unsigned integer; SQLite has none above `i64::MAX`, so those are stored as digits in a blob.
pub(super) fn unsigned(value: u64) -> Value {
    match i64::try_from(value) {
        Ok(value) => Value::Integer(value),
        Err(_) => Value::Blob(value.to_string().into_bytes()),
    }
}

/// `SUM`: exact for integers, and wrapped beyond 64 bits.
struct Sum;

impl Aggregate<Option<(i128, Option<f64>)>, Value> for Sum {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Option<(i128, Option<f64>)>> {
        Ok(None)
    }

    fn step(
        &self,
        context: &mut Context<'_>,
        sum: &mut Option<(i128, Option<f64>)>,
    ) -> rusqlite::Result<()> {
        let (whole, real) = sum.unwrap_or_default();
        *sum = match context.get_raw(0) {
            ValueRef::Integer(value) => Some((whole + i128::from(value), real)),
            ValueRef::Real(value) => Some((whole, Some(real.unwrap_or_default() + value))),
            ValueRef::Blob(digits) => {
                let value: i128 = str::from_utf8(digits).unwrap().parse().unwrap();
                Some((whole + value, real))
            }
            ValueRef::Null | ValueRef::Text(_) => return Ok(()),
        };
        Ok(())
    }

    fn finalize(
        &self,
        _: &mut Context<'_>,
        sum: Option<Option<(i128, Option<f64>)>>,
    ) -> rusqlite::Result<Value> {
        Ok(match sum.flatten() {
            None => Value::Null,
            Some((_, Some(real))) => Value::Real(real),
            Some((whole, None)) => u64::try_from(whole).map_or_else(
                |_| Value::Integer(i64::try_from(whole).unwrap_or(i64::MIN)),
                unsigned,
            ),
        })
    }
}

/// `FIRST` and `LAST`: the value with the least or greatest time, without nulls.
struct Edge {
    is_last: bool,
}

impl Aggregate<Option<(i64, Value)>, Value> for Edge {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Option<(i64, Value)>> {
        Ok(None)
    }

    fn step(
        &self,
        context: &mut Context<'_>,
        edge: &mut Option<(i64, Value)>,
    ) -> rusqlite::Result<()> {
        let (time, value) = (context.get::<i64>(0)?, context.get_raw(1));
        let is_beyond = match edge {
            None => true,
            Some((known, _)) => {
                if self.is_last {
                    time > *known
                } else {
                    time < *known
                }
            }
        };
        if is_beyond && value != ValueRef::Null {
            *edge = Some((time, Value::try_from(value)?));
        }
        Ok(())
    }

    fn finalize(
        &self,
        _: &mut Context<'_>,
        edge: Option<Option<(i64, Value)>>,
    ) -> rusqlite::Result<Value> {
        Ok(edge.flatten().map_or(Value::Null, |(_, value)| value))
    }
}
