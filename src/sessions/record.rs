//! The records of the journal: changes, in their order.
//!
//! A frame of the journal is [`VERSION`] and then records, each a byte for its kind and the content
//! that the functions of this file write. Values that depend on the order of all changes (numbers
//! of messages, ids of sessions, refusals of full queues) are zero when a record is handed over,
//! and filled in when its turn comes; so a record contains its result, and reading it again after a
//! restart decides nothing.
//!
//! # Warning
//! Files that exist depend on every byte here. Do not reorder, resize or reuse anything: add a new
//! [`VERSION`].

use crate::model::{SessionId, UnixNanos};

use super::{
    bytes::{Reader, len32, put_text},
    message::StoredMessage,
};

/// The version of records that this build writes, and the only one that it reads.
pub(super) const VERSION: u8 = 1;

/// A client connects: its session is created or resumed.
pub(super) const OPEN: u8 = 1;
/// A connection has ended.
pub(super) const CLOSE: u8 = 2;
/// A session ends.
pub(super) const END: u8 = 3;
pub(super) const SUBSCRIBE: u8 = 4;
pub(super) const UNSUBSCRIBE: u8 = 5;
/// A message: queued, retained, or a published will; and the packet identifier of its publisher.
pub(super) const PUBLISH: u8 = 6;
/// A queued message is done.
pub(super) const DONE: u8 = 7;
/// The PUBREC of a queued message arrived.
pub(super) const RELEASED: u8 = 8;
/// The PUBREL of a received message arrived.
pub(super) const COMPLETED: u8 = 9;
/// A retained message has expired.
pub(super) const FORGET: u8 = 10;
/// A message moved out of an older segment: ignored unless a snapshot knows it.
pub(super) const MOVED: u8 = 11;

/// The options of a subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// The options byte of SUBSCRIBE in 5.0.
    pub options: u8,
    /// The subscription identifier; 0 for none.
    pub id: u32,
}

/// A CONNECT of a persistent session.
#[derive(Clone, Copy, Debug)]
pub struct Open<'a> {
    /// The session's identity.
    pub identity: &'a str,
    /// Its client identifier.
    pub client_id: &'a str,
    /// Whether an older session is discarded (Clean Start).
    pub is_clean: bool,
    /// Whether the client is anonymous: the bound on sessions of one identity does not apply then.
    pub is_anonymous: bool,
    /// Its session expiry interval in seconds.
    pub expiry: u32,
    /// Now.
    pub at: UnixNanos,
    /// Its live session.
    pub live: SessionId,
    /// Its will, and the will delay in seconds.
    pub will: Option<(StoredMessage<'a>, u32)>,
}

pub(super) const IS_CLEAN: u8 = 1;
pub(super) const IS_ANONYMOUS: u8 = 2;
pub(super) const HAS_WILL: u8 = 4;

pub(super) fn write_open(out: &mut Vec<u8>, open: &Open<'_>) {
    out.push(OPEN);
    // Filled in: the session, its epoch, the session that it ended, its will.
    out.extend([0; 8 + 8 + 8 + 8]);
    let flags = if open.is_clean { IS_CLEAN } else { 0 }
        | if open.is_anonymous { IS_ANONYMOUS } else { 0 }
        | if open.will.is_some() { HAS_WILL } else { 0 };
    out.push(flags);
    out.extend(open.expiry.to_le_bytes());
    out.extend(open.at.0.to_le_bytes());
    out.extend(open.live.worker.to_le_bytes());
    out.extend(open.live.number.to_le_bytes());
    put_text(out, open.identity);
    put_text(out, open.client_id);
    if let Some((message, delay)) = &open.will {
        out.extend(delay.to_le_bytes());
        message.write(out);
    }
}

/// What happens to a will when its connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WillFate {
    /// It is not published.
    Forgotten = 0,
    /// It is published after its delay or at the end of its session.
    Delayed = 1,
    /// The writer of this record publishes it.
    UnderWay = 2,
}

/// The end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Closing {
    /// The session.
    pub session: u64,
    /// The epoch of the connection, from [`Opened`](super::Opened).
    pub epoch: u64,
    /// Now.
    pub at: UnixNanos,
    /// The session expiry interval from now on, in seconds.
    pub expiry: u32,
    /// What happens to its will.
    pub will: WillFate,
    /// Messages with lower numbers may have been sent.
    pub sent: u64,
}

pub(super) fn write_close(out: &mut Vec<u8>, closing: &Closing) {
    out.push(CLOSE);
    out.extend(closing.session.to_le_bytes());
    out.extend(closing.epoch.to_le_bytes());
    out.extend(closing.at.0.to_le_bytes());
    out.extend(closing.expiry.to_le_bytes());
    out.push(closing.will as u8);
    out.extend(closing.sent.to_le_bytes());
}

pub(super) fn write_end(out: &mut Vec<u8>, session: u64, at: UnixNanos) {
    out.push(END);
    out.extend(session.to_le_bytes());
    out.extend(at.0.to_le_bytes());
}

