//! Publishes in, acknowledgements out.

use std::{
    collections::{BTreeMap, VecDeque},
    num::NonZeroU16,
};

use crate::mqtt::wire::{AckKind, Publish, Qos, Version, Violation, level_count, write_ack};
use crate::uplink::Settlement;

/// The bounds that a session holds its vehicle to; the same for all sessions of a listener.
#[derive(Clone, Copy, Debug)]
pub(in crate::mqtt) struct SessionLimits {
    pub(in crate::mqtt) receive_maximum: u16,
    pub(in crate::mqtt) session_bytes_max: usize,
    pub(in crate::mqtt) topic_alias_max: u16,
    pub(in crate::mqtt) topic_bytes_max: usize,
    pub(in crate::mqtt) topic_levels_max: usize,
    pub(in crate::mqtt) user_properties_max: usize,
}

/// What to do with a publish that breaks no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) enum Admit {
    /// Take it in, then [`Session::queue`] it.
    Take,
    /// Turn it away: queue it as refused, without decoding it.
    Refuse,
    /// It was taken before (QoS 2, sent again before its release): nothing to do.
    Again,
}

/// One publish between its arrival and its acknowledgement.
#[derive(Debug)]
struct Pending {
    /// `None` for QoS 0, which nobody waits for.
    packet_id: Option<NonZeroU16>,
    exactly_once: bool,
    /// How many lanes (or the dead-letter log) still have to make it durable.
    waits: u8,
    settlement: Settlement,
    bytes: u32,
}

/// One live session.
#[derive(Debug)]
pub(in crate::mqtt) struct Session {
    version: Version,
    limits: SessionLimits,
    /// In order of arrival; bounded by the limits, because reading stops at them.
    pending: VecDeque<Pending>,
    /// The number of `pending[0]`.
    first_seq: u64,
    pending_bytes: usize,
    /// Publishes of QoS 0 among `pending`.
    pending_unasked: usize,
    /// Publishes of QoS 1 among `pending`.
    pending_once: usize,
    /// Packet ids of QoS 2 not released yet, and whether their PUBREC has left.
    unreleased: BTreeMap<NonZeroU16, bool>,
    aliases: Vec<Option<Box<str>>>,
}

impl Session {
    pub(in crate::mqtt) fn new(version: Version, limits: SessionLimits) -> Self {
        Self {
            version,
            limits,
            pending: VecDeque::new(),
            first_seq: 0,
            pending_bytes: 0,
            pending_unasked: 0,
            pending_once: 0,
            unreleased: BTreeMap::new(),
            aliases: Vec::new(),
        }
    }

    pub(in crate::mqtt) fn version(&self) -> Version {
        self.version
    }

    /// Judges a publish before anything is done with it, and remembers its topic alias.
    pub(in crate::mqtt) fn admit(&mut self, publish: &Publish<'_>) -> Result<Admit, Violation> {
        if publish.topic.len() > self.limits.topic_bytes_max
            || level_count(publish.topic) > self.limits.topic_levels_max
        {
            return Err(Violation::TopicNameInvalid);
        }
        if publish.user_properties > self.limits.user_properties_max {
            return Err(Violation::QuotaExceeded);
        }
        self.learn_alias(publish)?;
        if let Some(id) = publish.packet_id {
            if publish.qos == Qos::ExactlyOnce
                && let Some(received) = self.unreleased.get(&id)
            {
                // Sent again: the first one's PUBREC is on its way, or has to be repeated.
                return Ok(if *received { self.receive_again(publish) } else { Admit::Again });
            }
            let unfinished = self.pending_once + self.unreleased.len();
            if self.version == Version::V5 && unfinished >= self.limits.receive_maximum.into() {
                return Err(Violation::ReceiveMaximumExceeded); // MQ-3
            }
        }
        let topic = self.topic(publish);
        // Topics of the server's own are not for clients to write to.
        Ok(if topic.starts_with("$SYS/") || topic.starts_with("$share/") {
            Admit::Refuse
        } else {
            Admit::Take
        })
    }

    /// Queues a settled stand-in, so that the repeated PUBREC leaves in its turn.
    fn receive_again(&mut self, publish: &Publish<'_>) -> Admit {
        self.pending.push_back(Pending {
            packet_id: publish.packet_id,
            exactly_once: true,
            waits: 0,
            settlement: Settlement::Spooled,
            bytes: 0,
        });
        Admit::Again
    }

    fn learn_alias(&mut self, publish: &Publish<'_>) -> Result<(), Violation> {
        let Some(alias) = publish.topic_alias else {
            return Ok(());
        };
        if alias == 0 || alias > self.limits.topic_alias_max {
            return Err(Violation::TopicAliasInvalid); // [MQTT-3.3.2-8], [MQTT-3.3.2-9]
        }
        let slot = usize::from(alias) - 1;
        if publish.topic.is_empty() {
            let known = self.aliases.get(slot).is_some_and(Option::is_some);
            return if known { Ok(()) } else { Err(Violation::Protocol) };
        }
        if self.aliases.len() <= slot {
            self.aliases.resize(slot + 1, None);
        }
        self.aliases[slot] = Some(publish.topic.into());
        Ok(())
    }

