//! What a session may publish, remembered by topic.

use super::{Access, Identity};

/// Topics that one session's memo holds; a vehicle has few, and past it the oldest is forgotten.
const TOPICS_MAX: usize = 4;

/// The topics that a session has published on, each with what the rules said of it. A topic that
/// stands in it costs one comparison; a session that only listens pays nothing.
#[derive(Debug, Default)]
pub struct PublishMemo {
    /// Of the rules that were asked.
    generation: u64,
    /// The next one to be forgotten.
    oldest: usize,
    known: Vec<(Box<str>, bool)>,
}

impl PublishMemo {
    /// Whether `identity`, to whom this memo belongs, may publish on a topic.
    pub fn may_publish(&mut self, access: &Access, identity: &Identity, topic: &str) -> bool {
        // Before the rules, so that what is remembered is never older than it says.
        let generation = access.generation();
        if self.generation != generation {
            *self = Self { generation, ..Self::default() };
        }
        if let Some((_, may)) = self.known.iter().find(|(known, _)| **known == *topic) {
            return *may;
        }
        let may = access.rules().may_publish(identity, topic);
        let entry = (topic.into(), may);
        if self.known.len() < TOPICS_MAX {
            self.known.push(entry);
        } else {
            self.known[self.oldest] = entry;
            self.oldest = (self.oldest + 1) % TOPICS_MAX;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Options;

    #[test]
    fn what_is_remembered_is_forgotten_when_the_rules_change() {
        let options = Options { rules: None, file_bytes_max: 1000 };
        let access = Access::load(&options).expect("no file is read");
        let identity = Identity::anonymous("c".into());
        let mut memo = PublishMemo::default();
        let topics: Vec<String> = (0..=TOPICS_MAX).map(|n| format!("commands/{n}")).collect();
        for topic in topics.iter().chain(&topics) {
            assert!(memo.may_publish(&access, &identity, topic));
            assert!(memo.known.len() <= TOPICS_MAX);
        }
        access.set_command_topics(vec!["commands/+".to_owned()]);
        for topic in topics.iter().chain(&topics) {
            assert!(!memo.may_publish(&access, &identity, topic));
        }
    }
}
