//! Publishes the answers of saved queries: one task per query, and one that starts and ends them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Value as Json, json};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{MissedTickBehavior, interval, sleep},
};

use super::answer::{Answer, Failed, ask};
use crate::{
    downlink::{Downlink, query_spec::QuerySpec},
    env::Guard,
    mapping::SavedQuery,
    model::UnixNanos,
    telemetry::ReasonLabel,
};

/// The minimum pause between two log messages about a failing query.
const LOG_PAUSE: Duration = Duration::from_mins(1);
/// The pause before a publish is tried again: at a start the MQTT edge starts last.
const EDGE_PAUSE: Duration = Duration::from_millis(100);

/// Publishes the answers of the current queries.
pub(in crate::downlink) async fn tell(
    downlink: Downlink,
    mut in_force: watch::Receiver<Arc<[SavedQuery]>>,
    _guard: Guard,
) {
    let mut running: BTreeMap<Arc<str>, (SavedQuery, JoinHandle<()>)> = BTreeMap::new();
    loop {
        let wanted = Arc::clone(&in_force.borrow_and_update());
        let is_wanted = |query: &SavedQuery| wanted.iter().any(|other| other.is_like(query));
        let gone: Vec<Arc<str>> = running
            .values()
            .filter(|(query, _)| !is_wanted(query))
            .map(|(query, _)| Arc::clone(&query.name))
            .collect();
        for name in gone {
            let Some((_, task)) = running.remove(&name) else { continue };
            task.abort();
            // An aborted task publishes nothing any more; the abort is not a failure.
            drop(task.await);
            if !wanted.iter().any(|query| query.name == name) {
                downlink.edge.publish_retained(&topic(&name), "");
            }
        }
        for query in wanted.iter() {
            if running.contains_key(&query.name) {
                continue;
            }
            let query = query.clone();
            let guard = downlink.supervisor.panic_guard("downlink-query");
            let task = tokio::spawn(repeat(downlink.clone(), query.clone(), guard));
            running.insert(Arc::clone(&query.name), (query, task));
        }
        downlink.metrics.query_topics.set(i64::try_from(running.len()).unwrap_or(i64::MAX));
        if in_force.changed().await.is_err() {
            return;
        }
    }
}

fn topic(name: &str) -> String {
    format!("$query/{name}")
}

/// The state of one topic.
#[derive(Debug, Default)]
struct TopicState {
    answer: Answer,
    /// When this answer was first seen.
    at: Option<UnixNanos>,
    /// Why the query fails, and since when.
    failing: Option<(&'static str, UnixNanos)>,
}

impl TopicState {
    /// Takes an answer; returns whether it must be published.
    fn take(&mut self, answer: Answer, at: UnixNanos) -> bool {
        let was_failing = self.failing.take().is_some();
        if self.at.is_some() && self.answer.says_the_same(&answer) {
            return was_failing;
        }
        (self.answer, self.at) = (answer, Some(at));
        true
    }

    /// Takes a failure; returns whether it must be published.
    fn fail(&mut self, failed: &Failed, at: UnixNanos) -> bool {
        let reason = failed.reason();
        match &mut self.failing {
            Some((known, _)) if *known == reason => false,
            Some((known, _)) => {
                *known = reason;
                true
            }
            None => {
                self.failing = Some((reason, at));
                true
            }
        }
    }

    fn payload(&self, name: &str) -> String {
        let failing = self.failing.map_or(
            Json::Null,
            |(reason, since)| json!({ "since": since.to_string(), "reason": reason }),
        );
        self.answer.payload(name, self.at, &failing)
    }
}

/// Runs one query at its interval.
async fn repeat(downlink: Downlink, query: SavedQuery, _guard: Guard) {
    let name = &*query.name;
    let (question, having) = match QuerySpec::read(&query.question) {
        Ok(read) => read,
        // The query was checked when it was loaded.
        Err(error) => return tracing::error!(name, %error, "a saved query cannot be asked"),
    };
    let mut state = TopicState::default();
    let mut logged: Option<Duration> = None;
    let mut ticks = interval(query.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let at = downlink.clock.wall();
        let is_news = match ask(&downlink, &question, having.as_ref(), at).await {
            Ok(answer) => {
                if state.failing.is_some() {
                    tracing::info!(name, "a saved query is answered again");
                }
                state.take(answer, at)
            }
            Err(failed) => {
                let reason = failed.reason();
                let failures = &downlink.metrics.query_failed_topics;
                failures.get_or_create(&ReasonLabel { reason }).inc();
                let is_news = state.fail(&failed, at);
                let now = downlink.clock.monotonic();
                if is_news && logged.is_none_or(|last| now.saturating_sub(last) >= LOG_PAUSE) {
                    logged = Some(now);
                    tracing::warn!(name, error = %failed, "a saved query is not answered");
                }
                is_news
            }
        };
        if is_news {
            while !downlink.edge.publish_retained(&topic(name), &state.payload(name)) {
                sleep(EDGE_PAUSE).await;
            }
            downlink.metrics.query_told_answers.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_published_if_it_differs_or_ends_a_failure() {
        let (first, later) = (UnixNanos(1), UnixNanos(2));
        let mut state = TopicState::default();
        assert!(state.take(Answer::default(), first), "no row is an answer too");
        assert!(!state.take(Answer::default(), later));
        assert_eq!(state.at, Some(first));
        let (rows, bytes) = (Failed::Rows { max: 1 }, Failed::Bytes { max: 1 });
        assert!(state.fail(&rows, later) && !state.fail(&rows, later));
        assert!(state.payload("n").contains(r#""failing":{"reason":"rows""#), "{state:?}");
        assert!(state.fail(&bytes, UnixNanos(3)), "another reason is news");
        assert_eq!(state.failing, Some(("bytes", later)), "it fails since then all the same");
        assert!(state.take(Answer::default(), UnixNanos(4)), "that it is over is news");
        assert_eq!(
            state.payload("a \"b\""),
            r#"{"name":"a \"b\"","at":"1970-01-01T00:00:00.000000001Z","columns":[],"rows":[],"failing":null}"#
        );
    }
}
