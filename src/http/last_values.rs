//! The last point of each measurement of one vehicle: from the lines that its sessions keep, or
//! from the store.

use std::collections::{BTreeMap, btree_map::Entry};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Map, Value as JsonValue, json};

use crate::{
    http::{ApiError, HttpState},
    model::{Catalog, Row, UnixNanos, Value, line},
    query::{Order, Part, QueryError, QueryRequest},
};

/// Queries of one request that run at once: half of the bound, so that a vehicle with many
/// measurements leaves permits to others.
const AT_ONCE: usize = 4;
/// How far ahead of our clock a point may be to be found: the default of `uplink.time-bounds`.
const AHEAD_NANOS: i64 = 86_400_000_000_000;

/// Where a point comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Session,
    Store,
}

#[derive(Clone, Debug, PartialEq)]
struct LastPoint {
    time: UnixNanos,
    origin: Origin,
    fields: Vec<(String, Value)>,
}

/// By measurement.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LastValues(BTreeMap<String, LastPoint>);

impl LastValues {
    /// Adds the last values of a session; of two points of a measurement, the later counts.
    pub(super) fn add_lines(&mut self, lines: &[Vec<u8>], catalog: &Catalog) {
        for line in lines {
            let Some(line::ReadPoint { measurement, time, fields }) = line::read(line, catalog)
            else {
                // Our own writer has written it, so it parses.
                debug_assert!(false, "no line: {:?}", String::from_utf8_lossy(line));
                continue;
            };
            let point = LastPoint { time, origin: Origin::Session, fields };
            match self.0.entry(measurement) {
                Entry::Vacant(vacant) => {
                    vacant.insert(point);
                }
                Entry::Occupied(mut known) if known.get().time <= time => {
                    known.insert(point);
                }
                Entry::Occupied(_) => {}
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The time of the latest point.
    pub(super) fn newest(&self) -> Option<UnixNanos> {
        self.0.values().map(|point| point.time).max()
    }

    pub(super) fn json(&self) -> JsonValue {
        let point = |point: &LastPoint| {
            let fields = point.fields.iter().map(|(name, value)| (name.clone(), json_of(value)));
            json!({
                "time": point.time.to_string(),
                "source": match point.origin {
                    Origin::Session => "session",
                    Origin::Store => "store",
                },
                "fields": fields.collect::<Map<_, _>>(),
            })
        };
        self.0.iter().map(|(name, last)| (name.clone(), point(last))).collect::<Map<_, _>>().into()
    }
}

/// Queries the store for a vehicle's latest point of every measurement that has a vehicle tag.
///
/// # Errors
/// The error of the first query that fails: an answer must not be incomplete (HT-2).
pub(super) async fn of_store(
    state: &HttpState,
    vehicle: &str,
    from: UnixNanos,
) -> Result<LastValues, ApiError> {
    let to = state.clock.wall().saturating_add(AHEAD_NANOS);
    let catalog = state.catalog.load_full();
    let tagged = catalog.measurements.iter().filter(|(_, known)| known.vehicle_tag.is_some());
    let requests: Vec<QueryRequest> = tagged
        .filter(|(_, known)| !known.fields.is_empty())
        .map(|(measurement, _)| QueryRequest {
            measurement: measurement.clone(),
            vehicles: vec![vehicle.to_owned()],
            from,
            to: to.max(from),
            order: Order::Descending,
            limit: 1,
            ..QueryRequest::default()
        })
        .collect();
    let found: Vec<Option<(String, LastPoint)>> = stream::iter(requests)
        .map(|request| last_point(state, request))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(LastValues(found.into_iter().flatten().collect()))
}

async fn last_point(
    state: &HttpState,
    request: QueryRequest,
) -> Result<Option<(String, LastPoint)>, ApiError> {
    let measurement = request.measurement.clone();
    let mut answer = state.queries.portable(request).await?;
    let mut first: Option<Row> = None;
    while let Some(part) = answer.parts.recv().await {
        match part.map_err(QueryError::Store)? {
            Part::Rows(rows) => first = first.or_else(|| rows.into_iter().next()),
            Part::End { .. } => break,
        }
    }
    let Some(row) = first else { return Ok(None) };
    let mut values = answer.columns.into_iter().zip(row);
    // QY-1: the time, the vehicle, and then the fields.
    let (Some((_, Value::Timestamp(time))), Some(_)) = (values.next(), values.next()) else {
        return Ok(None);
    };
    let fields = values
        .filter(|(_, value)| *value != Value::Null)
        .map(|(column, value)| (column.name, value))
        .collect();
    Ok(Some((measurement, LastPoint { time, origin: Origin::Store, fields })))
}

fn json_of(value: &Value) -> JsonValue {
    match value {
        Value::Null => JsonValue::Null,
        Value::Timestamp(at) => at.to_string().into(),
        Value::Float(value) => json!(value),
        Value::Integer(value) => json!(value),
        Value::Unsigned(value) => json!(value),
        Value::Boolean(value) => json!(value),
        Value::String(value) => json!(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_points_of_a_measurement_the_later_counts() {
        let mut values = LastValues::default();
        let lines = |lines: &[&str]| -> Vec<Vec<u8>> {
            lines.iter().map(|line| line.as_bytes().to_vec()).collect()
        };
        let catalog = Catalog::default();
        values.add_lines(&lines(&["m x=1i 20\n", "n s=\"a\" 1000000000\n"]), &catalog);
        values.add_lines(&lines(&["m x=2i 10\n"]), &catalog);
        assert_eq!(values.newest(), Some(UnixNanos(1_000_000_000)));
        assert_eq!(
            values.json(),
            json!({
                "m": {
                    "time": "1970-01-01T00:00:00.00000002Z",
                    "source": "session",
                    "fields": { "x": 1 },
                },
                "n": { "time": "1970-01-01T00:00:01Z", "source": "session", "fields": { "s": "a" } },
            })
        );
    }
}
