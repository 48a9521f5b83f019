//! `[[alarm]]` texts → actions, checked against commands and topics.

use std::collections::BTreeMap;

use super::declared::{Alarm, AlarmAction, AlarmCommand, AlarmTopic, Alarms};
use crate::{
    mapping::{
        Command, Commands, Condition, FieldError, PlanAlarm, Source, Template,
        compile::AlarmDraft,
        file::{ActionText, AlarmText, CommandAction, MappingText, Placed},
        topic::TopicPattern,
    },
    model::ValueType,
    schema::{Problem, Scalar, nearest},
};

/// The alarms of one load: parsed, and declared with their mappings.
#[derive(Debug)]
pub(in crate::mapping) struct Drafts<'a> {
    by_mapping: BTreeMap<&'a str, Vec<AlarmDraft<'a>>>,
    commands: &'a Commands,
    declared: Alarms,
}

impl<'a> Drafts<'a> {
    /// Parses the texts; errors are added to `problems`.
    pub(in crate::mapping) fn read(
        texts: &'a [AlarmText],
        commands: &'a Commands,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut names: BTreeMap<&str, String> = BTreeMap::new();
        let mut by_mapping: BTreeMap<&str, Vec<AlarmDraft<'_>>> = BTreeMap::new();
        for text in texts {
            let place = format!("{}:{}", text.file, text.name.line);
            if let Some(first) = names.insert(&text.name.value, place) {
                let what = format!("the name `{}` is taken by {first}", text.name.value);
                problems.push(told(text, text.name.line, what));
            }
            match AlarmDraft::new(text) {
                Ok(draft) => by_mapping.entry(&text.mapping.value).or_default().push(draft),
                Err(problem) => problems.push(problem),
            }
        }
        Self { by_mapping, commands, declared: Alarms::default() }
    }

    /// Those of a mapping.
    pub(in crate::mapping) fn of(&self, mapping: &str) -> &[AlarmDraft<'a>] {
        self.by_mapping.get(mapping).map_or(&[], Vec::as_slice)
    }

    /// Declares the alarms of a compiled mapping: checks their actions against the declared
    /// commands and topics.
    pub(in crate::mapping) fn declare(
        &mut self,
        mapping: &MappingText,
        (planned, vehicle): (&[PlanAlarm], &Source),
        problems: &mut Vec<Problem>,
        warnings: &mut Vec<Problem>,
    ) {
        let Some(drafts) = self.by_mapping.get(mapping.name.value.as_str()) else { return };
        for (draft, planned) in drafts.iter().zip(planned) {
            let text = draft.text;
            let mut declaring = Declaring { text, commands: self.commands, problems };
            let action = match &text.action {
                ActionText::Command(action) => declaring.command(action, &draft.template, planned),
                ActionText::Publish { topic, qos } => declaring.publish(topic, *qos),
            };
            let Some(action) = action else { continue };
            let is_anybodys = matches!(vehicle, Source::Slot(..)) && !mapping.identity_required;
            if is_anybodys && matches!(action, AlarmAction::Command(_)) {
                let what = format!(
                    "the payload names the vehicle, so whoever may publish for mapping `{}` can \
                     make this command be sent to any; `identity = \"required\"` there holds each \
                     to its own",
                    mapping.name.value
                );
                warnings.push(told(text, text.line, what));
            }
            self.declared.all.push(Alarm {
                name: text.name.value.as_str().into(),
                mapping: text.mapping.value.as_str().into(),
                action,
                template: draft.template.clone(),
                once_per: text.once_per,
            });
        }
    }

    /// All of them; an alarm of a mapping that does not exist is a problem.
    pub(in crate::mapping) fn finish<'n>(
        self,
        mappings: impl Iterator<Item = &'n str> + Clone,
        problems: &mut Vec<Problem>,
    ) -> Alarms {
        for draft in self.by_mapping.values().flatten() {
            let Placed { value: name, line } = &draft.text.mapping;
            if !mappings.clone().any(|known| known == name) {
                let near = nearest(name, mappings.clone());
                let hint = near.map(|near| format!("; did you mean `{near}`?"));
                let what = format!("no mapping is called `{name}`{}", hint.unwrap_or_default());
                problems.push(told(draft.text, *line, what));
            }
        }
        self.declared
    }
}

