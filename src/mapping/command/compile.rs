//! `[[command]]` texts → commands.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    declared::{Command, Commands},
    payload::{Form, Leaf},
    receipt::ReceiptRule,
};
use crate::{
    mapping::{
        file::{CommandText, ConstantValue, Format, PayloadKeys, ReceiptKeys},
        topic::TopicPattern,
    },
    schema::{Missing, Problem, Registry},
};

/// Compiles all of them; errors are added to `problems`.
pub(in crate::mapping) fn compile(
    texts: &[CommandText],
    registry: &Registry,
    problems: &mut Vec<Problem>,
) -> Commands {
    let mut names: BTreeMap<&str, String> = BTreeMap::new();
    let mut commands = Commands::default();
    for text in texts {
        let mut compiling = Compiling { text, registry, problems };
        let place = format!("{}:{}", text.file, text.name.line);
        if let Some(first) = names.insert(&text.name.value, place) {
            let what = format!("the name `{}` is taken by {first}", text.name.value);
            compiling.tell(text.name.line, what);
        }
        commands.all.extend(compiling.command());
    }
    commands
}

struct Compiling<'a> {
    text: &'a CommandText,
    registry: &'a Registry,
    problems: &'a mut Vec<Problem>,
}

impl Compiling<'_> {
    fn tell(&mut self, line: u32, what: String) {
        self.problems.push(Problem { file: self.text.file.clone(), line: Some(line), what });
    }

    fn command(&mut self) -> Option<Command> {
        let text = self.text;
        let name = &text.name;
        if name.value.contains(['/', '+', '#', '{', '}', '\0']) {
            let what = "`name` is a level of a topic: none of / + # { } may be in it";
            self.tell(name.line, what.to_owned());
            return None;
        }
        let (topic, line) = match &text.topic {
            Some(topic) => (topic.value.clone(), topic.line),
            None => (format!("vehicles/{{vin}}/commands/{}", name.value), name.line),
        };
        let topic = self.topic(&topic, line, true);
        let form = self.payload(&text.payload);
        let receipt = match &text.receipt {
            Some(keys) => Some(self.receipt(keys)?),
            None => None,
        };
        if let (None, Some(within)) = (&receipt, &text.execute_within) {
            let what = "`execute-within` is the time for a receipt; add [command.receipt]";
            self.tell(within.line, what.to_owned());
        }
        let form = form?;
        let id = match &text.id {
            None => None,
            Some(id) => match form.leaf(&id.value) {
                Ok(leaf @ (Leaf::Text | Leaf::Bytes)) => {
                    Some((id.value.as_str().into(), leaf == Leaf::Bytes))
                }
                Ok(_) => {
                    let what = format!("`id`: field `{}` is neither a text nor bytes", id.value);
                    self.tell(id.line, what);
                    return None;
                }
                Err(what) => {
                    self.tell(id.line, format!("`id`: {what}"));
                    return None;
                }
            },
        };
        let fixed =
            text.fixed.iter().map(|(path, value)| (path.value.as_str().into(), json(value)));
        let command = Command {
            name: name.value.as_str().into(),
            topic: topic?,
            form,
            id,
            fixed: fixed.collect(),
            qos: text.qos.unwrap_or(1),
            expires_in: text.expires_in,
            execute_within: text.execute_within.as_ref().map(|within| within.value),
            order: text.order.unwrap_or_default(),
            receipt,
        };
        if let Err(error) = command.check_own() {
            let line = text.fixed.iter().find(|(path, _)| error.field.starts_with(&path.value));
            self.tell(line.map_or(text.line, |(path, _)| path.line), format!("`fixed`: {error}"));
            return None;
        }
        Some(command)
    }

    /// A topic with one capture, or for receipts at most one.
    fn topic(&mut self, text: &str, line: u32, is_command: bool) -> Option<TopicPattern> {
        let pattern = match TopicPattern::parse(text) {
            Ok(pattern) => pattern,
            Err(what) => {
                self.tell(line, format!("`topic`: {what}"));
                return None;
            }
        };
        let captures = pattern.captures().count();
        let what = if pattern.has_wildcard() {
            "`topic`: nothing is published on a wildcard; write a capture, {vin}, for the vehicle"
        } else if captures > 1 {
            "`topic` has more than one capture; the one that it has is the vehicle"
        } else if is_command && captures == 0 {
            "`topic` has no capture; write {vin} where the vehicle stands"
        } else {
            return Some(pattern);
        };
        self.tell(line, what.to_owned());
        None
    }

    fn receipt(&mut self, keys: &ReceiptKeys) -> Option<ReceiptRule> {
        let topic = self.topic(&keys.topic.value, keys.topic.line, false);
        let form = self.payload(&keys.payload)?;
        let paths = [Some(&keys.status), keys.id.as_ref(), keys.detail.as_ref()];
        let mut is_whole = true;
        for path in paths.into_iter().flatten() {
            if let Err(what) = form.leaf(&path.value) {
                self.tell(path.line, what);
                is_whole = false;
            }
        }
        if keys.done.is_empty() && keys.failed.is_empty() && keys.rejected.is_empty() {
            let what = "a receipt never ends its command; say what `status` is when it is `done`";
            self.tell(keys.line, what.to_owned());
            is_whole = false;
        }
        if is_whole {
            let lists = [&keys.done, &keys.failed, &keys.rejected, &keys.progress];
            for word in lists.into_iter().flatten() {
                let Ok(Leaf::Enum(names)) = form.leaf(&keys.status.value) else { break };
                if !names.contains(&word.value) {
                    let (status, names) = (&keys.status.value, names.join(", "));
                    let what = format!("`{status}` is never `{}`; it is {names}", word.value);
                    self.tell(word.line, what);
                    is_whole = false;
                }
            }
        }
        let topic = topic?;
        is_whole.then(|| ReceiptRule::new(self.text.name.value.as_str().into(), topic, form, keys))
    }

    /// The schema of a payload.
    fn payload(&mut self, keys: &PayloadKeys) -> Option<Form> {
        let (file, registry) = (&keys.schema.value, self.registry);
        let message = keys.message.as_ref().map(|message| message.value.as_str());
        let found = match keys.format.value {
            Format::Protobuf => {
                let found = registry.protobuf.message(file, message.unwrap_or_default());
                found.map(Form::Protobuf).map_err(|missing| (missing, None))
            }
            Format::Avro => match registry.avro.record(file, message.unwrap_or_default()) {
                Ok(record) => Form::avro(&record.schema)
                    .map_err(|what| (Missing::Message(what), Some(keys.schema.line))),
                Err(missing) => Err((missing, None)),
            },
            Format::Json => match registry.json.schema(file) {
                Ok(_) => registry
                    .json
                    .text(file)
                    .and_then(|text| Form::json(text).ok())
                    .ok_or_else(|| (Missing::File(format!("`{file}` is no JSON")), None)),
                Err(missing) => Err((missing, None)),
            },
            Format::LineProtocol => return None,
        };
        let (missing, line) = match found {
            Ok(reader) => return Some(reader),
            Err(missing) => missing,
        };
        match missing {
            Missing::Broken(problems) => self.problems.extend(problems),
            Missing::File(what) => self.tell(line.unwrap_or(keys.schema.line), what),
            Missing::Message(what) => {
                let named = keys.message.as_ref().map_or(keys.schema.line, |named| named.line);
                self.tell(line.unwrap_or(named), what);
            }
        }
        None
    }
}

fn json(value: &ConstantValue) -> Value {
    match value {
        ConstantValue::Float(number) => Value::from(*number),
        ConstantValue::Integer(number) => Value::from(*number),
        ConstantValue::Boolean(value) => Value::from(*value),
        ConstantValue::String(text) => Value::from(text.as_str()),
    }
}
