//! The keys of an `[[alarm]]`.

use std::time::Duration;

use serde_json::{Map, Number, Value};
use toml::{Spanned, de::DeValue};

use super::{Placed, command::A_DURATION, table::Table};
use crate::model::parse_duration;

/// One `[[alarm]]`.
#[derive(Clone, Debug)]
pub(crate) struct AlarmText {
    /// Relative to the schemas directory.
    pub(crate) file: String,
    /// The line of its header.
    pub(crate) line: u32,
    pub(crate) name: Placed<String>,
    pub(crate) mapping: Placed<String>,
    pub(crate) when: Placed<String>,
    pub(crate) action: ActionText,
    /// The fields of the action; texts may have placeholders.
    pub(crate) fields: Option<Placed<Map<String, Value>>>,
    pub(crate) once_per: Duration,
    pub(crate) max_age: Duration,
}

/// Its action.
#[derive(Clone, Debug)]
pub(crate) enum ActionText {
    /// A command to the vehicle.
    Command(Box<CommandAction>),
    /// A publish.
    Publish { topic: Placed<String>, qos: u8 },
}

/// A command, but for its fields; lengths of time as they are written.
#[derive(Clone, Debug)]
pub(crate) struct CommandAction {
    pub(crate) command: Placed<String>,
    pub(crate) expires_in: Option<String>,
    pub(crate) execute_within: Option<Placed<String>>,
    pub(crate) supersede: Option<String>,
    pub(crate) still: Option<StillText>,
}

/// `still = { measurement, when, fresh }`.
#[derive(Clone, Debug)]
pub(crate) struct StillText {
    pub(crate) measurement: String,
    pub(crate) when: Placed<String>,
    pub(crate) fresh: String,
}

pub(super) const ALARM_KEYS: &[&str] = &[
    "name",
    "mapping",
    "when",
    "command",
    "publish",
    "fields",
    "once-per",
    "max-age",
    "expires-in",
    "execute-within",
    "supersede",
    "still",
];

/// The keys that are only for a command.
const COMMAND_ONLY: [&str; 4] = ["expires-in", "execute-within", "supersede", "still"];

/// Default of `once-per`.
const ONCE_PER: Duration = Duration::from_mins(1);
/// Maximum of `once-per`: the time of an alarm's last action is kept for this long.
pub const ONCE_PER_MAX: Duration = Duration::from_hours(24 * 7);
/// Default of `max-age`.
const MAX_AGE: Duration = Duration::from_mins(1);
/// The longest that a command may wait.
const WAIT_MAX: Duration = Duration::from_hours(24 * 365);
/// How deep values in `fields` may nest.
const DEPTH_MAX: usize = 32;

/// Reads one alarm's keys.
pub(super) fn read_alarm(table: &mut Table<'_, '_>) -> Option<AlarmText> {
    let name = table.required_text("name");
    let mapping = table.required_text("mapping");
    let when = table.required_text("when");
    let action = read_action(table);
    let positive = |text: &str| parse_duration(text).filter(|it| !it.is_zero());
    let once_per = |text: &str| positive(text).filter(|it| *it <= ONCE_PER_MAX);
    let once_per = table.text_as("once-per", "a duration from 1ms to 7d", once_per);
    let max_age = table.text_as("max-age", A_DURATION, positive);
    let fields = if table.has("fields") { Some(table.objects("fields")?) } else { None };
    Some(AlarmText {
        file: table.source.path.clone(),
        line: table.line,
        name: name?,
        mapping: mapping?,
        when: when?,
        action: action?,
        fields,
        once_per: once_per.map_or(ONCE_PER, |it| it.value),
        max_age: max_age.map_or(MAX_AGE, |it| it.value),
    })
}

fn read_action(table: &mut Table<'_, '_>) -> Option<ActionText> {
    match (table.has("command"), table.has("publish")) {
        (true, false) => read_command_action(table),
        (false, true) => {
            for key in COMMAND_ONLY {
                table.refuse(key, "is about a command, and this alarm publishes");
            }
            let mut publish = table.table("publish", &["topic", "payload", "qos"])?;
            publish.choice("payload", &[("json", ())]);
            let qos = publish.number_of("qos", &[0, 1, 2]).map_or(1, |qos| qos.value);
            Some(ActionText::Publish { topic: publish.required_text("topic")?, qos })
        }
        (true, true) => {
            table.refuse("publish", "stands beside `command`; write an alarm for each");
            None
        }
        (false, false) => {
            table.missing("command");
            None
        }
    }
}

fn read_command_action(table: &mut Table<'_, '_>) -> Option<ActionText> {
    // The bounds are those of commands that an operator sends.
    let wait = |text: &str| {
        let read = parse_duration(text).filter(|it| !it.is_zero() && *it <= WAIT_MAX);
        read.map(|_| text.to_owned())
    };
    const EXPECTED: &str = "a duration from 1ms to 365d";
    let expires_in = table.text_as("expires-in", EXPECTED, wait).map(|it| it.value);
    let execute_within = table.text_as("execute-within", EXPECTED, wait);
    let key = |text: &str| (1..=256).contains(&text.len()).then(|| text.to_owned());
    let supersede = table.text_as("supersede", "from 1 to 256 bytes", key).map(|it| it.value);
    let still = match table.has("still") {
        true => Some(read_still(&mut table.table("still", &["measurement", "when", "fresh"])?)?),
        false => None,
    };
    let command = table.required_text("command")?;
    let action = CommandAction { command, expires_in, execute_within, supersede, still };
    Some(ActionText::Command(Box::new(action)))
}

fn read_still(table: &mut Table<'_, '_>) -> Option<StillText> {
    let measurement = table.required_text("measurement");
    let when = table.required_text("when");
    table.required_text("fresh")?;
    let fresh =
        |text: &str| parse_duration(text).filter(|fresh| !fresh.is_zero()).map(|_| text.to_owned());
    let fresh = table.text_as("fresh", A_DURATION, fresh)?.value;
    Some(StillText { measurement: measurement?.value, when: when?, fresh })
}

/// A TOML value as JSON; `None` for a date, which JSON does not have, and for a value that nests
/// too deep.
pub(super) fn json(value: &Spanned<DeValue<'_>>, depth: usize) -> Option<Value> {
    if depth > DEPTH_MAX {
        return None;
    }
    Some(match value.get_ref() {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Boolean(value) => Value::from(*value),
        DeValue::Integer(number) => {
            Value::from(i64::from_str_radix(number.as_str(), number.radix()).ok()?)
        }
        DeValue::Float(number) => {
            let number: f64 = number.as_str().replace('_', "").parse().ok()?;
            Value::Number(Number::from_f64(number)?)
        }
        DeValue::Array(values) => {
            Value::Array(values.iter().map(|one| json(one, depth + 1)).collect::<Option<_>>()?)
        }
        DeValue::Table(table) => {
            let member = |(name, one): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
                let name: &std::borrow::Cow<'_, str> = name.get_ref();
                Some((name.to_string(), json(one, depth + 1)?))
            };
            Value::Object(table.iter().map(member).collect::<Option<_>>()?)
        }
        DeValue::Datetime(_) => return None,
    })
}
