//! Logs topics that no mapping takes, because a counter alone names no topic.

use std::{collections::HashSet, time::Duration};

use crate::telemetry::LogLimit;

/// A worker logs at most one topic in this time.
const REPORTED_EVERY: Duration = Duration::from_mins(1);
/// How many topics a worker logs in all; each is logged once.
const REPORTED_MAX: usize = 256;
/// How many characters of a topic are logged.
const TOPIC_CHARS_MAX: usize = 256;

/// The topics that one worker has logged.
#[derive(Debug)]
pub(super) struct Unmapped {
    limit: LogLimit,
    reported: HashSet<Box<str>>,
}

impl Default for Unmapped {
    fn default() -> Self {
        Self { limit: LogLimit::new(REPORTED_EVERY), reported: HashSet::new() }
    }
}

impl Unmapped {
    /// Logs a topic, if it is new and the last one is long enough ago; `now` is called only for a
    /// new one.
    pub(super) fn report(&mut self, topic: &str, now: impl FnOnce() -> Duration) {
        if self.reported.len() >= REPORTED_MAX {
            return;
        }
        let topic: String = topic.chars().take(TOPIC_CHARS_MAX).collect();
        if self.reported.contains(&*topic) {
            return;
        }
        if let Some(others) = self.limit.admit(now()) {
            tracing::info!(
                topic,
                others,
                "no mapping takes this topic: its messages are acknowledged and not stored"
            );
            self.reported.insert(topic.into());
        }
    }
}
