//! Turns an operator's request into a command, checked and encoded.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Downlink, Options,
    record::{Idempotency, Request},
};
use crate::{
    mapping::{Command, Commands, Condition, Order},
    model::{CommandId, parse_duration},
};

/// The maximum bytes of a vehicle's name, of a key, of a topic.
const NAME_MAX: usize = 256;
const TOPIC_MAX: usize = 4096;
/// The longest time that a command may wait.
const WAIT_MAX: Duration = Duration::from_hours(24 * 365);
/// The default time for a receipt.
const EXECUTE_WITHIN: Duration = Duration::from_mins(5);

/// An operator's request for a command.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CommandRequest {
    /// The name of a declared command.
    pub command: Option<String>,
    /// Its fields.
    pub fields: Option<Map<String, Value>>,
    /// Raw: the topic.
    pub topic: Option<String>,
    /// Raw: the payload, in base64.
    pub payload: Option<String>,
    /// Raw: 1 or 2.
    pub qos: Option<u8>,
    /// How long it waits for the vehicle.
    pub expires_in: Option<String>,
    /// How long the receipt may take.
    pub execute_within: Option<String>,
    /// The same key with the same content makes no second command.
    pub idempotency_key: Option<String>,
    /// The supersede key: of commands with the same key only the newest counts.
    pub supersede: Option<String>,
    /// The condition that must still hold when it is sent.
    pub still: Option<Still>,
}

/// A condition on the vehicle's last known values.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Still {
    /// The measurement of the values.
    pub measurement: String,
    /// The condition.
    pub when: String,
    /// The maximum age of the values.
    pub fresh: String,
}

impl Still {
    pub(super) fn fresh(&self) -> Option<Duration> {
        parse_duration(&self.fresh).filter(|fresh| !fresh.is_zero())
    }
}

/// Why a request for a command is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A member is missing or has a wrong value. Correct it.
    #[error("{message}")]
    Member {
        /// Its name.
        member: String,
        /// What is wrong with it.
        message: String,
    },
    /// No `[[command]]` with this name is declared. Correct the name, or declare it.
    #[error("no command `{name}` is declared{hint}")]
    Undeclared {
        /// The requested name.
        name: String,
        /// A similar name, as a hint.
        hint: String,
    },
    /// A field of the command is unknown, missing or of another type. Correct it.
    #[error("field `{field}` {what}")]
    Field {
        /// Its path, with dots.
        field: String,
        /// What is wrong with it.
        what: String,
    },
    /// The payload exceeds the maximum size. Send less.
    #[error("the payload has {bytes} bytes; at most {max} may be sent")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The bound.
        max: usize,
    },
}

pub(super) fn wrong(member: &str, message: impl Into<String>) -> RequestError {
    RequestError::Member { member: member.to_owned(), message: message.into() }
}

/// The parts that differ between a declared command and a raw one.
struct Content {
    name: Option<Arc<str>>,
    fields: Option<Arc<str>>,
    topic: String,
    payload: Vec<u8>,
    qos: u8,
    expires_in: Option<Duration>,
    execute_within: Option<Duration>,
    order: Order,
    response_topic: Option<String>,
}

impl Downlink {
    /// Makes a command for one vehicle from a request.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn prepare(
        &self,
        ask: &CommandRequest,
        vehicle: &str,
        who: &Arc<str>,
    ) -> Result<Request, RequestError> {
        self.prepare_as(ask, vehicle, who, CommandId::random(self.clock.wall()))
    }

    /// As [`prepare`](Self::prepare), with a given id.
    pub(super) fn prepare_as(
        &self,
        ask: &CommandRequest,
        vehicle: &str,
        who: &Arc<str>,
        id: CommandId,
    ) -> Result<Request, RequestError> {
        prepare(&self.declared(), &self.options, ask, vehicle, (who, id))
    }
}

/// Makes a command from a request, with a given id.
pub(super) fn prepare(
    declared: &Commands,
    options: &Options,
    ask: &CommandRequest,
    vehicle: &str,
    (who, id): (&Arc<str>, CommandId),
) -> Result<Request, RequestError> {
    if !is_vehicle(vehicle) {
        let message = format!("`{vehicle}` is no vehicle: none of / + # may be in its name");
        return Err(wrong("vehicle", message));
    }
    let content = match (&ask.command, &ask.topic) {
        (Some(name), None) => declared_content(declared, ask, name, vehicle, id)?,
        (None, Some(topic)) => raw_content(ask, topic)?,
        (Some(_), Some(_)) => {
            return Err(wrong("topic", "`topic` is for a raw command, without `command`"));
        }
        (None, None) => {
            let message = "nothing says what to send: `command` with `fields`, or `topic` with \
                               `payload`";
            return Err(wrong("command", message));
        }
    };
    let max = options.payload_bytes_max;
    if content.payload.len() > max {
        return Err(RequestError::TooLarge { bytes: content.payload.len(), max });
    }
    let expires_in = duration("expires-in", ask.expires_in.as_deref())?
        .or(content.expires_in)
        .unwrap_or(options.expires_in);
    let within = duration("execute-within", ask.execute_within.as_deref())?;
    let execute_within = match &content.response_topic {
        Some(_) => Some(within.or(content.execute_within).unwrap_or(EXECUTE_WITHIN)),
        None if within.is_some() => {
            let message = "`execute-within` is the time for a receipt, and none is declared";
            return Err(wrong("execute-within", message));
        }
        None => None,
    };
    let millis = |it: Duration| u64::try_from(it.as_millis()).unwrap_or(u64::MAX);
    Ok(Request {
        id,
        vehicle: vehicle.into(),
        name: content.name,
        fields: content.fields,
        topic: content.topic.into(),
        payload: content.payload.into(),
        qos: content.qos,
        expires_in_ms: millis(expires_in),
        execute_within_ms: execute_within.map(millis),
        order: content.order,
        response_topic: content.response_topic.map(Arc::from),
        supersede: key("supersede", ask.supersede.as_deref())?,
        still: ask.still.as_ref().map(still).transpose()?,
        idempotency: key("idempotency-key", ask.idempotency_key.as_deref())?
            .map(|key| Idempotency { digest: digest(ask), key }),
        who: Arc::clone(who),
        origin: None,
    })
}

