//! Finds the rule that decides.

use std::{fmt, sync::Arc};

use super::{file, pattern::Pattern};
use crate::{
    auth::{FileProblems, Identity, Options, text},
    model::NamePattern,
};

/// An operation on a topic or filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Publish on a topic.
    Publish,
    /// Subscribe to a filter, or receive a topic.
    Subscribe,
}

/// The effect of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// The line of its beginning in the file, from 1.
    pub(super) line: usize,
    /// `None`: all identities.
    pub(super) who: Option<Box<[NamePattern]>>,
    pub(super) effect: Effect,
    pub(super) publish: bool,
    pub(super) subscribe: bool,
    pub(super) topics: Box<[Pattern]>,
}

impl Rule {
    fn concerns(&self, identity: &Identity, action: Action) -> bool {
        let does = match action {
            Action::Publish => self.publish,
            Action::Subscribe => self.subscribe,
        };
        does && match (&self.who, identity.username()) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(names), Some(user)) => names.iter().any(|name| name.matches(user)),
        }
    }

    fn covers(&self, filter: &str, identity: &Identity) -> bool {
        self.topics.iter().any(|topic| topic.covers(filter, identity))
    }

    fn overlaps(&self, filter: &str, identity: &Identity) -> bool {
        self.topics.iter().any(|topic| topic.overlaps(filter, identity))
    }
}

/// The decision about a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Refused: reason code 0x87, or 0x80 in 3.1.1.
    Refused,
    /// Granted for all topics that it matches.
    Whole,
    /// Granted, but some topics that it matches are denied, so each delivery is checked
    /// ([`Rules::may_receive`]).
    Asked,
}

/// What decided, for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// The rule that begins at this line of the file.
    Rule(usize),
    /// No rule of the file covers it.
    NoRule,
    /// There is no file: a vehicle has its own topics.
    OwnTopics,
    /// There is no file: an anonymous session may do everything but this.
    Anonymous,
    /// `$SYS` and `$query` are the server's.
    ServerTopic,
    /// A topic of commands: a client that could publish there could forge one.
    CommandTopic,
    /// `$share` without a name or a filter after it.
    NotShared,
}

impl fmt::Display for Decided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(line) => write!(f, "the rule at line {line}"),
            Self::NoRule => f.write_str("no rule covers it"),
            Self::OwnTopics => f.write_str(
                "there are no rules, so that a vehicle has the topics below vehicles/{vehicle}/",
            ),
            Self::Anonymous => f.write_str(
                "there are no rules, so that an anonymous client may do everything but publish \
                 below $SYS and $query and on topics of commands",
            ),
            Self::CommandTopic => {
                f.write_str("commands leave there, so that no client publishes there")
            }
            Self::ServerTopic => f.write_str("nobody publishes below $SYS and $query"),
            Self::NotShared => f.write_str("a shared filter is `$share/NAME/FILTER`"),
        }
    }
}

/// All rules of one file.
#[derive(Clone, Debug)]
pub struct Rules {
    /// `None`: there is no file.
    list: Option<Arc<[Rule]>>,
    own: Pattern,
    command_topics: Vec<String>,
    commands: Vec<Pattern>,
}

impl Rules {
    /// Reads the file that the options name; without one, the default rules.
    ///
    /// # Errors
    /// Everything that is wrong in it.
    pub fn load(options: &Options) -> Result<Self, FileProblems> {
        let Some(path) = &options.rules else { return Ok(Self::new(None)) };
        let text = text::read(path, options.file_bytes_max);
        let text = text.map_err(|problem| FileProblems(vec![problem]))?;
        Ok(Self::new(Some(file::read(&path.display().to_string(), &text)?)))
    }

    /// Whether a topic is allowed in a rule.
    ///
    /// # Errors
    /// What to tell the operator.
    pub fn check_topic(text: &str) -> Result<(), String> {
        Pattern::parse(text).map(drop)
    }