    /// The topic of a publish that was admitted, its alias resolved.
    pub(in crate::mqtt) fn topic<'a>(&'a self, publish: &Publish<'a>) -> &'a str {
        let known = match publish.topic_alias {
            Some(alias) if publish.topic.is_empty() => {
                self.aliases.get(usize::from(alias) - 1).and_then(Option::as_deref)
            }
            _ => None,
        };
        known.unwrap_or(publish.topic)
    }

    /// The number that the next queued publish gets.
    pub(in crate::mqtt) fn next_seq(&self) -> u64 {
        self.first_seq + self.pending.len() as u64
    }

    /// Remembers a publish until it may be acknowledged.
    pub(in crate::mqtt) fn queue(
        &mut self,
        publish: &Publish<'_>,
        waits: u8,
        settlement: Settlement,
    ) {
        let bytes = u32::try_from(publish.payload.len() + publish.topic.len()).unwrap_or(u32::MAX);
        match (publish.packet_id, publish.qos) {
            (Some(id), Qos::ExactlyOnce) => {
                self.unreleased.insert(id, false);
            }
            (Some(_), _) => self.pending_once += 1,
            (None, _) => self.pending_unasked += 1,
        }
        self.pending_bytes += bytes as usize;
        self.pending.push_back(Pending {
            packet_id: publish.packet_id,
            exactly_once: publish.qos == Qos::ExactlyOnce,
            waits,
            settlement,
            bytes,
        });
    }

    /// One thing that `count` publishes from number `first` on waited for is durable now.
    /// Calls `settled` for each that waits for nothing more.
    pub(in crate::mqtt) fn durable(
        &mut self,
        first: u64,
        count: u32,
        mut settled: impl FnMut(Settlement),
    ) {
        let start = usize::try_from(first - self.first_seq).expect("MQ-2: numbers only grow");
        for pending in self.pending.range_mut(start..start + count as usize) {
            debug_assert!(pending.waits > 0, "UP-1: answered more often than it waited");
            pending.waits -= 1;
            if pending.waits == 0 {
                settled(pending.settlement);
            }
        }
    }

    /// Appends the acknowledgements that may leave now (UP-1, MQ-1).
    pub(in crate::mqtt) fn acknowledge(&mut self, out: &mut Vec<u8>) {
        while self.pending.front().is_some_and(|pending| pending.waits == 0) {
            let Some(pending) = self.pending.pop_front() else { break };
            self.first_seq += 1;
            self.pending_bytes -= pending.bytes as usize;
            let Some(id) = pending.packet_id else {
                self.pending_unasked -= 1;
                continue;
            };
            let reason = reason(pending.settlement);
            if pending.exactly_once {
                write_ack(out, self.version, AckKind::Rec, id, reason);
                if self.version == Version::V5 && reason >= 0x80 {
                    self.unreleased.remove(&id); // The exchange ends here, the id is free.
                } else if let Some(received) = self.unreleased.get_mut(&id) {
                    *received = true;
                }
            } else {
                self.pending_once -= 1;
                write_ack(out, self.version, AckKind::Ack, id, reason);
            }
        }
    }

    /// A PUBREL came: the exchange ends, the id is free. An unknown id is answered alike, because
    /// after a lost PUBCOMP the vehicle can only ask again.
    pub(in crate::mqtt) fn release(&mut self, id: NonZeroU16, out: &mut Vec<u8>) {
        self.unreleased.remove(&id);
        write_ack(out, self.version, AckKind::Comp, id, 0);
    }

    /// Whether reading stops until something is acknowledged.
    pub(in crate::mqtt) fn is_full(&self) -> bool {
        let waiting = match self.version {
            Version::V3 => self.pending.len(),
            // What a 5.0 vehicle may leave unacknowledged it was told; it is held to that (MQ-3)
            // and its pings are answered meanwhile.
            Version::V5 => self.pending_unasked,
        };
        waiting >= self.limits.receive_maximum.into()
            || self.pending_bytes >= self.limits.session_bytes_max
    }

    /// Whether anything waits for its acknowledgement (or, at QoS 0, for the disk).
    pub(in crate::mqtt) fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }
}

/// The reason code with which a publish is acknowledged.
fn reason(settlement: Settlement) -> u8 {
    match settlement {
        Settlement::Spooled | Settlement::Filtered => 0x00,
        Settlement::Unmapped => 0x10,
        Settlement::Refused => 0x87,
        Settlement::DeadLettered => 0x99,
    }
}
