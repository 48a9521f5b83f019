//! The messages of one vehicle that were published but not acknowledged: pure, with packets and
//! time as input.
//!
//! Invariants:
//! - **SIM-1** a message counts as acknowledged once, when its PUBACK (QoS 1) or PUBREC (QoS 2)
//!   without a failure code was read, and never because it was sent.
//! - **SIM-2** at most `window` messages are unfinished; at QoS 1 and 2 an unfinished one is sent
//!   again after a reconnect, with its old number, before any new message.
//!
//! A queue and not a table by packet identifier: brokers nearly always answer in order, so the
//! search for an identifier ends at the front.

use std::collections::VecDeque;

use crate::mqtt::wire::Qos;

/// The largest packet identifier of a message; larger ones are for other packets.
pub(super) const MESSAGE_ID_MAX: u16 = 65_000;
/// Unfinished messages after one with a late answer; at this limit a session stops, so that packet
/// identifiers cannot collide.
const QUEUE_MAX: usize = 32_768;

/// The state of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Sent; no answer yet.
    Sent,
    /// QoS 2: received, PUBREL is next.
    Received,
    /// Completed; remains in the queue until the earlier ones are completed.
    Done,
}

#[derive(Clone, Copy, Debug)]
struct Exchange {
    message: u64,
    sent_at: u64,
    id: u16,
    stage: Stage,
}

/// The effect of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The message was acknowledged, `nanos` nanoseconds after it was (last) sent.
    Acknowledged { message: u64, nanos: u64 },
    /// The message was refused and will not be sent again.
    Refused { message: u64 },
    /// No effect on counts: the end of a QoS 2 exchange, or an unknown packet identifier.
    Nothing,
}

/// The exchanges of one vehicle. Times are nanoseconds of one monotonic clock.
#[derive(Debug)]
pub(super) struct Session {
    qos: Qos,
    queue: VecDeque<Exchange>,
    /// Exchanges in the queue that are not completed.
    open: usize,
    last_id: u16,
    /// The number of the next new message.
    next: u64,
}

impl Session {
    pub(super) fn new(qos: Qos) -> Self {
        Self { qos, queue: VecDeque::new(), open: 0, last_id: 0, next: 0 }
    }

    /// How many messages were sent, repetitions excluded.
    pub(super) fn begun(&self) -> u64 {
        self.next
    }

    /// Whether another message may be sent.
    pub(super) fn has_room(&self, window: usize) -> bool {
        self.open < window && self.queue.len() < QUEUE_MAX
    }

    /// Begins the next message: its packet identifier (0 at QoS 0).
    pub(super) fn begin(&mut self, now: u64) -> u16 {
        let message = self.next;
        self.next += 1;
        if self.qos == Qos::AtMostOnce {
            return 0;
        }
        self.last_id = self.last_id % MESSAGE_ID_MAX + 1;
        self.queue.push_back(Exchange {
            message,
            sent_at: now,
            id: self.last_id,
            stage: Stage::Sent,
        });
        self.open += 1;
        self.last_id
    }

    /// A PUBACK was read.
    pub(super) fn puback(&mut self, id: u16, code: u8, now: u64) -> Answer {
        self.answered(id, code, now)
    }

    /// A PUBREC was read; unless it refuses, PUBREL must follow, for a known or unknown identifier.
    pub(super) fn pubrec(&mut self, id: u16, code: u8, now: u64) -> Answer {
        if code >= 0x80 {
            return self.answered(id, code, now);
        }
        match self.find(id) {
            Some(exchange) if exchange.stage == Stage::Sent => {
                exchange.stage = Stage::Received;
                let nanos = now.saturating_sub(exchange.sent_at);
                Answer::Acknowledged { message: exchange.message, nanos }
            }
            _ => Answer::Nothing,
        }
    }

    /// A PUBCOMP was read.
    pub(super) fn pubcomp(&mut self, id: u16) {
        if self.find(id).is_some_and(|exchange| exchange.stage == Stage::Received) {
            self.close(id);
        }
    }

    /// A new connection is established: returns what must be sent again, oldest first, as (message,
    /// packet id).
    ///
    /// A QoS 2 exchange that was received but not released ends here: the broker has its message,
    /// and keeps no session in which to release it.
    pub(super) fn reconnected(&mut self, now: u64) -> Vec<(u64, u16)> {
        self.queue.retain(|exchange| exchange.stage == Stage::Sent);
        self.open = self.queue.len();
        let again = self.queue.iter_mut().map(|exchange| {
            exchange.sent_at = now;
            (exchange.message, exchange.id)
        });
        again.collect()
    }

