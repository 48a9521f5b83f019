//! The commands in force.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{
    payload::{FieldError, FieldValue, Form, Strictness, id_value},
    receipt::ReceiptRule,
};
use crate::{
    mapping::{Alarms, LoadErrors, Template, file, topic::TopicPattern},
    model::{CommandId, ValueType},
    schema::{Registry, Sources, nearest},
};

/// When the vehicle's next command may leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// When this one has left.
    AtOnce,
    /// When this one is delivered, or has ended.
    #[default]
    AfterDelivery,
    /// When this one has ended.
    AfterReceipt,
}

impl Order {
    /// All, as they are written.
    pub const ALL: [(&'static str, Self); 3] = [
        ("at-once", Self::AtOnce),
        ("after-delivery", Self::AfterDelivery),
        ("after-receipt", Self::AfterReceipt),
    ];

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AtOnce => "at-once",
            Self::AfterDelivery => "after-delivery",
            Self::AfterReceipt => "after-receipt",
        }
    }
}

/// All of them; replaced with the mappings.
#[derive(Debug, Default)]
pub struct Commands {
    pub(super) all: Vec<Command>,
    /// The alarms, which send commands by themselves.
    pub(in crate::mapping) alarms: Alarms,
}

impl Commands {
    /// The commands of the files, without mappings: for the vehicle's side.
    ///
    /// # Errors
    /// Everything that is wrong in the files.
    pub fn from_sources(sources: &Sources) -> Result<Self, LoadErrors> {
        let (mut problems, mut warnings, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        for source in sources.with_ending(".toml") {
            texts.extend(file::read(source, &mut problems, &mut warnings).commands);
        }
        let registry = Registry::new(&Arc::new(sources.clone()), &[]);
        let commands = super::compile(&texts, &registry, &mut problems);
        if problems.is_empty() {
            return Ok(commands);
        }
        problems.sort();
        Err(LoadErrors { problems })
    }

    /// One by its name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Command> {
        self.all.iter().find(|command| &*command.name == name)
    }

    /// All of them, in the order of the files.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Command> {
        self.all.iter()
    }

    /// The alarms, which send commands by themselves.
    #[must_use]
    pub fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    /// The name that was most likely meant.
    #[must_use]
    pub fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.all.iter().map(|command| &*command.name))
    }

    /// The rules of receipts that are published on a topic.
    pub fn receipts(&self, topic: &str) -> impl Iterator<Item = &ReceiptRule> {
        let rules = self.all.iter().filter_map(|command| command.receipt.as_ref());
        rules.filter(move |rule| rule.is_on(topic))
    }

    /// The topics of commands, as MQTT topic filters.
    #[must_use]
    pub fn topic_filters(&self) -> Vec<String> {
        self.all.iter().map(|command| command.topic.filter()).collect()
    }
}

/// One command, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadCommand {
    /// Its id as in the payload.
    pub id: Option<Vec<u8>>,
    /// The values of the requested fields; `None` if a field is absent.
    pub fields: Vec<Option<String>>,
}

/// One declared command.
#[derive(Debug)]
pub struct Command {
    pub(super) name: Arc<str>,
    pub(super) topic: TopicPattern,
    pub(super) form: Form,
    /// Its path, and whether it is bytes.
    pub(super) id: Option<(Box<str>, bool)>,
    pub(super) fixed: Vec<(Box<str>, Value)>,
    pub(super) qos: u8,
    pub(super) expires_in: Option<Duration>,
    pub(super) execute_within: Option<Duration>,
    pub(super) order: Order,
    pub(super) receipt: Option<ReceiptRule>,
}

impl Command {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// 1 or 2.
    #[must_use]
    pub fn qos(&self) -> u8 {
        self.qos
    }

    /// How long it waits for the vehicle, if the declaration says so.
    #[must_use]
    pub fn expires_in(&self) -> Option<Duration> {
        self.expires_in
    }

    /// How long a receipt may take, if the declaration says so.
    #[must_use]
    pub fn execute_within(&self) -> Option<Duration> {
        self.execute_within
    }

    /// When the vehicle's next one may leave.
    #[must_use]
    pub fn order(&self) -> Order {
        self.order
    }

    /// How its receipts are written, if one is expected.
    #[must_use]
    pub fn receipt(&self) -> Option<&ReceiptRule> {
        self.receipt.as_ref()
    }

    /// Whether a receipt is expected.
    #[must_use]
    pub fn expects_receipt(&self) -> bool {
        self.receipt.is_some()
    }

