//! What downlink asks of the vehicle edge.

use std::{fmt, sync::Arc, time::Duration};

use super::{CommandId, Publication, ReceiptTicket};
use crate::model::SessionId;

/// Where a command may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To this session: the latest that speaks for the vehicle and subscribes to the topic.
    Session(SessionId),
    /// The same, of a session that lasts: it is known by this number when it is away, too.
    Lasting(SessionId, u64),
    /// No session speaks for the vehicle.
    Away,
    /// None that does subscribes to the topic.
    NotSubscribed,
    /// The subscription is of a lower QoS than the command.
    SubscriptionQos,
}

/// A command on its way to one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Which command.
    pub command: CommandId,
    /// How often it has left with this one, from 1.
    pub attempt: u32,
    /// It has left before, and may have arrived.
    pub is_repeat: bool,
    /// Where to.
    pub topic: Arc<str>,
    /// 1 or 2.
    pub qos: u8,
    /// What the vehicle reads.
    pub payload: Arc<[u8]>,
    /// Where its receipt is expected, for a 5.0 vehicle.
    pub response_topic: Option<Arc<str>>,
    /// How long it is good for.
    pub expires_in: Duration,
}

/// What became of a command that left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandOutcome {
    /// Its PUBACK or PUBCOMP came.
    Acknowledged,
    /// Its PUBACK or PUBREC came, with this reason of 0x80 or more.
    Refused(u8),
    /// It is larger than the session takes, and was not sent.
    TooLarge,
    /// The access rules do not let the session have it; it was not sent.
    Forbidden,
    /// It expired before it could be sent.
    Expired,
    /// The session ended before it was acknowledged, or was gone already.
    Left,
    /// The disk had no room for it in the queue of its session, which lasts; it was not sent.
    NoRoom,
}

/// Where a message is in the queue of a session that lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuePlace {
    /// The session's number.
    pub session: u64,
    /// The message's.
    pub number: u64,
}

/// One outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandReport {
    /// Which command.
    pub command: CommandId,
    /// Of which attempt.
    pub attempt: u32,
    /// What became of it.
    pub outcome: CommandOutcome,
    /// Where it stays queued until that is durable, if its session lasts.
    pub place: Option<QueuePlace>,
}

/// The vehicle edge, as downlink sees it.
pub trait CommandEdge: fmt::Debug + Send + Sync {
    /// Where a command for this vehicle may go now. It waits for nobody.
    fn reach(&self, vehicle: &str, topic: &str, qos: u8) -> Reach;
    /// Whether a session that lasts is connected.
    fn is_here(&self, lasting: u64) -> bool;
    /// Sends a command; its report follows.
    fn send(&self, session: SessionId, parcel: Parcel);
    /// Publishes what an alarm says; its message is acknowledged when that is durable.
    fn publish(&self, publication: Publication);
    /// Retains what the server says on a topic of its own, as JSON, and tells whoever subscribes;
    /// an empty text clears it. False if the edge has not begun, and nothing was said.
    fn tell(&self, topic: &str, text: &str) -> bool;
    /// These receipts are durable, or need not be: their publishes may be acknowledged.
    fn settle(&self, receipts: Vec<ReceiptTicket>);
    /// What became of these commands is durable: they need not be queued any more.
    fn forget(&self, places: Vec<QueuePlace>);
}
