//! The alarms in force.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value as Json};

use crate::{
    mapping::{Template, topic::TopicPattern},
    model::Value,
};

/// All of them; replaced with the mappings.
#[derive(Debug, Default)]
pub struct Alarms {
    pub(super) all: Vec<Alarm>,
}

impl Alarms {
    /// One by its name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Alarm> {
        self.all.iter().find(|alarm| &*alarm.name == name)
    }

    /// All of them, in the order of their mappings.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Alarm> {
        self.all.iter()
    }
}

/// An alarm with its action.
#[derive(Debug)]
pub struct Alarm {
    /// Its name.
    pub name: Arc<str>,
    /// The mapping whose points it is evaluated for.
    pub mapping: Arc<str>,
    /// A command or a publish.
    pub action: AlarmAction,
    /// The fields of either.
    pub(super) template: Template,
    /// Minimum time between two actions of this alarm for one vehicle.
    pub once_per: Duration,
}

impl Alarm {
    /// The fields of its action, filled with a message's values.
    #[must_use]
    pub fn fields(&self, values: &[(Arc<str>, Value)]) -> Map<String, Json> {
        let value = |name: &str| {
            let found = values.iter().find(|(known, _)| **known == *name);
            found.map(|(_, value)| value)
        };
        self.template.fill(&value)
    }
}

/// A command or a publish.
#[derive(Debug)]
pub enum AlarmAction {
    /// A command to the vehicle.
    Command(Box<AlarmCommand>),
    /// A publish of JSON.
    Publish {
        /// Where.
        topic: AlarmTopic,
        /// 0, 1 or 2.
        qos: u8,
    },
}

/// The topic of an alarm's publish, which may contain the vehicle.
#[derive(Debug)]
pub struct AlarmTopic(pub(super) TopicPattern);

impl AlarmTopic {
    /// That of a vehicle.
    #[must_use]
    pub fn of(&self, vehicle: &str) -> String {
        self.0.filled(vehicle)
    }
}

/// The command of an alarm without its fields, as in a request for a command.
#[derive(Clone, Debug)]
pub struct AlarmCommand {
    /// A declared one.
    pub name: String,
    /// How long it waits for the vehicle.
    pub expires_in: Option<String>,
    /// How long the receipt may take.
    pub execute_within: Option<String>,
    /// Of commands with the same key only the newest counts.
    pub supersede: Option<String>,
    /// What must still hold when it is sent: measurement, condition, and maximum age of values.
    pub still: Option<[String; 3]>,
}