    /// Its topic for a vehicle.
    #[must_use]
    pub fn topic(&self, vehicle: &str) -> String {
        self.topic.filled(vehicle)
    }

    /// The topic on which the vehicle's receipt is expected.
    #[must_use]
    pub fn response_topic(&self, vehicle: &str) -> Option<String> {
        self.receipt.as_ref().map(|receipt| receipt.topic.filled(vehicle))
    }

    /// The payload of one with these fields.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn encode(
        &self,
        fields: &Map<String, Value>,
        id: CommandId,
    ) -> Result<Vec<u8>, FieldError> {
        self.form.encode(&self.whole(fields, id)?, Strictness::Whole)
    }

    /// Checks fields with placeholders against the schema before there are values for them: their
    /// names, whether all required ones are present, fixed values, and the types of the columns if
    /// known.
    ///
    /// # Errors
    /// The first field that is wrong for all values.
    pub fn check(
        &self,
        fields: &Template,
        kind: &dyn Fn(&str) -> Option<ValueType>,
    ) -> Result<(), FieldError> {
        self.hold(&fields.fixed(), Strictness::Part)?;
        self.hold(&fields.samples(kind), Strictness::Kinds)
    }

    fn hold(&self, fields: &Map<String, Value>, strictness: Strictness) -> Result<(), FieldError> {
        self.form.encode(&self.whole(fields, CommandId([0; 16]))?, strictness).map(drop)
    }

    /// Whether its topic may match the pattern.
    pub(in crate::mapping) fn may_leave_on(&self, topic: &TopicPattern) -> bool {
        self.topic.meets(topic)
    }

    /// The caller's fields with those that the declaration gives.
    fn whole(
        &self,
        fields: &Map<String, Value>,
        id: CommandId,
    ) -> Result<Map<String, Value>, FieldError> {
        let mut all = fields.clone();
        let taken = |field: &str, why: &str| FieldError {
            field: field.to_owned(),
            what: format!("is not the caller's to give: {why}"),
        };
        for (path, value) in &self.fixed {
            if !put(&mut all, path, value.clone()) {
                return Err(taken(path, "the command fixes it"));
            }
        }
        if let Some((path, is_bytes)) = &self.id
            && !put(&mut all, path, id_value(id, *is_bytes))
        {
            return Err(taken(path, "it takes the command's id"));
        }
        Ok(all)
    }

    /// Reads a payload, as the vehicle does: the command's id and the values of these fields.
    /// `None` if it is another command's, because a fixed field has another value.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn read(&self, payload: &[u8], fields: &[&str]) -> Result<Option<ReadCommand>, String> {
        let fixed = self.fixed.iter().map(|(path, _)| &**path);
        let id = self.id.iter().map(|(path, _)| &**path);
        let paths: Vec<&str> = fixed.chain(id).chain(fields.iter().copied()).collect();
        let mut said = self.form.read(payload, &paths)?.into_iter();
        for (_, value) in &self.fixed {
            let said = said.next().flatten().map(FieldValue::into_text);
            if !said.is_some_and(|said| is_same(value, &said)) {
                return Ok(None);
            }
        }
        let id = self.id.as_ref().and_then(|_| said.next().flatten());
        let fields = said.map(|said| said.map(FieldValue::into_text)).collect();
        Ok(Some(ReadCommand { id: id.map(FieldValue::into_bytes), fields }))
    }

    /// Checks the fixed fields of the declaration against the schema.
    pub(super) fn check_own(&self) -> Result<(), FieldError> {
        self.hold(&Map::new(), Strictness::Part)
    }
}

/// Whether a field has a fixed value. If the fixed value is the number of an enum's symbol, the
/// field has the symbol's name.
fn is_same(value: &Value, said: &str) -> bool {
    match value {
        Value::String(text) => text == said,
        Value::Number(number) => {
            said.parse().map_or(true, |said: f64| number.as_f64() == Some(said))
        }
        other => serde_json::from_str(said).is_ok_and(|said: Value| said == *other),
    }
}

/// Puts a value at a path; true if nothing was there.
pub(super) fn put(into: &mut Map<String, Value>, path: &str, value: Value) -> bool {
    match path.split_once('.') {
        None => into.insert(path.to_owned(), value).is_none(),
        Some((first, rest)) => {
            let inner = into.entry(first).or_insert_with(|| Map::new().into());
            match inner {
                Value::Object(inner) => put(inner, rest, value),
                // The value there is not a record; the check of the schema reports that.
                _ => true,
            }
        }
    }
}
