//! What a session is to get, and on which terms.

use std::{num::NonZeroU32, sync::Arc};

use crate::{
    model::{CommandOutcome, CommandReport, QueuePlace},
    mqtt::{
        router::{CommandTag, Group, Message, SubscriptionIds},
        wire::{Qos, SubscribeOptions},
    },
};

/// How a client takes what it is sent, as its CONNECT said.
#[derive(Clone, Copy, Debug)]
pub(in crate::mqtt) struct Takes {
    /// Publishes above QoS 0 at once.
    pub(in crate::mqtt) receive_maximum: u16,
    /// Bytes of a packet.
    pub(in crate::mqtt) packet_bytes_max: usize,
    /// Topic aliases.
    pub(in crate::mqtt) topic_alias_max: u16,
}

/// How much may wait for one session.
#[derive(Clone, Copy, Debug)]
pub(in crate::mqtt) struct QueueLimits {
    pub(in crate::mqtt) messages_max: usize,
    /// Bytes as they lie in memory, each message counted whole for each who waits for it.
    pub(in crate::mqtt) bytes_max: usize,
    /// Publishes above QoS 0 that are under way to a client at once, whatever it takes.
    pub(in crate::mqtt) in_flight_max: u16,
    pub(in crate::mqtt) subscriptions_max: usize,
    /// Topic aliases used towards a client.
    pub(in crate::mqtt) topic_alias_max: u16,
}

/// A message for one session.
#[derive(Clone, Debug)]
pub(in crate::mqtt) struct Delivery {
    pub(in crate::mqtt) message: Arc<Message>,
    pub(in crate::mqtt) qos: Qos,
    pub(in crate::mqtt) retain: bool,
    pub(in crate::mqtt) ids: SubscriptionIds,
    /// The shared subscription that it came through: if this session does not take it, another
    /// member will.
    pub(in crate::mqtt) group: Option<Arc<Group>>,
}

impl Delivery {
    /// Bytes that it is counted as: the message and its place in the queue.
    pub(super) fn memory(&self) -> usize {
        self.message.memory() + size_of::<Self>()
    }
}

/// What became of deliveries since it was last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::mqtt) struct Outcomes {
    /// Acknowledged to the end; at QoS 0 written.
    pub(in crate::mqtt) delivered: u64,
    /// PUBLISH packets written, and the bytes of their payloads.
    pub(in crate::mqtt) sent: u64,
    pub(in crate::mqtt) sent_bytes: u64,
    pub(in crate::mqtt) expired: u64,
    /// Larger than the client takes.
    pub(in crate::mqtt) too_large: u64,
    /// Answered with a reason of 0x80 or more.
    pub(in crate::mqtt) refused: u64,
    /// Given up in favour of newer ones.
    pub(in crate::mqtt) overtaken: u64,
    /// On topics that the rules do not allow it any more.
    pub(in crate::mqtt) forbidden: u64,
}

/// One subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) struct Subscription {
    pub(in crate::mqtt) options: SubscribeOptions,
    pub(in crate::mqtt) id: Option<NonZeroU32>,
}

/// What is told of a message, if it is a command.
pub(super) fn report(
    command: Option<CommandTag>,
    outcome: CommandOutcome,
    place: Option<QueuePlace>,
) -> Option<CommandReport> {
    let CommandTag { id, attempt, .. } = command?;
    Some(CommandReport { command: id, attempt, outcome, place })
}
