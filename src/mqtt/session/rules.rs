//! Packets in, answers out.

use std::{
    collections::{BTreeMap, VecDeque},
    num::NonZeroU16,
};

use crate::{
    mqtt::{
        clock::Tick,
        close::{Close, KEEP_ALIVE_TIMEOUT, PACKET_TIMEOUT},
        subscribe::{Answer, refuse_filters},
        wire::{
            AckKind, Frame, Kind, Publish, Qos, Version, Violation, level_count, read_ack,
            read_disconnect, read_publish, write_ack,
        },
    },
    uplink::MessageOutcome,
};

/// The bounds that a session holds its vehicle to; the same for all sessions of a listener.
#[derive(Clone, Copy, Debug)]
pub(in crate::mqtt) struct SessionLimits {
    pub(in crate::mqtt) receive_maximum: u16,
    pub(in crate::mqtt) session_bytes_max: usize,
    pub(in crate::mqtt) topic_alias_max: u16,
    pub(in crate::mqtt) topic_bytes_max: usize,
    pub(in crate::mqtt) topic_levels_max: usize,
    pub(in crate::mqtt) user_properties_max: usize,
    /// From the first byte of a packet to its last, in ticks.
    pub(in crate::mqtt) packet_ticks: u32,
}

/// What a CONNECT that was accepted said about the session.
#[derive(Clone, Copy, Debug)]
pub(in crate::mqtt) struct Terms {
    pub(in crate::mqtt) version: Version,
    /// Seconds; 0 switches it off.
    pub(in crate::mqtt) keep_alive: u16,
    /// Whether it asked for a session that outlives its connection, whatever was granted.
    pub(in crate::mqtt) asked_to_last: bool,
}

