//! Publishes between their arrival and their acknowledgement.

use std::num::NonZeroU16;

use super::rules::{Session, Terms};
use crate::{
    mqtt::wire::{AckKind, Publish, Qos, Version, write_ack, write_ack_with_reason},
    uplink::{MessageOutcome, Taken},
};

/// What a publish waits for before its acknowledgement, and the reason code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) struct Held {
    /// Lanes (or the dead-letter log) that still have to make it durable.
    pub(in crate::mqtt) waits: u8,
    /// Workers that still have to deliver it to their subscribers.
    pub(in crate::mqtt) passes: u16,
    pub(in crate::mqtt) outcome: MessageOutcome,
    /// Its reason code in 5.0.
    pub(in crate::mqtt) reason: u8,
}

impl Held {
    /// For a message that only the uplink has handled: `0x10` if no mapping took it.
    pub(in crate::mqtt) fn of(taken: Taken) -> Self {
        let Taken { waits, outcome } = taken;
        Self { waits, passes: 0, outcome, reason: reason(outcome) }
    }
}

/// The state of a received QoS 2 publish, up to its PUBCOMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// Its PUBREC waits for the disk.
    Waiting,
    /// Its PUBREC was sent.
    Acknowledged,
    /// The client sent it again, and one more PUBREC waits for its turn: only one, even if it is
    /// sent several times.
    Repeating,
    /// Its PUBREL arrived, and the PUBCOMP waits for the disk.
    Completing,
}

/// One publish between its arrival and its acknowledgement.
#[derive(Debug)]
pub(super) struct Pending {
    /// `None` for QoS 0, which is not acknowledged.
    packet_id: Option<NonZeroU16>,
    exactly_once: bool,
    held: Held,
    bytes: u32,
}

impl Pending {
    fn is_due(&self) -> bool {
        self.held.waits == 0 && self.held.passes == 0
    }
}

impl Session {
    /// The number of the next queued publish.
    pub(in crate::mqtt) fn next_seq(&self) -> u64 {
        self.first_seq + self.pending.len() as u64
    }

    /// The client's unacknowledged publishes.
    pub(in crate::mqtt) fn unacknowledged(&self) -> usize {
        self.pending.len()
    }

    /// Remembers a publish until it may be acknowledged.
    pub(in crate::mqtt) fn queue(&mut self, publish: &Publish<'_>, held: Held) {
        let bytes = u32::try_from(publish.payload.len() + publish.topic.len()).unwrap_or(u32::MAX);
        match (publish.packet_id, publish.qos) {
            (Some(id), Qos::ExactlyOnce) => {
                self.unreleased.insert(id, Received::Waiting);
            }
            (Some(_), _) => self.pending_qos1 += 1,
            (None, _) => self.pending_qos0 += 1,
        }
        self.pending_bytes += bytes as usize;
        self.unanswered += usize::from(held.waits);
        self.pending.push_back(Pending {
            packet_id: publish.packet_id,
            exactly_once: publish.qos == Qos::ExactlyOnce,
            held,
            bytes,
        });
    }

    /// One lane's part of `count` publishes from number `first` on is durable now.
    /// Calls `finished` for each publish that waits for nothing more.
    pub(in crate::mqtt) fn durable(
        &mut self,
        first: u64,
        count: u32,
        mut finished: impl FnMut(MessageOutcome),
    ) {
        self.unanswered -= count as usize;
        let start = usize::try_from(first - self.first_seq).expect("MQ-2: numbers only grow");
        for Pending { held, .. } in self.pending.range_mut(start..start + count as usize) {
            debug_assert!(held.waits > 0, "UP-1: answered more often than it waited");
            held.waits -= 1;
            if held.waits == 0 {
                finished(held.outcome);
            }
        }
    }

    /// A worker has delivered a publish to its subscribers, or need not be waited for.
    pub(in crate::mqtt) fn passed(&mut self, seq: u64) {
        let place = usize::try_from(seq - self.first_seq).expect("MQ-2: numbers only grow");
        if let Some(Pending { held, .. }) = self.pending.get_mut(place) {
            debug_assert!(held.passes > 0, "passed more often than it was brought");
            held.passes -= 1;
        }
    }

    /// A publish is sent to this many more workers.
    pub(in crate::mqtt) fn brought(&mut self, seq: u64, workers: u16) {
        let place = seq.checked_sub(self.first_seq).and_then(|place| usize::try_from(place).ok());
        if let Some(pending) = place.and_then(|place| self.pending.get_mut(place)) {
            pending.held.passes += workers;
        }
    }

    /// No mapping and no subscriber took a publish.
    pub(in crate::mqtt) fn not_taken(&mut self, seq: u64) {
        let place = seq.checked_sub(self.first_seq).and_then(|place| usize::try_from(place).ok());
        if let Some(pending) = place.and_then(|place| self.pending.get_mut(place)) {
            pending.held.reason = QUOTA_EXCEEDED;
        }
    }

