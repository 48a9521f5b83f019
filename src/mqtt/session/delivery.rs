//! Deliveries of a session, and their limits.

use std::{num::NonZeroU32, sync::Arc};

use crate::{
    model::{CommandOutcome, CommandReport, QueuePlace},
    mqtt::{
        router::{CommandTag, Group, Message, SubscriptionIds},
        wire::{Qos, SubscribeOptions},
    },
};

/// The limits of a client for deliveries, from its CONNECT.
#[derive(Clone, Copy, Debug)]
pub(in crate::mqtt) struct ClientLimits {
    /// Its receive maximum: publishes above QoS 0 in flight.
    pub(in crate::mqtt) receive_maximum: u16,
    /// Its maximum packet size in bytes.
    pub(in crate::mqtt) packet_bytes_max: usize,
    /// Its topic alias maximum.
    pub(in crate::mqtt) topic_alias_max: u16,
}

/// The bounds of one session's queue.
#[derive(Clone, Copy, Debug)]
pub(in crate::mqtt) struct QueueLimits {
    pub(in crate::mqtt) messages_max: usize,
    /// Bytes in memory; a shared message counts fully for each session.
    pub(in crate::mqtt) bytes_max: usize,
    /// Publishes above QoS 0 in flight to a client, even if its receive maximum is higher.
    pub(in crate::mqtt) in_flight_max: u16,
    pub(in crate::mqtt) subscriptions_max: usize,
    /// The maximum topic aliases towards a client.
    pub(in crate::mqtt) topic_alias_max: u16,
}

/// A message for one session.
#[derive(Clone, Debug)]
pub(in crate::mqtt) struct Delivery {
    pub(in crate::mqtt) message: Arc<Message>,
    pub(in crate::mqtt) qos: Qos,
    pub(in crate::mqtt) retain: bool,
    pub(in crate::mqtt) ids: SubscriptionIds,
    /// The shared subscription that it belongs to: if this session does not take it, another member
    /// gets it.
    pub(in crate::mqtt) group: Option<Arc<Group>>,
}

impl Delivery {
    /// Bytes that it counts: the message and its entry in the queue.
    pub(super) fn memory(&self) -> usize {
        self.message.memory() + size_of::<Self>()
    }
}

/// The outcomes of deliveries since the last query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::mqtt) struct Outcomes {
    /// Completely acknowledged; at QoS 0: written.
    pub(in crate::mqtt) delivered: u64,
    /// PUBLISH packets written, and their payload bytes.
    pub(in crate::mqtt) sent: u64,
    pub(in crate::mqtt) sent_bytes: u64,
    pub(in crate::mqtt) expired: u64,
    /// Larger than the client's maximum packet size.
    pub(in crate::mqtt) too_large: u64,
    /// Answered with a reason code of 0x80 or more.
    pub(in crate::mqtt) refused: u64,
    /// Dropped in favour of newer ones.
    pub(in crate::mqtt) overtaken: u64,
    /// On topics that the access rules do not allow any more.
    pub(in crate::mqtt) forbidden: u64,
}

/// One subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) struct Subscription {
    pub(in crate::mqtt) options: SubscribeOptions,
    pub(in crate::mqtt) id: Option<NonZeroU32>,
}

/// The report about a message, if it is a command.
pub(super) fn report(
    command: Option<CommandTag>,
    outcome: CommandOutcome,
    place: Option<QueuePlace>,
) -> Option<CommandReport> {
    let CommandTag { id, attempt, .. } = command?;
    Some(CommandReport { command: id, attempt, outcome, place })
}
