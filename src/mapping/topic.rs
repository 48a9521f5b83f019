//! Topic patterns, and a trie over all of them: a topic → its mappings, without allocating.
//!
//! A pattern's level is a literal, `{name}` (a capture: one level, like `+`), `+`, or `#` at the
//! end. As in MQTT, a wildcard at the first level does not match a topic that begins with `$`, and
//! `a/#` matches `a` too. A capture is identified by the number of its level, so a match consists
//! only of ranges of the topic.

use std::ops::Range;

use crate::{
    mapping::{Plan, Source},
    model::VehicleHash,
};

/// One parsed pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicPattern {
    levels: Vec<Level>,
}

/// One level of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Level {
    Literal(String),
    Capture(String),
    One,
    Rest,
}

impl TopicPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// What to tell the operator.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("$share/") {
            let what =
                "`$share/…` is only for subscribers; write the topic that clients publish to";
            return Err(what.to_owned());
        }
        let mut levels = Vec::new();
        let count = text.split('/').count();
        for (index, part) in text.split('/').enumerate() {
            let level = parse_level(part)?;
            if level == Level::Rest && index + 1 < count {
                return Err("`#` may only be the last level of a topic".to_owned());
            }
            let is_twice = matches!(level, Level::Capture(_)) && levels.contains(&level);
            if is_twice {
                return Err(format!("the capture `{part}` stands twice in the topic"));
            }
            levels.push(level);
        }
        Ok(Self { levels })
    }

    /// The level of a capture.
    pub(crate) fn capture(&self, name: &str) -> Option<usize> {
        self.levels.iter().position(|level| matches!(level, Level::Capture(known) if known == name))
    }

    /// Whether a level is a wildcard without a name.
    pub(crate) fn has_wildcard(&self) -> bool {
        self.levels.iter().any(|level| matches!(level, Level::One | Level::Rest))
    }

    /// The topic whose captures are all this text; wildcards stay.
    pub(crate) fn filled(&self, text: &str) -> String {
        let levels = self.levels.iter().map(|level| match level {
            Level::Literal(literal) => literal,
            Level::Capture(_) => text,
            Level::One => "+",
            Level::Rest => "#",
        });
        levels.collect::<Vec<_>>().join("/")
    }

    /// As MQTT writes it.
    pub(crate) fn filter(&self) -> String {
        self.filled("+")
    }

    /// Whether a topic is one of these, where there is no wildcard; and its captured level.
    pub(crate) fn captured<'t>(&self, topic: &'t str) -> Option<Option<&'t str>> {
        let mut parts = topic.split('/');
        let mut captured = None;
        for level in &self.levels {
            let part = parts.next()?;
            match level {
                Level::Literal(literal) if literal != part => return None,
                Level::Literal(_) => {}
                _ => captured = Some(part),
            }
        }
        parts.next().is_none().then_some(captured)
    }

    /// Whether a topic may be one of these and one of those, where neither has a wildcard.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let mut pairs = self.levels.iter().zip(&other.levels);
        self.levels.len() == other.levels.len()
            && pairs.all(|pair| match pair {
                (Level::Literal(one), Level::Literal(other)) => one == other,
                _ => true,
            })
    }

    /// The names of all captures.
    pub(crate) fn captures(&self) -> impl Iterator<Item = &str> {
        self.levels.iter().filter_map(|level| match level {
            Level::Capture(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

/// Parses one level.
fn parse_level(part: &str) -> Result<Level, String> {
    match part {
        "+" => return Ok(Level::One),
        "#" => return Ok(Level::Rest),
        _ => {}
    }
    if let Some(name) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let is_name = !name.is_empty() && !name.contains(['{', '}', '+', '#']);
        return if is_name {
            Ok(Level::Capture(name.to_owned()))
        } else {
            Err(format!("`{part}` is no capture; write a name in the braces"))
        };
    }
    if part.contains(['{', '}', '+', '#', '\0']) {
        return Err(format!("`{part}`: a capture or a wildcard takes a whole level of the topic"));
    }
    Ok(Level::Literal(part.to_owned()))
}

/// All patterns, by level.
#[derive(Clone, Debug)]
pub(crate) struct TopicTrie {
    nodes: Vec<Node>,
}

/// What follows a sequence of levels.
#[derive(Clone, Debug, Default)]
struct Node {
    /// Ascending by text.
    literals: Vec<(Box<str>, usize)>,
    /// `+` or a capture.
    one: Option<usize>,
    /// Plans whose pattern ends here.
    ends: Vec<usize>,
    /// Plans whose pattern ends here with `#`.
    rests: Vec<usize>,
}

impl Default for TopicTrie {
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

impl TopicTrie {
    /// Adds a plan under its pattern.
    pub(crate) fn insert(&mut self, pattern: &TopicPattern, plan: usize) {
        let mut at = 0;
        for level in &pattern.levels {
            at = match level {
                Level::Rest => return self.nodes[at].rests.push(plan),
                Level::One | Level::Capture(_) => match self.nodes[at].one {
                    Some(next) => next,
                    None => {
                        let next = self.add_node();
                        self.nodes[at].one = Some(next);
                        next
                    }
                },
                Level::Literal(text) => self.literal(at, text),
            };
        }
        self.nodes[at].ends.push(plan);
    }

    /// The node after a literal level, made if it is not there.
    fn literal(&mut self, at: usize, text: &str) -> usize {
        match self.nodes[at].literals.binary_search_by(|(known, _)| known.as_ref().cmp(text)) {
            Ok(index) => self.nodes[at].literals[index].1,
            Err(index) => {
                let next = self.add_node();
                self.nodes[at].literals.insert(index, (text.into(), next));
                next
            }
        }
    }

    fn add_node(&mut self) -> usize {
        self.nodes.push(Node::default());
        self.nodes.len() - 1
    }

    /// Finds the plans of a topic, in the order of their index.
    pub(crate) fn find(&self, topic: &str, into: &mut TopicMatch) {
        into.levels.clear();
        into.plans.clear();
        let mut start = 0;
        for part in topic.split('/') {
            into.levels.push(start..start + part.len());
            start += part.len() + 1;
        }
        self.descend(topic, 0, 0, into);
        // Patterns of one plan set are few; an unstable sort allocates nothing.
        into.plans.sort_unstable();
    }

    /// Goes on from a node at a level. The depth is bounded by the longest pattern.
    fn descend(&self, topic: &str, at: usize, level: usize, into: &mut TopicMatch) {
        let node = &self.nodes[at];
        let is_system = level == 0 && topic.starts_with('$');
        if !is_system {
            into.plans.extend_from_slice(&node.rests);
        }
        let Some(range) = into.levels.get(level).cloned() else {
            into.plans.extend_from_slice(&node.ends);
            return;
        };
        if let (Some(next), false) = (node.one, is_system) {
            self.descend(topic, next, level + 1, into);
        }
        let part = &topic[range];
        let found = node.literals.binary_search_by(|(known, _)| known.as_ref().cmp(part));
        if let Ok(index) = found {
            self.descend(topic, node.literals[index].1, level + 1, into);
        }
    }
}

/// What a topic matched: reused from message to message.
#[derive(Clone, Debug, Default)]
pub struct TopicMatch {
    /// The topic's levels, as ranges of its bytes.
    levels: Vec<Range<usize>>,
    /// The plans by index, ascending.
    plans: Vec<usize>,
    /// The level that the first of them takes its vehicle from, and the vehicle's hash.
    vehicle: Option<(usize, VehicleHash)>,
}

impl TopicMatch {
    /// The plans, by index, in the order of loading.
    #[must_use]
    pub fn plans(&self) -> &[usize] {
        &self.plans
    }

    /// The hash of the vehicle that a level names: known already of the level that the first plan
    /// takes its vehicle from.
    #[must_use]
    pub fn vehicle_hash(&self, topic: &str, level: usize) -> VehicleHash {
        match self.vehicle {
            Some((known, hash)) if known == level => hash,
            _ => VehicleHash::of(self.level(topic, level).as_bytes()),
        }
    }

    /// Notes the level that the first plan takes its vehicle from, if it takes it from one.
    pub(super) fn note_vehicle(&mut self, topic: &str, plans: &[Plan]) {
        self.vehicle = match self.plans.first().map(|first| &plans[*first].vehicle) {
            Some(Source::Capture(level)) => {
                Some((*level, VehicleHash::of(self.level(topic, *level).as_bytes())))
            }
            _ => None,
        };
    }

    /// The text of a level; empty past the end.
    #[must_use]
    pub fn level<'t>(&self, topic: &'t str, level: usize) -> &'t str {
        self.levels.get(level).and_then(|range| topic.get(range.clone())).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of the patterns match, and the captures of the first that does.
    fn check(patterns: &[&str], topic: &str, expect: &[usize], captures: &[(&str, &str)]) {
        let mut trie = TopicTrie::default();
        let parsed: Vec<TopicPattern> =
            patterns.iter().map(|text| TopicPattern::parse(text).expect("a pattern")).collect();
        for (index, pattern) in parsed.iter().enumerate() {
            trie.insert(pattern, index);
        }
        let mut found = TopicMatch::default();
        trie.find(topic, &mut found);
        assert_eq!(found.plans(), expect, "{topic}");
        for (name, text) in captures {
            let level = parsed[expect[0]].capture(name).expect("the capture");
            assert_eq!(found.level(topic, level), *text, "{topic} {name}");
        }
    }

    #[test]
    fn a_topic_finds_all_its_patterns_in_their_order() {
        let patterns = [
            "vehicles/{vin}/telemetry",
            "vehicles/+/+",
            "vehicles/#",
            "vehicles/V1/telemetry",
            "#",
        ];
        let vin = [("vin", "V1")];
        check(&patterns, "vehicles/V1/telemetry", &[0, 1, 2, 3, 4], &vin);
        check(&patterns, "vehicles/V2/trips", &[1, 2, 4], &[]);
        check(&patterns, "vehicles", &[2, 4], &[]);
        check(&patterns, "vehicles//", &[1, 2, 4], &[]);
        check(&patterns, "other", &[4], &[]);
        check(&["{a}/x/{b}"], "1/x/2", &[0], &[("a", "1"), ("b", "2")]);
    }

    #[test]
    fn a_wildcard_at_the_first_level_does_not_see_system_topics() {
        check(&["#", "+/a", "{x}/a", "$SYS/a"], "$SYS/a", &[3], &[]);
    }

    #[test]
    fn a_bad_pattern_is_told() {
        let bad = |text: &str| TopicPattern::parse(text).expect_err("it is bad");
        assert_eq!(bad("a/#/b"), "`#` may only be the last level of a topic");
        assert_eq!(bad("a/{}/b"), "`{}` is no capture; write a name in the braces");
        assert_eq!(bad("{a}/{a}"), "the capture `{a}` stands twice in the topic");
        assert_eq!(
            bad("a/v{vin}"),
            "`v{vin}`: a capture or a wildcard takes a whole level of the topic"
        );
    }
}
