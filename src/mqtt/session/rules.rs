//! The rules: packets in, answers and actions out.

use std::{
    collections::{BTreeMap, VecDeque},
    num::NonZeroU16,
    sync::Arc,
};

use super::{
    delivery::{ClientLimits, QueueLimits},
    outbound::Outbound,
    pending::{Pending, Received},
    stored::Resume,
};
use crate::mqtt::{
    clock::Tick,
    close::{Close, KEEP_ALIVE_TIMEOUT, PACKET_TIMEOUT},
    wire::{
        AckKind, Frame, Kind, Publish, Qos, Subscribe, Unsubscribe, Version, Violation,
        level_count, read_ack, read_disconnect, read_publish, read_subscribe, read_unsubscribe,
        write_ack,
    },
};

/// The bounds of a session; the same for all sessions of a listener.
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
    /// The longest silence of a client with a longer keep alive, or none; 0: no bound.
    pub(in crate::mqtt) idle_ticks: u32,
    pub(in crate::mqtt) queue: QueueLimits,
}

/// What an accepted CONNECT says about the session.
#[derive(Clone, Copy, Debug)]
pub(in crate::mqtt) struct Terms {
    pub(in crate::mqtt) version: Version,
    /// Seconds; 0 switches it off.
    pub(in crate::mqtt) keep_alive: u16,
    /// Whether it requested a session with an expiry, whatever was granted.
    pub(in crate::mqtt) wants_persistence: bool,
    /// Whether it requests problem information (reason strings).
    pub(in crate::mqtt) wants_reasons: bool,
    pub(in crate::mqtt) takes: ClientLimits,
}

