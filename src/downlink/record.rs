//! A command as stored and shown, and its changes.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    lifecycle::{Note, State},
    push::Verified,
};
use crate::{
    mapping::Order,
    model::{CommandId, UnixNanos},
};

/// An operator's request for a command, encoded and checked.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its id, which may be in its payload.
    pub id: CommandId,
    /// Its vehicle.
    pub vehicle: Arc<str>,
    /// Its declared name; `None` for a raw one.
    pub name: Option<Arc<str>>,
    /// Its fields, as JSON; `None` for a raw one.
    pub fields: Option<Arc<str>>,
    /// Its topic.
    pub topic: Arc<str>,
    /// Its payload.
    pub payload: Arc<[u8]>,
    /// 1 or 2.
    pub qos: u8,
    /// How long it waits for the vehicle.
    pub expires_in_ms: u64,
    /// The longest time from delivery to its receipt; `None` if none is expected.
    pub execute_within_ms: Option<u64>,
    /// When the vehicle's next command may be sent.
    pub order: Order,
    /// The topic of its receipt.
    pub response_topic: Option<Arc<str>>,
    /// Among a vehicle's commands with the same key only the newest counts.
    pub supersede: Option<Arc<str>>,
    /// The condition that must still hold when it is sent, as JSON.
    pub still: Option<Arc<str>>,
    /// The same key with the same content makes no second command.
    pub idempotency: Option<Idempotency>,
    /// Who requested it.
    pub who: Arc<str>,
    /// The push or alarm that made it, and why.
    pub origin: Option<Origin>,
}

/// The row or message from which a push or an alarm made a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The row, or the values of the message, as a JSON object.
    pub row: Arc<str>,
    /// Why the row makes no valid command: the command fails with it.
    pub failure: Option<Arc<str>>,
}

/// The push and run that made a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The push.
    pub push: CommandId,
    /// The query as it ran, as JSON.
    pub query: Arc<str>,
    /// When it ran, in milliseconds since 1970.
    pub at_ms: i64,
}

/// Distinguishes a repeated request from a new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The operator's key.
    pub key: Arc<str>,
    /// The digest of everything else in the request.
    pub digest: [u8; 16],
}

/// One command.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its place in the order of creation.
    pub seq: i64,
    /// The request.
    pub request: Request,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: i64,
    /// Its state.
    pub state: State,
    /// Why it is in this state.
    pub cause: Option<Arc<str>>,
    /// An operator cancelled it, and its acknowledgement decides.
    pub cancel_requested: bool,
    /// It has ended and may have reached the vehicle.
    pub maybe_received: bool,
    /// Its changes, oldest first.
    pub history: Vec<Change>,
    /// The push that made it, while that push is kept.
    pub evidence: Option<Evidence>,
    /// Whether its effect was seen, if its push verifies it.
    pub verified: Option<Verified>,
}

/// One change of a command, or a note about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its place among all changes.
    pub number: i64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// What changed.
    pub what: What,
    /// Why.
    pub cause: Option<Arc<str>>,
    /// The vehicle's own text.
    pub detail: Option<Arc<str>>,
}

/// The kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It is in this state now.
    State(State),
    /// This was noted.
    Note(Note),
}

impl What {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::State(state) => state.code(),
            Self::Note(note) => NOTES + note as u8,
        }
    }

    pub(super) fn of_code(code: u8) -> Option<Self> {
        match code.checked_sub(NOTES) {
            Some(note) => Note::ALL.get(usize::from(note)).copied().map(Self::Note),
            None => State::of_code(code).map(Self::State),
        }
    }
}

/// Codes of notes begin here.
const NOTES: u8 = 100;

/// A change with its command, as in the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedEntry {
    /// The change.
    pub change: Change,
    /// The command.
    pub id: CommandId,
    /// The vehicle.
    pub vehicle: Arc<str>,
    /// The command's name.
    pub name: Option<Arc<str>>,
}

/// Milliseconds since 1970 as RFC 3339.
#[must_use]
pub fn moment(ms: i64) -> String {
    UnixNanos(ms.saturating_mul(1_000_000)).to_string()
}

/// Text that is already JSON.
pub(super) fn raw(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

impl Change {
    /// The JSON form in the API.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut told = match self.what {
            What::State(state) => json!({ "state": state.as_str() }),
            What::Note(note) => json!({ "note": note.as_str() }),
        };
        told["at"] = json!(moment(self.at_ms));
        if let Some(cause) = &self.cause {
            told["cause"] = json!(&**cause);
        }
        if let Some(detail) = &self.detail {
            told["detail"] = json!(&**detail);
        }
        told
    }
}

impl FeedEntry {
    /// The form in the feed and for the webhook.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut told = self.change.json();
        told["cursor"] = json!(self.change.number.to_string());
        told["id"] = json!(self.id.to_string());
        told["vehicle"] = json!(&*self.vehicle);
        told["command"] = json!(self.name.as_deref());
        told
    }
}

impl Record {
    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.state.is_final(self.request.execute_within_ms.is_some())
    }

    /// The JSON form in the API.
    #[must_use]
    pub fn json(&self) -> Value {
        let request = &self.request;
        let raw_payload = request.name.is_none();
        let payload =
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &*request.payload);
        json!({
            "id": request.id.to_string(),
            "vehicle": &*request.vehicle,
            "command": request.name.as_deref(),
            "fields": request.fields.as_deref().map(raw),
            "topic": &*request.topic,
            "payload": payload,
            "raw": raw_payload,
            "qos": request.qos,
            "state": self.state.as_str(),
            "cause": self.cause.as_deref(),
            "history": self.history.iter().map(Change::json).collect::<Vec<_>>(),
            "created": moment(self.created_ms),
            "expires": moment(self.expires_ms()),
            "execute-within": request.execute_within_ms.map(|ms| format!("{ms}ms")),
            "order": request.order.as_str(),
            "supersede": request.supersede.as_deref(),
            "still": request.still.as_deref().map(raw),
            "idempotency-key": request.idempotency.as_ref().map(|it| &*it.key),
            "cancel-requested": self.cancel_requested,
            "maybe-received": self.maybe_received,
            "by": &*request.who,
            "push": self.evidence.as_ref().map(|it| it.push.to_string()),
            "evidence": request.origin.as_ref().map(|origin| json!({
                "row": raw(&origin.row),
                "query": self.evidence.as_ref().map(|it| raw(&it.query)),
                "at": moment(self.evidence.as_ref().map_or(self.created_ms, |it| it.at_ms)),
            })),
            "verified": self.verified.map(Verified::as_str),
        })
    }

    /// When it expires, in milliseconds since 1970.
    #[must_use]
    pub fn expires_ms(&self) -> i64 {
        let wait = i64::try_from(self.request.expires_in_ms).unwrap_or(i64::MAX);
        self.created_ms.saturating_add(wait)
    }
}
