//! Checks a command's `still` just before it is sent, with values of the store and of the vehicle's
//! session.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::mpsc::UnboundedReceiver;

use super::{
    Downlink,
    engine::{Job, StillCheck},
    prepare::Still,
};
use crate::{
    env::Guard,
    mapping::Condition,
    model::{
        Catalog, SessionQuestion, UnixNanos, Value,
        line::{self, ReadPoint},
    },
    query::{Function, Order, Part, QueryEngine, QueryRequest},
};

/// The maximum number of concurrent checks; more wait.
const AT_ONCE: usize = 4;

/// Runs checks until all senders are gone.
pub(super) async fn answer(
    downlink: Downlink,
    mut checks: UnboundedReceiver<StillCheck>,
    _guard: Guard,
) {
    let turns = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    while let Some(check) = checks.recv().await {
        let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return };
        let downlink = downlink.clone();
        tokio::spawn(async move {
            let now = downlink.clock.wall();
            let holds = holds(&downlink, &check, now).await;
            downlink.ask(Job::Still(check.seq, holds));
            drop(turn);
        });
    }
}

/// Whether it holds; `None` if no value is recent enough, or it cannot be determined.
///
/// The store's answer may be slightly old. If a vehicle reconnects and uploads buffered points, the
/// latest one counts: its session has it, but the store may not have it yet.
async fn holds(downlink: &Downlink, check: &StillCheck, now: UnixNanos) -> Option<bool> {
    let still: Still = serde_json::from_str(&check.still).ok()?;
    let condition = Condition::parse(&still.when).ok()?;
    let fresh = still.fresh()?;
    let fresh = i64::try_from(fresh.as_nanos()).unwrap_or(i64::MAX);
    let fields = condition.paths();
    let kept = kept(downlink, &still.measurement, &check.vehicle).await;
    let request = QueryRequest {
        measurement: still.measurement,
        vehicles: vec![check.vehicle.to_string()],
        fields: fields.clone(),
        from: now.saturating_add(-fresh),
        // The clock of a vehicle may be a little ahead.
        to: now.saturating_add(fresh),
        function: Some(Function::Last),
        limit: 1,
        ..QueryRequest::default()
    };
    let mut values = last_row(&downlink.queries, request.clone()).await?;
    if let Some(kept) = kept.filter(|kept| (request.from..request.to).contains(&kept.time)) {
        let newest = QueryRequest { function: None, order: Order::Descending, ..request };
        let newest = last_row(&downlink.queries, newest).await?;
        let is_stored = match newest.get("time") {
            Some(Value::Timestamp(at)) => kept.time <= *at,
            _ => false,
        };
        if !is_stored {
            values.extend(kept.fields);
        }
    }
    let value = |path: &str| values.get(path).filter(|value| **value != Value::Null);
    // If a field has no recent value, the result is unknown.
    fields.iter().all(|path| value(path).is_some()).then(|| condition.holds(value))
}

/// The last row of an answer, by column; empty if there is no row; `None` if there is no answer.
async fn last_row(queries: &QueryEngine, request: QueryRequest) -> Option<BTreeMap<String, Value>> {
    let mut answer = queries.portable(request).await.ok()?;
    let mut last = Vec::new();
    while let Some(part) = answer.parts.recv().await {
        match part.ok()? {
            Part::Rows(rows) => last = rows.into_iter().next_back().unwrap_or(last),
            Part::End { .. } => break,
        }
    }
    let names = answer.columns.into_iter().map(|column| column.name);
    Some(names.zip(last).collect())
}

/// The latest point of a measurement in the sessions of a vehicle.
async fn kept(downlink: &Downlink, measurement: &str, vehicle: &Arc<str>) -> Option<ReadPoint> {
    let sessions = downlink.presence.find(vehicle)?.sessions.into_iter();
    let check = |session| {
        let vehicle = Arc::clone(vehicle);
        SessionQuestion { session, vehicle, with_lines: true }
    };
    let answers = downlink.sessions.ask(sessions.map(check).collect()).await.ok()?;
    let lines = answers.into_iter().flatten().flat_map(|answer| answer.lines);
    // Numbers of both types are compared equally, so no catalog is needed.
    let points = lines.filter_map(|line| line::read(&line, &Catalog::default()));
    points.filter(|point| point.measurement == measurement).max_by_key(|point| point.time)
}