fn declared_content(
    declared: &Commands,
    ask: &CommandRequest,
    name: &str,
    vehicle: &str,
    id: CommandId,
) -> Result<Content, RequestError> {
    for (member, is_there) in [("payload", ask.payload.is_some()), ("qos", ask.qos.is_some())] {
        if is_there {
            let message = format!("`{member}` is for a raw command, with `topic`");
            return Err(wrong(member, message));
        }
    }
    content(find(declared, name)?, ask, vehicle, id)
}

/// A declared command by its name.
pub(super) fn find<'c>(declared: &'c Commands, name: &str) -> Result<&'c Command, RequestError> {
    declared.find(name).ok_or_else(|| {
        let hint = match declared.nearest(name) {
            Some(near) => format!("; did you mean `{near}`?"),
            None if declared.iter().len() == 0 => "; none is".to_owned(),
            None => {
                let names: Vec<&str> = declared.iter().map(|it| &**it.name()).collect();
                format!("; declared are {}", names.join(", "))
            }
        };
        RequestError::Undeclared { name: name.to_owned(), hint }
    })
}

fn content(
    command: &Command,
    ask: &CommandRequest,
    vehicle: &str,
    id: CommandId,
) -> Result<Content, RequestError> {
    let fields = ask.fields.clone().unwrap_or_default();
    let payload = command
        .encode(&fields, id)
        .map_err(|error| RequestError::Field { field: error.field, what: error.what })?;
    Ok(Content {
        name: Some(Arc::clone(command.name())),
        fields: Some(Value::from(fields).to_string().into()),
        topic: command.topic(vehicle),
        payload,
        qos: command.qos(),
        expires_in: command.expires_in(),
        execute_within: command.execute_within(),
        order: command.order(),
        response_topic: command.response_topic(vehicle),
    })
}

fn raw_content(ask: &CommandRequest, topic: &str) -> Result<Content, RequestError> {
    if ask.fields.is_some() {
        return Err(wrong(
            "fields",
            "`fields` are for a declared command; a raw one has `payload`",
        ));
    }
    let is_topic = !topic.is_empty()
        && topic.len() <= TOPIC_MAX
        && !topic.starts_with('$')
        && !topic.contains(['+', '#', '\0']);
    if !is_topic {
        let message = format!("`{topic}` is no topic to publish on");
        return Err(wrong("topic", message));
    }
    let payload = ask.payload.as_deref().unwrap_or_default();
    let payload = STANDARD
        .decode(payload)
        .map_err(|error| wrong("payload", format!("`payload` is no base64: {error}")))?;
    let qos = ask.qos.unwrap_or(1);
    if !matches!(qos, 1 | 2) {
        let message = "`qos` must be 1 or 2: at 0 nothing tells that it arrived";
        return Err(wrong("qos", message));
    }
    Ok(Content {
        name: None,
        fields: None,
        topic: topic.to_owned(),
        payload,
        qos,
        expires_in: None,
        execute_within: None,
        order: Order::default(),
        response_topic: None,
    })
}

/// Whether this can be the name of a vehicle: it must be one topic level.
pub(super) fn is_vehicle(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_MAX && !name.contains(['/', '+', '#', '\0'])
}

pub(super) fn duration(member: &str, text: Option<&str>) -> Result<Option<Duration>, RequestError> {
    let Some(text) = text else { return Ok(None) };
    let read = parse_duration(text).filter(|it| !it.is_zero() && *it <= WAIT_MAX);
    let message = || format!("`{member}` is `{text}`; expected a duration from 1ms to 365d");
    read.map(Some).ok_or_else(|| wrong(member, message()))
}

pub(super) fn key(member: &str, text: Option<&str>) -> Result<Option<Arc<str>>, RequestError> {
    match text {
        None => Ok(None),
        Some(text) if !text.is_empty() && text.len() <= NAME_MAX => Ok(Some(text.into())),
        Some(_) => {
            let message = format!("`{member}` must have from 1 to {NAME_MAX} bytes");
            Err(wrong(member, message))
        }
    }
}

pub(super) fn still(still: &Still) -> Result<Arc<str>, RequestError> {
    Condition::parse(&still.when).map_err(|what| wrong("still", format!("`still`: {what}")))?;
    if still.fresh().is_none() {
        let message = format!("`still`: `fresh` is `{}`; expected a duration", still.fresh);
        return Err(wrong("still", message));
    }
    Ok(serde_json::to_string(still).unwrap_or_default().into())
}

/// A digest of the content of a request.
fn digest(ask: &CommandRequest) -> [u8; 16] {
    let content = serde_json::json!([
        ask.command,
        ask.fields,
        ask.topic,
        ask.payload,
        ask.qos,
        ask.expires_in,
        ask.execute_within,
        ask.supersede,
        ask.still,
    ]);
    let digest = ring::digest::digest(&ring::digest::SHA256, content.to_string().as_bytes());
    let mut half = [0; 16];
    half.copy_from_slice(&digest.as_ref()[..16]);
    half
}
