//! The commands that a fleet knows.

use std::sync::Arc;

use serde_json::Value;

use super::super::shape::Files;
use crate::mapping::{
    Command, Commands, FieldError, LoadErrors, ReceiptRule, ReceiptVerdict, ReceiptWords,
};

/// The field of a receipt for the time of the answer, if its schema has it.
const ANSWERED_AT: &str = "answered_at";

/// The meaning of a command for a vehicle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Flash the lights for `seconds`.
    Identify { seconds: u64 },
    /// Charge no further than to `percent`.
    LimitCharge { percent: u8 },
    /// Not possible, with the reason.
    Impossible(String),
}

/// A received command: what its receipts refer to.
#[derive(Clone, Debug)]
pub(super) struct Order {
    command: Arc<str>,
    /// As in the payload.
    id: Option<Vec<u8>>,
    pub(super) correlation: Option<Vec<u8>>,
}

impl Order {
    /// Whether it is a repetition of the same command: by its id, else by its correlation data; one
    /// without either is always new.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (&self.id, &self.correlation) {
            (Some(_), _) => self.id == other.id,
            (None, Some(_)) => self.correlation == other.correlation,
            (None, None) => false,
        }
    }
}

/// A receipt to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) topic: String,
    pub(crate) correlation: Option<Vec<u8>>,
    pub(crate) payload: Vec<u8>,
}

/// The declared commands, and how vehicles handle them.
#[derive(Debug)]
pub(crate) struct Repertoire {
    commands: Commands,
    /// Commands that no vehicle could answer, with the reason; vehicles do not subscribe to them.
    pub(crate) left_out: Vec<(Arc<str>, FieldError)>,
}

impl Repertoire {
    /// The commands that a set of files declares.
    pub(crate) fn load(files: &Files) -> Result<Self, LoadErrors> {
        let mut problems = Vec::new();
        let sources = files.sources(&mut problems);
        if !problems.is_empty() {
            return Err(LoadErrors { problems });
        }
        Commands::from_sources(&sources).map(Self::of)
    }

    pub(super) fn of(commands: Commands) -> Self {
        let left_out = commands.iter().filter_map(|command| {
            let tried = (Some(&[b'x'; 16][..]), ReceiptVerdict::Done, Some("x"));
            let error = write(command.receipt()?, tried, 0).err()?;
            Some((Arc::clone(command.name()), error))
        });
        let left_out = left_out.collect();
        Self { commands, left_out }
    }

    /// The command topics of a vehicle; none if nothing is declared.
    pub(crate) fn topics(&self, vehicle: &str) -> Vec<String> {
        let mut topics: Vec<_> = self.known().map(|it| it.topic(vehicle)).collect();
        topics.sort();
        topics.dedup();
        topics
    }

    fn known(&self) -> impl Iterator<Item = &Command> {
        let is_left_out =
            |command: &Command| self.left_out.iter().any(|(name, _)| name == command.name());
        self.commands.iter().filter(move |command| !is_left_out(command))
    }

    /// The command in a message to a vehicle; `None` if no command is declared on its topic.
    pub(super) fn order(
        &self,
        vehicle: &str,
        topic: &str,
        payload: &[u8],
    ) -> Option<(Order, Wish)> {
        let on_topic = || self.known().filter(|command| command.topic(vehicle) == topic);
        let mut why = "this vehicle does not know it".to_owned();
        for command in on_topic() {
            match understood(command, payload) {
                Ok(Some(understood)) => return Some(understood),
                Ok(None) => {}
                Err(what) => why = format!("it cannot be read: {what}"),
            }
        }
        let command = Arc::clone(on_topic().next()?.name());
        Some((Order { command, id: None, correlation: None }, Wish::Impossible(why)))
    }

    /// The receipt of a command; `None` if it has no receipt, or no value for this verdict.
    pub(super) fn receipt(
        &self,
        vehicle: &str,
        order: &Order,
        (verdict, detail): (ReceiptVerdict, Option<&str>),
        millis: i64,
    ) -> Option<Receipt> {
        let rule = self.commands.find(&order.command)?.receipt()?;
        // All possible errors of a receipt were checked at the start.
        let written = write(rule, (order.id.as_deref(), verdict, detail), millis).ok()?;
        Some(Receipt {
            topic: rule.topic(vehicle),
            correlation: order.correlation.clone(),
            payload: written?,
        })
    }
}

/// Writes the receipt of the command with this id, if it has a value for the verdict.
fn write(
    rule: &ReceiptRule,
    (id, verdict, detail): (Option<&[u8]>, ReceiptVerdict, Option<&str>),
    millis: i64,
) -> Result<Option<Vec<u8>>, FieldError> {
    let more = [(ANSWERED_AT, Value::from(millis))];
    let words = ReceiptWords { id, verdict, detail, more: &more };
    let written = rule.write(&words)?;
    match (written, verdict) {
        // A receipt without a value for "rejected" uses the one for "failed".
        (None, ReceiptVerdict::Rejected) => {
            rule.write(&ReceiptWords { verdict: ReceiptVerdict::Failed, ..words })
        }
        (written, _) => Ok(written),
    }
}

/// The content of a payload, if it is this command's.
fn understood(command: &Command, payload: &[u8]) -> Result<Option<(Order, Wish)>, String> {
    let name = command.name();
    let Some(read) = command.read(payload, &["seconds", "limit_percent"])? else { return Ok(None) };
    let field = |place: usize| read.fields.get(place).and_then(Option::as_deref);
    let wish = match &**name {
        "identify" => identify(field(0)),
        "limit-charge" => limit_charge(field(1)),
        _ => Wish::Impossible(format!("this vehicle knows no {name}")),
    };
    Ok(Some((Order { command: Arc::clone(name), id: read.id, correlation: None }, wish)))
}

fn identify(seconds: Option<&str>) -> Wish {
    match seconds.map_or(Ok(5), str::parse) {
        Ok(seconds @ 1..=60) => Wish::Identify { seconds },
        _ => Wish::Impossible("`seconds` is from 1 to 60".to_owned()),
    }
}

fn limit_charge(percent: Option<&str>) -> Wish {
    match percent.map(str::parse) {
        Some(Ok(percent @ 20..=100)) => Wish::LimitCharge { percent },
        _ => Wish::Impossible("`limit_percent` is from 20 to 100".to_owned()),
    }
}