    /// Whether a publish no longer waits for a lane.
    pub(in crate::mqtt) fn is_spooled(&self, seq: u64) -> bool {
        let place = seq.checked_sub(self.first_seq).and_then(|place| usize::try_from(place).ok());
        place.is_none_or(|place| self.pending.get(place).is_none_or(|one| one.held.waits == 0))
    }

    /// `count` publishes will never be durable, and are never acknowledged (UP-2).
    pub(in crate::mqtt) fn lost(&mut self, count: u32) {
        self.unanswered -= count as usize;
    }

    /// Whether no answer of a lane is missing.
    pub(in crate::mqtt) fn is_answered(&self) -> bool {
        self.unanswered == 0
    }

    /// Whether no publish waits for anything.
    pub(in crate::mqtt) fn is_settled(&self) -> bool {
        self.pending.iter().all(Pending::is_due)
    }

    /// Whether the next acknowledgement to send is a PUBREC.
    pub(in crate::mqtt) fn is_receipt_due(&self) -> bool {
        self.pending.front().is_some_and(|pending| pending.is_due() && pending.exactly_once)
    }

    /// Appends the acknowledgements that may be sent now (UP-1, MQ-1); returns their number.
    pub(in crate::mqtt) fn acknowledge(&mut self, out: &mut Vec<u8>) -> u64 {
        let mut count = 0;
        while self.pending.front().is_some_and(Pending::is_due) {
            let Some(pending) = self.pending.pop_front() else { break };
            self.first_seq += 1;
            self.pending_bytes -= pending.bytes as usize;
            let Some(id) = pending.packet_id else {
                self.pending_qos0 -= 1;
                continue;
            };
            let (version, reason) = (self.terms.version, pending.held.reason);
            count += 1;
            if pending.exactly_once {
                self.answer(AckKind::Rec, id, reason, out);
                if version == Version::V5 && reason >= 0x80 {
                    self.unreleased.remove(&id); // The exchange ends here, the id is free.
                } else if let Some(received) = self.unreleased.get_mut(&id) {
                    *received = Received::Acknowledged;
                }
            } else {
                self.pending_qos1 -= 1;
                self.answer(AckKind::Ack, id, reason, out);
            }
        }
        count
    }

    /// Handles a PUBREL: the exchange ends, and the id is free; in a persistent session only when
    /// that is durable, which the caller must do if this returns true. An unknown id gets 0x92 in
    /// 5.0 (3.7.2.1); in 3.1.1 a vehicle that lost the PUBCOMP can only send PUBREL again.
    pub(super) fn release(&mut self, id: NonZeroU16, lasts: bool, out: &mut Vec<u8>) -> bool {
        match self.unreleased.get_mut(&id) {
            // There is only one, even if it is requested several times before it is sent.
            Some(Received::Completing) => false,
            Some(received) if lasts => {
                *received = Received::Completing;
                true
            }
            held => {
                let reason = if held.is_some() { 0 } else { PACKET_ID_NOT_FOUND };
                self.unreleased.remove(&id);
                self.answer(AckKind::Comp, id, reason, out);
                false
            }
        }
    }

    /// The end of an exchange is durable: its PUBCOMP is sent, and its id is free.
    pub(in crate::mqtt) fn completed(&mut self, id: NonZeroU16, out: &mut Vec<u8>) {
        // If another exchange has begun with this id, the client did not wait for the PUBCOMP.
        if self.unreleased.get(&id) == Some(&Received::Completing) {
            self.unreleased.remove(&id);
        }
        self.answer(AckKind::Comp, id, 0, out);
    }

    fn answer(&self, kind: AckKind, id: NonZeroU16, reason: u8, out: &mut Vec<u8>) {
        let Terms { version, wants_reasons, takes, .. } = self.terms;
        if reason >= 0x80 && wants_reasons {
            write_ack_with_reason(out, kind, id, reason, takes.packet_bytes_max);
        } else {
            write_ack(out, version, kind, id, reason);
        }
    }

    /// Whether reading stops until something is acknowledged.
    pub(in crate::mqtt) fn is_full(&self) -> bool {
        let waiting = match self.terms.version {
            Version::V3 => self.pending.len(),
            // A 5.0 client knows its receive maximum, which is enforced (MQ-3); so its pings are
            // read and answered meanwhile.
            Version::V5 => self.pending_qos0,
        };
        waiting >= self.limits.receive_maximum.into()
            || self.pending_bytes >= self.limits.session_bytes_max
    }

    /// Whether anything waits for its acknowledgement (or, at QoS 0, for the disk).
    pub(in crate::mqtt) fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// Queues a placeholder that waits for nothing, so that the repeated PUBREC is sent in its
    /// turn.
    pub(super) fn repeat(&mut self, id: NonZeroU16) {
        self.pending.push_back(Pending {
            packet_id: Some(id),
            exactly_once: true,
            held: Held { waits: 0, passes: 0, outcome: MessageOutcome::Spooled, reason: 0 },
            bytes: 0,
        });
    }
}

/// Quota exceeded: a message that no mapping and no subscriber took.
pub(in crate::mqtt) const QUOTA_EXCEEDED: u8 = 0x97;
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
