//! Whether a command's `still` holds: asked of the store, and of the vehicle's session, just before
//! it leaves.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::mpsc::UnboundedReceiver;

use super::{
    Downlink,
    engine::{Job, Question},
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

/// Questions at once; more wait.
const AT_ONCE: usize = 4;

/// Answers questions until nobody asks any more.
pub(super) async fn answer(
    downlink: Downlink,
    mut questions: UnboundedReceiver<Question>,
    _guard: Guard,
) {
    let turns = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    while let Some(question) = questions.recv().await {
        let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return };
        let downlink = downlink.clone();
        tokio::spawn(async move {
            let now = downlink.clock.wall();
            let holds = holds(&downlink, &question, now).await;
            downlink.ask(Job::Still(question.seq, holds));
            drop(turn);
        });
    }
}

/// Whether it holds; nothing if there is no value that is young enough, or nobody can say.
///
/// What the store answers may be a moment old: of a vehicle that comes back and uploads what it
/// kept, the last of it counts, which its session has and the store may not have yet.
async fn holds(downlink: &Downlink, question: &Question, now: UnixNanos) -> Option<bool> {
    let still: Still = serde_json::from_str(&question.still).ok()?;
    let condition = Condition::parse(&still.when).ok()?;
    let fresh = still.fresh()?;
    let fresh = i64::try_from(fresh.as_nanos()).unwrap_or(i64::MAX);
    let fields = condition.paths();
    let kept = kept(downlink, &still.measurement, &question.vehicle).await;
    let request = QueryRequest {
        measurement: still.measurement,
        vehicles: vec![question.vehicle.to_string()],
        fields: fields.clone(),
        from: now.saturating_add(-fresh),
        // Clocks of vehicles are a little ahead at times.
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
    // A field without a young value is not known, whatever the rest says.
    fields.iter().all(|path| value(path).is_some()).then(|| condition.holds(value))
}

/// The last row of an answer by its columns, empty without any; nothing if there is no answer.
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

/// The latest point of a measurement that the sessions of a vehicle keep.
async fn kept(downlink: &Downlink, measurement: &str, vehicle: &Arc<str>) -> Option<ReadPoint> {
    let sessions = downlink.presence.find(vehicle)?.sessions.into_iter();
    let question = |session| {
        let vehicle = Arc::clone(vehicle);
        SessionQuestion { session, vehicle, with_lines: true }
    };
    let answers = downlink.sessions.ask(sessions.map(question).collect()).await.ok()?;
    let lines = answers.into_iter().flatten().flat_map(|answer| answer.lines);
    // Numbers of either type are compared alike: no catalog is asked.
    let points = lines.filter_map(|line| line::read(&line, &Catalog::default()));
    points.filter(|point| point.measurement == measurement).max_by_key(|point| point.time)
}