/// What is left to do for a packet after the rules. Answers that need nothing else are already in
/// the output.
#[derive(Debug, PartialEq)]
pub(in crate::mqtt) enum Action<'a> {
    /// Nothing.
    Nothing,
    /// Pass the publish to the uplink, then [`Session::queue`] it.
    Take(Publish<'a>),
    /// Count the publish as refused, without decoding its payload, then [`Session::queue`] it.
    Refuse(Publish<'a>),
    /// Make the allowed subscriptions, and answer.
    Subscribe(Subscribe<'a>),
    /// End subscriptions, and answer.
    Unsubscribe(Unsubscribe<'a>),
    /// End the exchange of a publish, and answer with PUBCOMP once that is durable.
    Complete(NonZeroU16),
}

/// The reason and reason code with which a connection ends that was silent for too long.
pub(in crate::mqtt) struct Overdue {
    pub(in crate::mqtt) close: Close,
    pub(in crate::mqtt) cause: &'static str,
}

/// One live session.
#[derive(Debug)]
pub(in crate::mqtt) struct Session {
    pub(super) terms: Terms,
    pub(super) limits: Arc<SessionLimits>,
    /// When the last whole packet arrived (at first: when the session began).
    heard: Tick,
    /// Since when an incomplete packet waits for its rest.
    partial: Option<Tick>,
    /// In order of arrival; bounded by the limits, because reading stops at them.
    pub(super) pending: VecDeque<Pending>,
    /// The number of `pending[0]`.
    pub(super) first_seq: u64,
    pub(super) pending_bytes: usize,
    /// Publishes of QoS 0 among `pending`.
    pub(super) pending_qos0: usize,
    /// Publishes of QoS 1 among `pending`.
    pub(super) pending_qos1: usize,
    /// Missing answers of lanes, for all of `pending`.
    pub(super) unanswered: usize,
    /// Packet identifiers of QoS 2 that are not released yet; bounded by the receive maximum (for
    /// 3.1.1 by its 65,535 identifiers).
    pub(super) unreleased: BTreeMap<NonZeroU16, Received>,
    aliases: Vec<Option<Box<str>>>,
    /// Only for a persistent session.
    resume: Option<Box<Resume>>,
    /// Created by the first subscription: a vehicle that only publishes needs only a pointer for
    /// it.
    pub(in crate::mqtt) outbound: Option<Box<Outbound>>,
}

impl Session {
    pub(in crate::mqtt) fn new(terms: Terms, limits: Arc<SessionLimits>, now: Tick) -> Self {
        Self {
            terms,
            limits,
            heard: now,
            partial: None,
            pending: VecDeque::new(),
            first_seq: 0,
            pending_bytes: 0,
            pending_qos0: 0,
            pending_qos1: 0,
            unanswered: 0,
            unreleased: BTreeMap::new(),
            aliases: Vec::new(),
            resume: None,
            outbound: None,
        }
    }

    /// Messages of the queue with lower numbers may have been sent by earlier connections.
    pub(in crate::mqtt) fn maybe_sent(&self) -> u64 {
        self.resume.as_deref().map_or(0, |resume| resume.sent)
    }

    /// The outbound side, created if missing.
    pub(in crate::mqtt) fn outbound_or_new(&mut self) -> &mut Outbound {
        let Self { terms, limits, resume, outbound, .. } = self;
        outbound.get_or_insert_with(|| {
            let mut outbound = Outbound::new(terms.version, terms.takes, Arc::clone(limits));
            if let Some(resume) = resume.as_deref() {
                outbound.resume(*resume);
            }
            Box::new(outbound)
        })
    }

    /// Makes the session persistent: it resumes its queue and the QoS 2 publishes that the client
    /// sent and has not released.
    pub(in crate::mqtt) fn lasts(&mut self, resume: Resume, received: &[u16]) {
        self.resume = Some(Box::new(resume));
        let received = received.iter().filter_map(|id| NonZeroU16::new(*id));
        self.unreleased.extend(received.map(|id| (id, Received::Acknowledged)));
        if resume.first != resume.next {
            self.outbound_or_new();
        }
    }

    pub(in crate::mqtt) fn terms(&self) -> Terms {
        self.terms
    }

    /// When its last packet arrived.
    pub(in crate::mqtt) fn heard(&self) -> Tick {
        self.heard
    }

    /// Handles one whole packet, including `header` bytes of fixed header: appends what can be
    /// answered at once to `out`, and returns what is left to do.
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
                let id = read_ack(version, AckKind::Rel, body)?.packet_id;
                let is_left = self.release(id, self.resume.is_some(), out);
                Ok(if is_left { Action::Complete(id) } else { Action::Nothing })
            }
            // An acknowledgement of something that was never sent has no effect if it is well
            // formed.
            Kind::PubAck => {
                let ack = read_ack(version, AckKind::Ack, body)?;
                if let Some(outbound) = self.outbound.as_mut() {
                    outbound.on_puback(ack.packet_id, ack.reason)?;
                }
                Ok(Action::Nothing)
            }
            Kind::PubComp => {
                let ack = read_ack(version, AckKind::Comp, body)?;
                if let Some(outbound) = self.outbound.as_mut() {
                    outbound.on_pubcomp(ack.packet_id)?;
                }
                Ok(Action::Nothing)
            }
            Kind::PubRec => {
                let ack = read_ack(version, AckKind::Rec, body)?;
                if let Some(outbound) = self.outbound.as_mut() {
                    outbound.on_pubrec(ack.packet_id, ack.reason, out)?;
                } else if ack.reason < 0x80 {
                    // A refusal has already ended its exchange.
                    write_ack(out, version, AckKind::Rel, ack.packet_id, 0);
                }
                Ok(Action::Nothing)
            }
            Kind::Subscribe => Ok(Action::Subscribe(read_subscribe(version, body)?)),
            Kind::Unsubscribe => Ok(Action::Unsubscribe(read_unsubscribe(version, body)?)),
            Kind::Disconnect => {
                let goodbye = read_disconnect(version, body)?;
                // Not from zero ([MQTT-3.1.2-27] and 3.14.2.2.2 of 5.0): the value in the client's
                // CONNECT counts, not the granted one.
                let raised = goodbye.session_expiry.is_some_and(|expiry| expiry != 0);
                if raised && !self.terms.wants_persistence {
                    return Err(Violation::Protocol.into());
                }
                // [MQTT-3.14.4-3]
                Err(Close::Goodbye {
                    with_will: goodbye.reason != 0,
                    expiry: goodbye.session_expiry,
                })
            }
            // No DISCONNECT, because the peer may not be an MQTT client.
            Kind::PingReq => Err(Close::Silent),
            // A second CONNECT ([MQTT-3.1.0-2]), or an AUTH without enhanced authentication.
            Kind::Connect | Kind::Auth => Err(Violation::Protocol.into()),
        }
    }

    /// A turn has read whole packets, a part of one, or both.
    pub(in crate::mqtt) fn read(&mut self, whole: bool, part: bool, now: Tick) {
        if whole {
            self.heard = now;
        }
        let since = self.partial.filter(|_| !whole);
        self.partial = part.then(|| since.unwrap_or(now));
    }

    /// Reading resumes after a pause, in which no packet could be read.
    pub(in crate::mqtt) fn resumed(&mut self, now: Tick) {
        self.heard = now;
        self.partial = self.partial.map(|_| now);
    }

    /// Whether the connection is overdue. The keep alive counts from the end of a packet to the
    /// beginning of the next one ([MQTT-3.1.2-24] of 3.1.1, [MQTT-3.1.2-22] of 5.0: one and a half
    /// times): received bytes are a sign of life, as long as a packet may take.
    pub(in crate::mqtt) fn overdue(&self, now: Tick) -> Option<Overdue> {
        if let Some(since) = self.partial {
            return (now.since(since) > self.limits.packet_ticks).then_some(Overdue {
                close: Close::Reason(PACKET_TIMEOUT),
                cause: "packet-timeout",
            });
        }
        // In ticks of half a second.
        let keep_alive = u32::from(self.terms.keep_alive) * 3;
        let idle = self.limits.idle_ticks;
        let (most, cause) = match keep_alive == 0 || keep_alive > idle {
            true if idle != 0 => (idle, "idle-max"),
            _ => (keep_alive, "keep-alive-timeout"),
        };
        (most != 0 && now.since(self.heard) > most)
            .then_some(Overdue { close: Close::Reason(KEEP_ALIVE_TIMEOUT), cause })
    }

    /// Checks a publish before it is processed, and remembers its topic alias.
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
                && *received != Received::Completing
            {
                // Sent again: the PUBREC of the first one is on its way, or must be repeated
                // ([MQTT-4.3.3-10]).
                if *received == Received::Acknowledged {
                    *received = Received::Repeating;
                    self.repeat(id);
                }
                return Ok(Action::Nothing);
            }
            let unfinished = self.pending_qos1 + self.unreleased.len();
            if self.terms.version == Version::V5 && unfinished >= self.limits.receive_maximum.into()
            {
                return Err(Violation::ReceiveMaximumExceeded); // MQ-3
            }
        }
        let topic = self.topic(&publish);
        // Clients may not publish on the server's own topics.
        Ok(if topic.starts_with("$SYS/") || topic.starts_with("$share/") {
            Action::Refuse(publish)
        } else {
            Action::Take(publish)
        })
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

    /// The topic of an admitted publish, its alias resolved.
    pub(in crate::mqtt) fn topic<'a>(&'a self, publish: &Publish<'a>) -> &'a str {
        let known = match publish.topic_alias {
            Some(alias) if publish.topic.is_empty() => {
                self.aliases.get(usize::from(alias) - 1).and_then(Option::as_deref)
            }
            _ => None,
        };
        known.unwrap_or(publish.topic)
    }
}
