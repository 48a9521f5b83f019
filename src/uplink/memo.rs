//! What the topics of one session mean, remembered, so that a message on a known topic pays one
//! comparison for it.

use crate::mapping::{Plans, TopicMatch};

/// The last topics of one session with the plans that they match. Holds for the generation of plans
/// that it was looked up in.
///
/// Sketch of the memory: some 200 bytes for the one topic that most vehicles have.
#[derive(Debug, Default)]
pub struct TopicMemo {
    /// Bounded by [`TOPICS_MAX`]; a session with more topics looks each up anew, into the same
    /// memory.
    known: Vec<Known>,
    /// The one that was asked for last.
    last: usize,
}

#[derive(Debug, Default)]
struct Known {
    topic: String,
    generation: u64,
    matched: TopicMatch,
}

/// Topics that one session's memo holds.
const TOPICS_MAX: usize = 4;

impl TopicMemo {
    /// What a topic matches.
    pub(crate) fn find(&mut self, topic: &str, plans: &Plans) -> &TopicMatch {
        let is_known = |known: &Known| known.topic == topic;
        if !self.known.get(self.last).is_some_and(is_known) {
            self.last = self.known.iter().position(is_known).unwrap_or_else(|| self.replace());
        }
        let known = &mut self.known[self.last];
        if known.topic != topic || known.generation != plans.generation() {
            known.topic.clear();
            known.topic.push_str(topic);
            known.generation = plans.generation();
            plans.find(topic, &mut known.matched);
        }
        &known.matched
    }

    /// Where the next topic goes: a new place, or in place of the one after the last.
    fn replace(&mut self) -> usize {
        if self.known.len() < TOPICS_MAX {
            self.known.reserve_exact(1);
            self.known.push(Known::default());
            return self.known.len() - 1;
        }
        (self.last + 1) % TOPICS_MAX
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::{mapping::Options, model::LineDialect, schema::Sources};

    fn plans(topic: &str) -> Plans {
        let mapping = format!(
            "[[mapping]]\nname = \"m\"\ntopic = \"{topic}\"\nformat = \"json\"\n\
             schema = \"m.schema.json\"\nmeasurement = \"m\"\nvehicle = \"{{vin}}\"\n\
             tags = [\"vin\"]\n"
        );
        let schema = r#"{"type": "object", "properties": {"v": {"type": "integer"}}}"#;
        let sources = Sources::from_texts([
            ("m.toml".to_owned(), mapping),
            ("m.schema.json".to_owned(), schema.to_owned()),
        ]);
        Plans::from_sources(&sources, &Options::new(PathBuf::new(), LineDialect::Signed))
            .expect("loads")
    }

    #[test]
    fn a_topic_is_found_again_and_looked_up_anew_after_a_reload() {
        let (one, other) = (plans("v/{vin}"), plans("w/{vin}"));
        let mut memo = TopicMemo::default();
        let count =
            |memo: &mut TopicMemo, topic: &str, plans| memo.find(topic, plans).plans().len();
        for _ in 0..3 {
            for topic in ["v/a", "v/b", "v/c", "v/d", "v/e", "v/f"] {
                assert_eq!(count(&mut memo, topic, &one), 1, "{topic}");
                assert_eq!(memo.find(topic, &one).level(topic, 1), &topic[2..]);
            }
            assert_eq!(count(&mut memo, "w/a", &one), 0);
        }
        assert_eq!(count(&mut memo, "w/a", &other), 1);
        assert_eq!(count(&mut memo, "v/a", &other), 0);
        assert_eq!(count(&mut memo, "v/a", &one), 1);
        assert!(memo.known.len() <= TOPICS_MAX);
    }
}