pub(super) fn write_subscribe(out: &mut Vec<u8>, session: u64, filter: &str, terms: Terms) {
    out.push(SUBSCRIBE);
    out.extend(session.to_le_bytes());
    out.push(terms.options);
    out.extend(terms.id.to_le_bytes());
    put_text(out, filter);
}

pub(super) fn write_unsubscribe(out: &mut Vec<u8>, session: u64, filter: &str) {
    out.push(UNSUBSCRIBE);
    out.extend(session.to_le_bytes());
    put_text(out, filter);
}

/// The delivery of a message to one session.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The session.
    pub session: u64,
    /// The QoS of the delivery: 1 or 2.
    pub qos: u8,
    /// Its retain flag.
    pub retain: bool,
    /// Its publisher waits while the queue of a connected receiver is full.
    pub may_wait: bool,
    /// It is a command: the queue accepts it beyond its bounds (`downlink` bounds commands); no
    /// later message displaces it, and its message is kept until it is done, not only until its
    /// PUBREC arrives.
    pub is_command: bool,
    /// Its subscription identifiers.
    pub ids: &'a [u32],
}

/// The changes of one publish.
#[derive(Clone, Copy, Debug)]
pub struct Publish<'a> {
    /// The message; `None` if only identifiers change.
    pub message: Option<StoredMessage<'a>>,
    /// Its number among the retained messages, if it is one; an empty one clears its topic.
    pub retained_as: u64,
    /// The session that sent it at QoS 2, and the packet identifier.
    pub received: Option<(u64, u16)>,
    /// The id of the will, if it is one; otherwise 0.
    pub will: u64,
    /// Its receivers.
    pub deliveries: &'a [Delivery<'a>],
}

pub(super) const DELIVERY_QOS: u8 = 3;
pub(super) const DELIVERY_RETAIN: u8 = 4;
pub(super) const DELIVERY_MAY_WAIT: u8 = 8;
pub(super) const DELIVERY_IS_COMMAND: u8 = 16;

/// A delivery's number if it was refused.
pub(super) const REFUSED: u64 = 0;
/// A delivery's number if its session ended because its queue was full.
pub(super) const ENDED: u64 = u64::MAX;

pub(super) fn write_publish(out: &mut Vec<u8>, publish: &Publish<'_>) {
    out.push(PUBLISH);
    out.extend(publish.retained_as.to_le_bytes());
    let (session, packet_id) = publish.received.unwrap_or_default();
    out.extend(session.to_le_bytes());
    out.extend(packet_id.to_le_bytes());
    out.extend(publish.will.to_le_bytes());
    out.extend(len32(publish.deliveries.len()).to_le_bytes());
    for delivery in publish.deliveries {
        out.extend(delivery.session.to_le_bytes());
        // Filled in: its number, and that of the message that it displaces.
        out.extend([0; 8 + 8]);
        out.push(
            delivery.qos
                | if delivery.retain { DELIVERY_RETAIN } else { 0 }
                | if delivery.may_wait { DELIVERY_MAY_WAIT } else { 0 }
                | if delivery.is_command { DELIVERY_IS_COMMAND } else { 0 },
        );
        let ids = &delivery.ids[..delivery.ids.len().min(u16::MAX.into())];
        out.extend(u16::try_from(ids.len()).unwrap_or(u16::MAX).to_le_bytes());
        ids.iter().for_each(|id| out.extend(id.to_le_bytes()));
    }
    match &publish.message {
        Some(message) => message.write(out),
        None => out.extend([0; 4]),
    }
}

pub(super) fn write_done(out: &mut Vec<u8>, session: u64, number: u64) {
    out.push(DONE);
    out.extend(session.to_le_bytes());
    out.extend(number.to_le_bytes());
}

pub(super) fn write_released(out: &mut Vec<u8>, session: u64, number: u64) {
    out.push(RELEASED);
    out.extend(session.to_le_bytes());
    out.extend(number.to_le_bytes());
}

pub(super) fn write_completed(out: &mut Vec<u8>, session: u64, packet_id: u16) {
    out.push(COMPLETED);
    out.extend(session.to_le_bytes());
    out.extend(packet_id.to_le_bytes());
}

pub(super) fn write_forget(out: &mut Vec<u8>, topic: &str, retained_as: u64) {
    out.push(FORGET);
    out.extend(retained_as.to_le_bytes());
    put_text(out, topic);
}

/// Appends a moved message; returns where in `out` its block begins.
pub(super) fn write_moved(out: &mut Vec<u8>, block: &[u8]) -> usize {
    out.push(MOVED);
    out.extend(len32(block.len()).to_le_bytes());
    let begin = out.len();
    out.extend_from_slice(block);
    begin
}

/// Reads the block of a message: its offset in the frame, and its bytes.
pub(super) fn read_block<'a>(reader: &mut Reader<'a>) -> Option<(usize, &'a [u8])> {
    let len = usize::try_from(reader.u32()?).ok()?;
    let at = reader.at();
    Some((at, reader.take(len)?))
}
