//! Whether a command's `still` holds: asked of the store just before it leaves.

use std::collections::BTreeMap;

use tokio::sync::mpsc::UnboundedReceiver;

use super::{
    Downlink,
    engine::{Job, Question},
    prepare::Still,
};
use crate::{
    env::Guard,
    mapping::Condition,
    model::{UnixNanos, Value},
    query::{Function, Part, QueryEngine, QueryRequest},
};

/// Questions at once; more wait.
const AT_ONCE: usize = 4;

/// Answers questions until nobody asks any more.
pub(super) async fn answer(
    downlink: Downlink,
    queries: QueryEngine,
    mut questions: UnboundedReceiver<Question>,
    _guard: Guard,
) {
    let turns = std::sync::Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    while let Some(question) = questions.recv().await {
        let Ok(turn) = std::sync::Arc::clone(&turns).acquire_owned().await else { return };
        let (downlink, queries) = (downlink.clone(), queries.clone());
        tokio::spawn(async move {
            let now = downlink.clock.wall();
            let holds = holds(&queries, &question, now).await;
            downlink.ask(Job::Still(question.seq, holds));
            drop(turn);
        });
    }
}

/// Whether it holds; nothing if there is no value that is young enough, or nobody can say.
async fn holds(queries: &QueryEngine, question: &Question, now: UnixNanos) -> Option<bool> {
    let still: Still = serde_json::from_str(&question.still).ok()?;
    let condition = Condition::parse(&still.when).ok()?;
    let fresh = still.fresh()?;
    let fresh = i64::try_from(fresh.as_nanos()).unwrap_or(i64::MAX);
    let fields = condition.paths();
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
    let mut answer = queries.portable(request).await.ok()?;
    let places: BTreeMap<String, usize> = answer
        .columns
        .iter()
        .enumerate()
        .map(|(place, column)| (column.name.to_string(), place))
        .collect();
    let mut last = None;
    while let Some(part) = answer.parts.recv().await {
        match part.ok()? {
            Part::Rows(rows) => last = rows.into_iter().next_back().or(last),
            Part::End { .. } => break,
        }
    }
    let row = last?;
    let value = |path: &str| row.get(*places.get(path)?).filter(|value| **value != Value::Null);
    // A field without a young value is not known, whatever the rest says.
    fields.iter().all(|path| value(path).is_some()).then(|| condition.holds(value))
}
