//! Topics that no mapping takes: said, because a counter alone names none.

use std::{collections::HashSet, time::Duration};

use crate::telemetry::LogLimit;

/// How often a worker says one.
const SAID_EVERY: Duration = Duration::from_mins(1);
/// How many a worker says in all; each is said once.
const SAID_MAX: usize = 256;
/// How much of one is said.
const TOPIC_CHARS_MAX: usize = 256;

/// What one worker has said.
#[derive(Debug)]
pub(super) struct Unmapped {
    limit: LogLimit,
    said: HashSet<Box<str>>,
}

impl Default for Unmapped {
    fn default() -> Self {
        Self { limit: LogLimit::new(SAID_EVERY), said: HashSet::new() }
    }
}

impl Unmapped {
    /// Says a topic, if it is new and not too soon; `now` is asked only then.
    pub(super) fn tell(&mut self, topic: &str, now: impl FnOnce() -> Duration) {
        if self.said.len() >= SAID_MAX {
            return;
        }
        let topic: String = topic.chars().take(TOPIC_CHARS_MAX).collect();
        if self.said.contains(&*topic) {
            return;
        }
        if let Some(others) = self.limit.admit(now()) {
            tracing::info!(
                topic,
                others,
                "no mapping takes this topic: its messages are acknowledged and not stored"
            );
            self.said.insert(topic.into());
        }
    }
}
