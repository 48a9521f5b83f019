//! The MQTT edge as downlink calls it.

use std::{fmt, sync::Arc, time::Duration};

use super::{CommandId, Publication, ReceiptTicket};
use crate::model::SessionId;

/// Where a command for a vehicle can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To this session: the latest one of the vehicle that subscribes to the topic.
    Session(SessionId),
    /// The same for a persistent session, with its number, which it keeps while it is disconnected.
    Lasting(SessionId, u64),
    /// The vehicle has no session.
    Away,
    /// None of its sessions subscribes to the topic.
    NotSubscribed,
    /// The subscription is of a lower QoS than the command.
    SubscriptionQos,
}

/// A command on its way to one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingCommand {
    /// Which command.
    pub command: CommandId,
    /// How often it was sent, this time included; from 1.
    pub attempt: u32,
    /// It was sent before, and may have arrived.
    pub is_repeat: bool,
    /// The topic.
    pub topic: Arc<str>,
    /// 1 or 2.
    pub qos: u8,
    /// The payload.
    pub payload: Arc<[u8]>,
    /// Where its receipt is expected, for a 5.0 vehicle.
    pub response_topic: Option<Arc<str>>,
    /// Time until it expires.
    pub expires_in: Duration,
}

/// The outcome of a command that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandOutcome {
    /// Its PUBACK or PUBCOMP arrived.
    Acknowledged,
    /// Its PUBACK or PUBREC arrived with this reason code of 0x80 or more.
    Refused(u8),
    /// It is larger than the client's maximum packet size, and was not sent.
    TooLarge,
    /// The access rules do not allow the session to receive it; it was not sent.
    Forbidden,
    /// It expired before it could be sent.
    Expired,
    /// The session ended before the acknowledgement, or did not exist any more.
    Left,
    /// The disk had no room for it in the queue of its persistent session; it was not sent.
    NoRoom,
}

/// The place of a message in the queue of a persistent session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuePlace {
    /// The session's number.
    pub session: u64,
    /// The message's number in the queue.
    pub number: u64,
}

/// One outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandReport {
    /// Which command.
    pub command: CommandId,
    /// The attempt.
    pub attempt: u32,
    /// Its outcome.
    pub outcome: CommandOutcome,
    /// Its place in the queue of a persistent session, where it stays until the outcome is durable.
    pub place: Option<QueuePlace>,
}

/// The MQTT edge, as downlink sees it.
pub trait CommandEdge: fmt::Debug + Send + Sync {
    /// Where a command for this vehicle can be sent now. Does not block.
    fn reach(&self, vehicle: &str, topic: &str, qos: u8) -> Reach;
    /// Whether a persistent session is connected.
    fn is_here(&self, lasting: u64) -> bool;
    /// Sends a command; a [`CommandReport`] follows.
    fn send(&self, session: SessionId, command: OutgoingCommand);
    /// Publishes the message of an alarm; the publish that raised it is acknowledged when this one
    /// is durable.
    fn publish(&self, publication: Publication);
    /// Publishes a retained JSON message on a topic of the server's own; an empty text clears it.
    /// False if the edge has not started yet, so that nothing was published.
    fn publish_retained(&self, topic: &str, text: &str) -> bool;
    /// These receipts are durable, or need not be: acknowledges their publishes.
    fn acknowledge(&self, receipts: Vec<ReceiptTicket>);
    /// The outcomes of these commands are durable: removes them from their queues.
    fn dequeue(&self, places: Vec<QueuePlace>);
}