    pub(super) fn new(list: Option<Vec<Rule>>) -> Self {
        Self {
            list: list.map(Arc::from),
            own: Pattern::parse("vehicles/{vehicle}/#").expect("a pattern of ours"),
            command_topics: Vec::new(),
            commands: Vec::new(),
        }
    }

    /// The same rules with other topics of commands, each a filter of MQTT.
    #[must_use]
    pub fn with_command_topics(mut self, filters: Vec<String>) -> Self {
        self.commands = filters.iter().map(|filter| Pattern::of_filter(filter)).collect();
        self.command_topics = filters;
        self
    }

    pub(in crate::auth) fn command_topics(&self) -> &[String] {
        &self.command_topics
    }

    /// Whether it may publish on a topic.
    #[must_use]
    pub fn may_publish(&self, identity: &Identity, topic: &str) -> bool {
        self.publish(identity, topic).0
    }

    /// Whether it may subscribe to a filter, which may be a shared one.
    #[must_use]
    pub fn may_subscribe(&self, identity: &Identity, filter: &str) -> Grant {
        self.subscribe(identity, filter).0
    }

    /// Whether it may receive what is published on a topic, whatever it has subscribed to.
    #[must_use]
    pub fn may_receive(&self, identity: &Identity, topic: &str) -> bool {
        self.receive(identity, topic).0 != Grant::Refused
    }

    /// Whether it is allowed, and what decides that.
    #[must_use]
    pub fn explain(&self, identity: &Identity, action: Action, topic: &str) -> (Grant, Decided) {
        match action {
            Action::Subscribe => self.subscribe(identity, topic),
            Action::Publish => {
                let (may, decided) = self.publish(identity, topic);
                (if may { Grant::Whole } else { Grant::Refused }, decided)
            }
        }
    }

    fn publish(&self, identity: &Identity, topic: &str) -> (bool, Decided) {
        let first = topic.split('/').next();
        if matches!(first, Some("$SYS" | "$query")) {
            return (false, Decided::ServerTopic); // AU-3
        }
        if self.commands.iter().any(|command| command.covers(topic, identity)) {
            return (false, Decided::CommandTopic); // AU-5
        }
        let Some(list) = &self.list else {
            return match identity.is_anonymous() {
                true => (true, Decided::Anonymous),
                false => (self.own.covers(topic, identity), Decided::OwnTopics),
            };
        };
        let mut rules = list.iter().filter(|rule| rule.concerns(identity, Action::Publish));
        match rules.find(|rule| rule.covers(topic, identity)) {
            Some(rule) => (rule.effect == Effect::Allow, Decided::Rule(rule.line)),
            None => (false, Decided::NoRule), // AU-2
        }
    }

    fn subscribe(&self, identity: &Identity, filter: &str) -> (Grant, Decided) {
        let filter = match filter.strip_prefix("$share/").map(|rest| rest.split_once('/')) {
            None => filter,
            Some(Some((name, filter))) if !name.is_empty() && !filter.is_empty() => filter,
            Some(_) => return (Grant::Refused, Decided::NotShared),
        };
        self.receive(identity, filter)
    }

    /// The decision about a filter, or about a topic.
    fn receive(&self, identity: &Identity, filter: &str) -> (Grant, Decided) {
        let granted = |may| if may { Grant::Whole } else { Grant::Refused };
        let Some(list) = &self.list else {
            return match identity.is_anonymous() {
                true => (Grant::Whole, Decided::Anonymous),
                false => (granted(self.own.covers(filter, identity)), Decided::OwnTopics),
            };
        };
        let mut grant = Grant::Whole;
        for rule in list.iter().filter(|rule| rule.concerns(identity, Action::Subscribe)) {
            let covers = rule.covers(filter, identity);
            match rule.effect {
                Effect::Allow if covers => return (grant, Decided::Rule(rule.line)),
                Effect::Deny if covers => return (Grant::Refused, Decided::Rule(rule.line)),
                Effect::Deny if rule.overlaps(filter, identity) => grant = Grant::Asked,
                _ => {}
            }
        }
        (Grant::Refused, Decided::NoRule) // AU-2
    }
}