/// What is left to do for a packet once the rules have had it. Answers that need nobody else are in
/// the output already.
#[derive(Debug, PartialEq)]
pub(in crate::mqtt) enum Action<'a> {
    /// Nothing.
    Nothing,
    /// Take the publish in, then [`Session::queue`] it.
    Take(Publish<'a>),
    /// Count the publish as this, without a look at its payload, then [`Session::queue`] it.
    Refuse(Publish<'a>),
    /// It clears a retained message: it is no measurement, whatever its topic is mapped to. Count
    /// it, then [`Session::queue`] it.
    Clear(Publish<'a>),
    /// Send an answer.
    Answer(Answer),
}

/// Why and with which word a connection ends that has done nothing wrong but be silent.
pub(in crate::mqtt) struct Overdue {
    pub(in crate::mqtt) close: Close,
    pub(in crate::mqtt) cause: &'static str,
}

/// How far the exchange of a QoS 2 publish is, before its PUBREL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Received {
    /// Its PUBREC waits for the disk.
    Waiting,
    /// Its PUBREC has left.
    Acknowledged,
    /// It was sent again, and one more PUBREC waits for its turn: however often it is sent until
    /// then, there is one.
    Repeating,
}

/// One publish between its arrival and its acknowledgement.
#[derive(Debug)]
struct Pending {
    /// `None` for QoS 0, which nobody waits for.
    packet_id: Option<NonZeroU16>,
    exactly_once: bool,
    /// How many lanes (or the dead-letter log) still have to make it durable.
    waits: u8,
    outcome: MessageOutcome,
    bytes: u32,
}

/// One live session.
#[derive(Debug)]
pub(in crate::mqtt) struct Session {
    terms: Terms,
    limits: SessionLimits,
    /// When the last whole packet came (at first: when the session began).
    heard: Tick,
    /// Since when a part of a packet waits for its rest.
    partial: Option<Tick>,
    /// In order of arrival; bounded by the limits, because reading stops at them.
    pending: VecDeque<Pending>,
    /// The number of `pending[0]`.
    first_seq: u64,
    pending_bytes: usize,
    /// Publishes of QoS 0 among `pending`.
    pending_unasked: usize,
    /// Publishes of QoS 1 among `pending`.
    pending_once: usize,
    /// Answers of lanes that are still to come, for all of `pending`.
    unanswered: usize,
    /// Packet identifiers of QoS 2 that are not released yet; bounded by the receive maximum (for
    /// 3.1.1 by its 65,535 identifiers).
    unreleased: BTreeMap<NonZeroU16, Received>,
    aliases: Vec<Option<Box<str>>>,
}

impl Session {
    pub(in crate::mqtt) fn new(terms: Terms, limits: SessionLimits, now: Tick) -> Self {
        Self {
            terms,
            limits,
            heard: now,
            partial: None,
            pending: VecDeque::new(),
            first_seq: 0,
            pending_bytes: 0,
            pending_unasked: 0,
            pending_once: 0,
            unanswered: 0,
            unreleased: BTreeMap::new(),
            aliases: Vec::new(),
        }
    }

    pub(in crate::mqtt) fn terms(&self) -> Terms {
        self.terms
    }

    /// When its last packet came.
    pub(in crate::mqtt) fn heard(&self) -> Tick {
        self.heard
    }

    /// Handles one whole packet, `header` bytes of fixed header included: appends what can be
    /// answered at once to `out` and says what is left to do.
    ///
    /// # Errors
    /// How the connection ends.
    pub(in crate::mqtt) fn on_packet<'a>(
        &mut self,
        frame: Frame,
        packet: &'a [u8],
        out: &mut Vec<u8>,
    ) -> Result<Action<'a>, Close> {
        let version = self.terms.version;
        let body = &packet[frame.header..];
        match frame.kind {
            Kind::Publish(flags) => {
                let publish = read_publish(version, flags, body)?;
                Ok(self.admit(publish)?)
            }
            Kind::PingReq if body.is_empty() => {
                out.extend([0xd0, 0]);
                Ok(Action::Nothing)
            }
            Kind::PubRel => {
                self.release(read_ack(version, body)?.packet_id, out);
                Ok(Action::Nothing)
            }
            // Nothing was sent that these could answer; well formed, they harm nobody.
            Kind::PubAck | Kind::PubComp => {
                read_ack(version, body)?;
                Ok(Action::Nothing)
            }
            Kind::PubRec => {
                let ack = read_ack(version, body)?;
                // A refusal has ended its exchange.
                if ack.reason < 0x80 {
                    write_ack(out, version, AckKind::Rel, ack.packet_id, PACKET_ID_NOT_FOUND);
                }
                Ok(Action::Nothing)
            }
            Kind::Subscribe | Kind::Unsubscribe => {
                Ok(Action::Answer(refuse_filters(version, packet, frame.header)?))
            }
            Kind::Disconnect => {
                let expiry = read_disconnect(version, body)?;
                // Not from zero ([MQTT-3.1.2-27] and 3.14.2.2.2 of 5.0): what counts is what the
                // client asked for in its CONNECT, not what was granted.
                let raised = expiry.is_some_and(|expiry| expiry != 0);
                if raised && !self.terms.asked_to_last {
                    return Err(Violation::Protocol.into());
                }
                Err(Close::Goodbye)
            }
            Kind::PingReq => Err(Violation::Malformed.into()),
            // A second CONNECT ([MQTT-3.1.0-2]); AUTH, which was never asked for.
            Kind::Connect | Kind::Auth => Err(Violation::Protocol.into()),
        }
    }

    /// A turn has read what came: whole packets, a part of one, or both.
    pub(in crate::mqtt) fn read(&mut self, whole: bool, part: bool, now: Tick) {
        if whole {
            self.heard = now;
        }
        let since = self.partial.filter(|_| !whole);
        self.partial = part.then(|| since.unwrap_or(now));
    }

    /// Reading goes on after a pause of ours, in which nothing could be heard.
    pub(in crate::mqtt) fn resumed(&mut self, now: Tick) {
        self.heard = now;
        self.partial = self.partial.map(|_| now);
    }

    /// What is overdue. The keep alive counts from the end of a packet to the beginning of the next
    /// one ([MQTT-3.1.2-24] of 3.1.1, [MQTT-3.1.2-22] of 5.0: one and a half times): bytes that
    /// come are a sign of life, for as long as a packet may take.
    pub(in crate::mqtt) fn overdue(&self, now: Tick) -> Option<Overdue> {
        if let Some(since) = self.partial {
            return (now.since(since) > self.limits.packet_ticks).then(|| Overdue {
                close: Close::Reason(PACKET_TIMEOUT),
                cause: "packet-timeout",
            });
        }
        // In ticks of half a second.
        let keep_alive = u32::from(self.terms.keep_alive) * 3;
        (keep_alive != 0 && now.since(self.heard) > keep_alive).then(|| Overdue {
            close: Close::Reason(KEEP_ALIVE_TIMEOUT),
            cause: "keep-alive-timeout",
        })
    }

    /// Judges a publish before anything is done with it, and remembers its topic alias.
    pub(super) fn admit<'a>(&mut self, publish: Publish<'a>) -> Result<Action<'a>, Violation> {
        if publish.topic.len() > self.limits.topic_bytes_max
            || level_count(publish.topic) > self.limits.topic_levels_max
        {
            return Err(Violation::TopicNameInvalid);
        }
        if publish.user_properties > self.limits.user_properties_max {
            return Err(Violation::QuotaExceeded);
        }
        self.learn_alias(&publish)?;
        if let Some(id) = publish.packet_id {
            if publish.qos == Qos::ExactlyOnce
                && let Some(received) = self.unreleased.get_mut(&id)
            {
                // Sent again: the first one's PUBREC is on its way, or has to be repeated.
                if *received == Received::Acknowledged {
                    *received = Received::Repeating;
                    self.repeat(id);
                }
                return Ok(Action::Nothing);
            }
            let unfinished = self.pending_once + self.unreleased.len();
            if self.terms.version == Version::V5 && unfinished >= self.limits.receive_maximum.into()
            {
                return Err(Violation::ReceiveMaximumExceeded); // MQ-3
            }
        }
        let topic = self.topic(&publish);
        // Topics of the server's own are not for clients to write to.
        Ok(if topic.starts_with("$SYS/") || topic.starts_with("$share/") {
            Action::Refuse(publish)
        } else if publish.retain && publish.payload.is_empty() {
            Action::Clear(publish)
        } else {
            Action::Take(publish)
        })
    }

    /// Queues a stand-in that waits for nothing, so that the repeated PUBREC leaves in its turn.
    fn repeat(&mut self, id: NonZeroU16) {
        self.pending.push_back(Pending {
            packet_id: Some(id),
            exactly_once: true,
            waits: 0,
            outcome: MessageOutcome::Spooled,
            bytes: 0,
        });
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
        outcome: MessageOutcome,
    ) {
        let bytes = u32::try_from(publish.payload.len() + publish.topic.len()).unwrap_or(u32::MAX);
        match (publish.packet_id, publish.qos) {
            (Some(id), Qos::ExactlyOnce) => {
                self.unreleased.insert(id, Received::Waiting);
            }
            (Some(_), _) => self.pending_once += 1,
            (None, _) => self.pending_unasked += 1,
        }
        self.pending_bytes += bytes as usize;
        self.unanswered += usize::from(waits);
        self.pending.push_back(Pending {
            packet_id: publish.packet_id,
            exactly_once: publish.qos == Qos::ExactlyOnce,
            waits,
            outcome,
            bytes,
        });
    }

    /// One thing that `count` publishes from number `first` on waited for is durable now.
    /// Calls `finished` for each that waits for nothing more.
    pub(in crate::mqtt) fn durable(
        &mut self,
        first: u64,
        count: u32,
        mut finished: impl FnMut(MessageOutcome),
    ) {
        self.unanswered -= count as usize;
        let start = usize::try_from(first - self.first_seq).expect("MQ-2: numbers only grow");
        for pending in self.pending.range_mut(start..start + count as usize) {
            debug_assert!(pending.waits > 0, "UP-1: answered more often than it waited");
            pending.waits -= 1;
            if pending.waits == 0 {
                finished(pending.outcome);
            }
        }
    }

    /// What `count` publishes waited for will never be durable: they are never acknowledged (UP-2).
    pub(in crate::mqtt) fn lost(&mut self, count: u32) {
        self.unanswered -= count as usize;
    }

    /// Whether no lane has an answer for it any more.
    pub(in crate::mqtt) fn is_answered(&self) -> bool {
        self.unanswered == 0
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
            let (version, reason) = (self.terms.version, reason(pending.outcome));
            if pending.exactly_once {
                write_ack(out, version, AckKind::Rec, id, reason);
                if version == Version::V5 && reason >= 0x80 {
                    self.unreleased.remove(&id); // The exchange ends here, the id is free.
                } else if let Some(received) = self.unreleased.get_mut(&id) {
                    *received = Received::Acknowledged;
                }
            } else {
                self.pending_once -= 1;
                write_ack(out, version, AckKind::Ack, id, reason);
            }
        }
    }

    /// A PUBREL came: the exchange ends, the id is free. One that is not held is not found, which
    /// 5.0 has a word for (3.7.2.1); in 3.1.1, after a lost PUBCOMP, the vehicle can only ask
    /// again.
    pub(super) fn release(&mut self, id: NonZeroU16, out: &mut Vec<u8>) {
        let reason = if self.unreleased.remove(&id).is_some() { 0 } else { PACKET_ID_NOT_FOUND };
        write_ack(out, self.terms.version, AckKind::Comp, id, reason);
    }

    /// Whether reading stops until something is acknowledged.
    pub(in crate::mqtt) fn is_full(&self) -> bool {
        let waiting = match self.terms.version {
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

/// Packet identifier not found.
const PACKET_ID_NOT_FOUND: u8 = 0x92;

/// The reason code with which a publish is acknowledged.
fn reason(outcome: MessageOutcome) -> u8 {
    match outcome {
        MessageOutcome::Spooled | MessageOutcome::Filtered => 0x00,
        MessageOutcome::Unmapped => 0x10,
        MessageOutcome::Refused => 0x87,
        MessageOutcome::DeadLettered => 0x99,
    }
}
