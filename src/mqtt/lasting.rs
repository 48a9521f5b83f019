//! Persistent sessions: the workers' connection to the journal, and messages as stored in it.

use std::{
    borrow::Cow,
    num::NonZeroU16,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use tokio::sync::oneshot;

use super::{
    router::{CommandTag, Expiry, Group, Message, Receiver},
    wire::{Body, Qos},
    worker::SlotKey,
};
use crate::{
    model::{CommandId, SessionId, UnixNanos},
    sessions::{Change, Feed, Opened, Sessions, StoredMessage},
};

/// The worker number under which the router knows persistent sessions, connected or not; no real
/// worker has it.
pub(super) const STORED: u16 = u16::MAX;

/// The router's id of a session of the journal.
pub(super) fn stored_id(session: u64) -> SessionId {
    SessionId { worker: STORED, number: session }
}

/// The journal, and the only way to it: records of all workers become durable in their order.
#[derive(Debug)]
pub(super) struct Lasting {
    pub(super) sessions: Sessions,
    feed: Feed<Change<Ticket>>,
    /// The number of connected sessions. Atomic, because no other value has to agree with it.
    pub(super) connected: AtomicUsize,
}

impl Lasting {
    pub(super) fn new(sessions: Sessions) -> Self {
        let feed = sessions.feed();
        Self { sessions, feed, connected: AtomicUsize::new(0) }
    }

    /// Hands a record over to the journal.
    pub(super) fn offer(&self, change: Box<Change<Ticket>>) {
        self.feed.offer(change);
    }
}

/// What waits for a record.
#[derive(Debug)]
pub(super) enum Ticket {
    /// A greeting.
    Opened(oneshot::Sender<Opened>),
    /// A message is delivered to its receivers.
    Published(Box<Bringing>),
    /// A client gets its answer.
    Answer(SlotKey, Vec<u8>),
    /// A client gets the PUBCOMP of its publish.
    Completed(SlotKey, NonZeroU16),
    /// An ended session waits to be forgotten.
    Ended,
}

/// A receiver whose queue is in the journal.
#[derive(Clone, Debug)]
pub(super) struct StoredReceiver {
    pub(super) receiver: Receiver,
    /// The shared subscription that it is a member of.
    pub(super) group: Option<Arc<Group>>,
}

impl From<Receiver> for StoredReceiver {
    fn from(receiver: Receiver) -> Self {
        Self { receiver, group: None }
    }
}

/// A message that is delivered to its receivers once it is durable.
#[derive(Debug)]
pub(super) struct Bringing {
    /// The publisher's session and the publish's number there, if it waits for an acknowledgement.
    pub(super) publisher: Option<(SlotKey, u64)>,
    pub(super) may_wait: bool,
    pub(super) message: Option<Arc<Message>>,
    /// In the order of its record's deliveries.
    pub(super) receivers: Vec<StoredReceiver>,
    /// For a retained message: the session whose subscription it is for.
    pub(super) scan_of: Option<SlotKey>,
    /// Whether no mapping and no other subscriber takes it.
    pub(super) is_sole: bool,
}

/// The current times of the clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moments {
    pub(super) monotonic: Duration,
    pub(super) wall: UnixNanos,
}

/// Marks a command before the properties of its message: no property has this identifier.
const COMMAND: u8 = 0xff;

/// The stored properties of a message, which follow the tag of a command.
pub(super) fn kept_properties(message: &Message) -> Cow<'_, [u8]> {
    let properties = message.body.properties();
    match message.command {
        None => properties.into(),
        Some(CommandTag { id, attempt, is_repeat }) => {
            let mut kept = vec![COMMAND];
            kept.extend(id.0);
            kept.extend(attempt.to_le_bytes());
            kept.push(u8::from(is_repeat));
            kept.extend_from_slice(properties);
            kept.into()
        }
    }
}

/// The stored form of a message; `properties` are its [`kept_properties`].
pub(super) fn stored<'a>(
    message: &'a Message,
    properties: &'a [u8],
    now: Moments,
) -> StoredMessage<'a> {
    StoredMessage {
        qos: message.qos as u8,
        retain: message.retain,
        expires: message.expires.map(|expiry| expiry.kept(now.monotonic, now.wall)),
        topic: message.body.topic(),
        properties,
        payload: message.body.payload(),
    }
}

/// A message read from the journal.
pub(super) fn restored(bytes: &[u8], retained_as: u64, now: Moments) -> Option<Message> {
    let stored = StoredMessage::read(bytes)?;
    let (command, properties) = match stored.properties.split_first() {
        Some((&COMMAND, rest)) => {
            let (id, rest) = rest.split_first_chunk::<16>()?;
            let (attempt, rest) = rest.split_first_chunk::<4>()?;
            let (is_repeat, rest) = rest.split_first()?;
            let (attempt, is_repeat) = (u32::from_le_bytes(*attempt), *is_repeat != 0);
            (Some(CommandTag { id: CommandId(*id), attempt, is_repeat }), rest)
        }
        _ => (None, stored.properties),
    };
    Some(Message {
        body: Body::new(stored.topic, properties, stored.payload),
        qos: Qos::of(stored.qos)?,
        retain: stored.retain,
        expires: stored.expires.map(|kept| Expiry::of_kept(kept, now.monotonic, now.wall)),
        publisher: None,
        retained_as,
        command,
    })
}