    fn answered(&mut self, id: u16, code: u8, now: u64) -> Answer {
        let Some(&mut Exchange { message, sent_at, stage: Stage::Sent, .. }) = self.find(id) else {
            return Answer::Nothing;
        };
        self.close(id);
        if code >= 0x80 {
            return Answer::Refused { message };
        }
        Answer::Acknowledged { message, nanos: now.saturating_sub(sent_at) }
    }

    fn find(&mut self, id: u16) -> Option<&mut Exchange> {
        self.queue.iter_mut().find(|exchange| exchange.id == id && exchange.stage != Stage::Done)
    }

    fn close(&mut self, id: u16) {
        if let Some(exchange) = self.find(id) {
            exchange.stage = Stage::Done;
            self.open -= 1;
        }
        while self.queue.front().is_some_and(|exchange| exchange.stage == Stage::Done) {
            self.queue.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(qos: Qos, messages: u64) -> Session {
        let mut session = Session::new(qos);
        for at in 0..messages {
            session.begin(at);
        }
        session
    }

    #[test]
    fn a_message_is_acknowledged_once_and_not_by_being_sent() {
        let mut session = begun(Qos::AtLeastOnce, 1);
        assert_eq!(session.open, 1);
        assert_eq!(session.puback(1, 0, 7), Answer::Acknowledged { message: 0, nanos: 7 });
        assert_eq!(session.puback(1, 0, 8), Answer::Nothing);
        assert_eq!(session.open, 0);
    }

    #[test]
    fn answers_out_of_order_end_the_message_they_name() {
        let mut session = begun(Qos::AtLeastOnce, 3);
        assert!(!session.has_room(3));
        assert_eq!(session.puback(3, 0, 10), Answer::Acknowledged { message: 2, nanos: 8 });
        assert!(session.has_room(3));
        assert_eq!(session.puback(2, 0x99, 10), Answer::Refused { message: 1 });
        assert_eq!(session.puback(1, 0x10, 10), Answer::Acknowledged { message: 0, nanos: 10 });
        assert!(session.queue.is_empty());
    }

    #[test]
    fn exactly_once_is_acknowledged_at_pubrec_and_leaves_the_window_at_pubcomp() {
        let mut session = begun(Qos::ExactlyOnce, 2);
        assert_eq!(session.pubrec(1, 0, 5), Answer::Acknowledged { message: 0, nanos: 5 });
        assert_eq!(session.pubrec(1, 0, 6), Answer::Nothing);
        assert_eq!(session.open, 2);
        session.pubcomp(1);
        assert_eq!(session.open, 1);
        assert_eq!(session.pubrec(2, 0x99, 6), Answer::Refused { message: 1 });
        assert_eq!(session.open, 0);
    }

    #[test]
    fn a_reconnect_sends_again_what_was_not_acknowledged_in_order() {
        let mut session = begun(Qos::AtLeastOnce, 4);
        session.puback(2, 0, 5);
        assert_eq!(session.reconnected(9), [(0, 1), (2, 3), (3, 4)]);
        assert_eq!(session.open, 3);
        assert_eq!(session.puback(1, 0, 10), Answer::Acknowledged { message: 0, nanos: 1 });

        let mut session = begun(Qos::ExactlyOnce, 2);
        session.pubrec(1, 0, 5);
        assert_eq!(session.reconnected(9), [(1, 2)], "the first is the broker's");
    }

    #[test]
    fn at_most_once_keeps_nothing() {
        let mut session = begun(Qos::AtMostOnce, 5);
        assert_eq!((session.open, session.begun()), (0, 5));
        assert!(session.reconnected(1).is_empty());
    }

    #[test]
    fn packet_ids_go_round_without_zero_and_those_of_receipts() {
        let mut session = Session::new(Qos::AtLeastOnce);
        for at in 0..200_000 {
            let id = session.begin(at);
            assert!((1..=MESSAGE_ID_MAX).contains(&id));
            assert!(matches!(session.puback(id, 0, at), Answer::Acknowledged { .. }));
        }
    }
}