fn told(text: &AlarmText, line: u32, what: String) -> Problem {
    Problem { file: text.file.clone(), line: Some(line), what }
}

/// One alarm whose action is being checked.
struct Declaring<'a> {
    text: &'a AlarmText,
    commands: &'a Commands,
    problems: &'a mut Vec<Problem>,
}

impl Declaring<'_> {
    fn tell(&mut self, line: u32, what: impl Into<String>) {
        self.problems.push(told(self.text, line, what.into()));
    }

    fn command(
        &mut self,
        action: &CommandAction,
        template: &Template,
        planned: &PlanAlarm,
    ) -> Option<AlarmAction> {
        let Placed { value: name, line } = &action.command;
        let Some(command) = self.commands.find(name) else {
            let hint = match self.commands.nearest(name) {
                Some(near) => format!("; did you mean `{near}`?"),
                None => String::new(),
            };
            self.tell(*line, format!("`command`: no command `{name}` is declared{hint}"));
            return None;
        };
        if let Some(within) = &action.execute_within
            && !command.expects_receipt()
        {
            let what = "`execute-within` is the time for a receipt, and the command expects none";
            self.tell(within.line, what);
            return None;
        }
        if let Some(still) = &action.still
            && let Err(what) = Condition::parse(&still.when.value)
        {
            self.tell(still.when.line, format!("`still`: {what}"));
            return None;
        }
        if let Err(what) = check_fields(command, template, planned) {
            let line = self.text.fields.as_ref().map_or(self.text.line, |fields| fields.line);
            self.tell(line, format!("`fields`: {what}"));
            return None;
        }
        Some(AlarmAction::Command(Box::new(AlarmCommand {
            name: name.clone(),
            expires_in: action.expires_in.clone(),
            execute_within: action.execute_within.as_ref().map(|within| within.value.clone()),
            supersede: action.supersede.clone(),
            still: action.still.as_ref().map(|still| {
                let (measurement, fresh) = (still.measurement.clone(), still.fresh.clone());
                [measurement, still.when.value.clone(), fresh]
            }),
        })))
    }

    fn publish(&mut self, topic: &Placed<String>, qos: u8) -> Option<AlarmAction> {
        let pattern = match TopicPattern::parse(&topic.value) {
            Ok(pattern) => pattern,
            Err(what) => {
                self.tell(topic.line, format!("`topic`: {what}"));
                return None;
            }
        };
        let commands = || self.commands.iter();
        let what = if pattern.has_wildcard() {
            "`topic`: nothing is published on a wildcard"
        } else if pattern.captures().count() > 1 {
            "`topic` has more than one capture; the one that it may have is the vehicle"
        } else if topic.value.starts_with('$') {
            "`topic` begins with $, and such topics are the server's own"
        } else if commands().any(|command| command.may_leave_on(&pattern)) {
            "`topic` is one that commands leave on; write `command` to send one"
        } else {
            return Some(AlarmAction::Publish { topic: AlarmTopic(pattern), qos });
        };
        self.tell(topic.line, what);
        None
    }
}

/// Checks fields against a command's schema, with the types of the message's values.
fn check_fields(
    command: &Command,
    template: &Template,
    planned: &PlanAlarm,
) -> Result<(), FieldError> {
    command.check(template, &|column| {
        let (_, source) = planned.values.iter().find(|(name, _)| **name == *column)?;
        Some(kind_of(source))
    })
}

fn kind_of(source: &Source) -> ValueType {
    let scalar = match source {
        Source::Slot(_, scalar) => scalar,
        Source::Capture(_) | Source::Constant(_) => &Scalar::String,
    };
    match scalar {
        Scalar::Float64 | Scalar::Float32 | Scalar::Digits => ValueType::Float,
        Scalar::Integer | Scalar::Unsigned | Scalar::Duration => ValueType::Integer,
        Scalar::Boolean => ValueType::Boolean,
        Scalar::Ticks(_) | Scalar::Timestamp => ValueType::Timestamp,
        Scalar::String | Scalar::Bytes | Scalar::Enum(_) => ValueType::String,
    }
}
