//! A cache of the plans that a session's topics match: a message on a known topic costs one
//! comparison of the topic.

use crate::mapping::{Plans, TopicMatch};

/// The last topics of one session with the plans that they match, and what else (`R`) the owner
/// caches per topic. A match is valid for the generation of plans in which it was looked up.
///
/// Memory: some 200 bytes for the one topic that most vehicles have.
#[derive(Debug)]
pub struct TopicMemo<R = ()> {
    /// Bounded by [`TOPICS_MAX`]; a session with more topics looks each topic up again and reuses
    /// the memory.
    known: Vec<Known<R>>,
    /// The index of the topic that was used last.
    last: usize,
}

#[derive(Debug, Default)]
struct Known<R> {
    topic: String,
    generation: u64,
    matched: TopicMatch,
    more: R,
}

impl<R> Default for TopicMemo<R> {
    fn default() -> Self {
        Self { known: Vec::new(), last: 0 }
    }
}

/// Topics that one session's memo holds.
const TOPICS_MAX: usize = 4;

impl<R: Default> TopicMemo<R> {
    /// The plans that a topic matches.
    pub(crate) fn find(&mut self, topic: &str, plans: &Plans) -> &TopicMatch {
        let known = self.select(topic);
        if known.generation != plans.generation() {
            known.generation = plans.generation();
            plans.find(topic, &mut known.matched);
        }
        &known.matched
    }

    /// What the owner caches for a topic; initially the default.
    pub(crate) fn more(&mut self, topic: &str) -> &mut R {
        &mut self.select(topic).more
    }

    fn select(&mut self, topic: &str) -> &mut Known<R> {
        let is_known = |known: &Known<R>| known.topic == topic;
        if !self.known.get(self.last).is_some_and(is_known) {
            self.last = self.known.iter().position(is_known).unwrap_or_else(|| self.replace());
        }
        let known = &mut self.known[self.last];
        if known.topic != topic {
            known.topic.clear();
            known.topic.push_str(topic);
            known.generation = NEVER;
            known.more = R::default();
        }
        known
    }

    /// The index for the next topic: a new one, or that of the topic after the one used last, which
    /// is replaced.
    fn replace(&mut self) -> usize {
        if self.known.len() < TOPICS_MAX {
            self.known.reserve_exact(1);
            self.known.push(Known { generation: NEVER, ..Known::default() });
            return self.known.len() - 1;
        }
        (self.last + 1) % TOPICS_MAX
    }
}

/// No plans have this generation.
const NEVER: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::{
        mapping::Options,
        model::{LineDialect, VehicleHash},
        schema::Sources,
    };

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
    fn a_topic_is_found_again_and_looked_up_again_after_a_reload() {
        let (one, other) = (plans("v/{vin}"), plans("w/{vin}"));
        let mut memo = TopicMemo::<u32>::default();
        let count =
            |memo: &mut TopicMemo<u32>, topic: &str, plans| memo.find(topic, plans).plans().len();
        for _ in 0..3 {
            for topic in ["v/a", "v/b", "v/c", "v/d", "v/e", "v/f"] {
                assert_eq!(count(&mut memo, topic, &one), 1, "{topic}");
                let matched = memo.find(topic, &one);
                assert_eq!(matched.level(topic, 1), &topic[2..]);
                for (level, text) in topic.split('/').enumerate() {
                    let hash = matched.vehicle_hash(topic, level);
                    assert_eq!(hash, VehicleHash::of(text.as_bytes()), "{topic}");
                }
            }
            assert_eq!(count(&mut memo, "w/a", &one), 0);
        }
        assert_eq!(count(&mut memo, "w/a", &other), 1);
        assert_eq!(count(&mut memo, "v/a", &other), 0);
        assert_eq!(count(&mut memo, "v/a", &one), 1);
        assert!(memo.known.len() <= TOPICS_MAX);
        *memo.more("v/a") = 7;
        memo.find("v/b", &one);
        assert_eq!((*memo.more("v/a"), *memo.more("v/b")), (7, 0));
        (0..TOPICS_MAX).for_each(|number| *memo.more(&format!("x/{number}")) = 1);
        assert_eq!(*memo.more("v/a"), 0, "another topic took its place");
    }
}
