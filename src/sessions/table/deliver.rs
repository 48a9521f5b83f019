//! Applies a publish: the queues that get it, and the decision if they are full.

use super::{
    apply::{Applied, Mode, Outcome, Placed, Published},
    session::Connection,
    state::Table,
};
use crate::{
    model::UnixNanos,
    sessions::{
        QueueOverflow,
        bytes::Reader,
        message::StoredMessage,
        record::{DELIVERY_IS_COMMAND, DELIVERY_MAY_WAIT, ENDED, REFUSED, read_block},
    },
};

impl Table {
    pub(super) fn publish(
        &mut self,
        reader: &mut Reader<'_>,
        mode: Mode,
        applied: &mut Applied,
    ) -> Option<Outcome> {
        let retained_as = reader.u64()?;
        let (from, packet_id) = (reader.u64()?, reader.u16()?);
        let will = reader.u64()?;
        // The message follows its deliveries in the record, so these are read twice.
        let count = reader.u32()?;
        let mut deliveries = *reader;
        for _ in 0..count {
            reader.skip(8 + 8 + 8 + 1)?;
            let ids = reader.u16()?;
            reader.skip(4 * usize::from(ids))?;
        }
        let (offset, block) = read_block(reader)?;
        if let Some(session) = self.sessions.get_mut(&from).filter(|_| packet_id != 0) {
            session.receive(packet_id);
        }
        self.forget_will(will);
        let mut published = Published::default();
        if block.is_empty() {
            return (count == 0).then_some(Outcome::Published(published));
        }
        let message = self.fresh(offset, block, applied);
        if retained_as != 0 {
            let topic = StoredMessage::topic_of(block)?;
            let is_clear = StoredMessage::read(block)?.payload.is_empty();
            self.retain(topic, (!is_clear).then_some(message), retained_as);
        }
        let len = u32::try_from(block.len()).ok()?;
        published.deliveries.reserve(count as usize);
        for _ in 0..count {
            let record = read_delivery(&mut deliveries)?;
            match mode {
                Mode::Live => self.deliver(&record, message, len, applied, &mut published),
                Mode::Again => self.deliver_again(&record, message, len),
            }
        }
        Some(Outcome::Published(published))
    }

    /// Queues a message, or decides what to do with it.
    fn deliver(
        &mut self,
        record: &DeliveryRecord<'_>,
        message: u32,
        len: u32,
        applied: &mut Applied,
        published: &mut Published,
    ) {
        let decided = self.decide(record, len);
        let number = decided.number();
        applied.patches.push((record.patched, number));
        let live = self.live(record.session);
        let mut placed = Placed { session: record.session, number: None, overtaken: None, live };
        match decided {
            Decided::Refused => self.count_dropped(record.session),
            Decided::Ended => {
                // Its connection has already ended.
                let now = self.sessions.get(&record.session).map(|session| session.connection);
                let at = match now {
                    Some(Connection::Away(since)) => since,
                    Some(Connection::Here(_)) | None => UnixNanos(0),
                };
                published.ended.extend(self.end(record.session, at));
            }
            Decided::Queued { overtaking, .. } => {
                placed.number = Some(number);
                placed.overtaken = overtaking;
                if let Some(oldest) = overtaking {
                    self.count_dropped(record.session);
                    applied.patches.push((record.patched + 8, oldest));
                    self.done(record.session, oldest);
                }
                self.queue(record, number, message, len);
            }
        }
        published.deliveries.push(placed);
    }

    fn count_dropped(&mut self, id: u64) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.dropped += 1;
        }
    }

    /// Decides about a delivery.
    fn decide(&self, record: &DeliveryRecord<'_>, len: u32) -> Decided {
        let Some(session) = self.sessions.get(&record.session) else { return Decided::Refused };
        if self.is_full {
            return Decided::Refused;
        }
        let (count, bytes) = session.waiting();
        let queued = |overtaking| Decided::Queued { number: session.next, overtaking };
        let has_room = count < self.limits.queue_messages_max
            && bytes + u64::from(len) <= self.limits.queue_bytes_max;
        // The publisher waits until there is room.
        let waits = matches!(session.connection, Connection::Here(_))
            && record.flags & DELIVERY_MAY_WAIT != 0;
        let is_command = record.flags & DELIVERY_IS_COMMAND != 0;
        if has_room || waits || is_command {
            return queued(None);
        }
        let is_away = matches!(session.connection, Connection::Away(_));
        match self.limits.overflow {
            QueueOverflow::EndSession if is_away => Decided::Ended,
            QueueOverflow::Refuse | QueueOverflow::EndSession => Decided::Refused,
            QueueOverflow::DropOldest => match session.oldest_waiting() {
                Some(oldest) => queued(Some(oldest)),
                None => Decided::Refused,
            },
        }
    }

    fn deliver_again(&mut self, record: &DeliveryRecord<'_>, message: u32, len: u32) {
        match record.number {
            REFUSED => {}
            ENDED => drop(self.end(record.session, UnixNanos(0))),
            number => {
                if record.overtaking != 0 {
                    self.done(record.session, record.overtaking);
                }
                self.queue(record, number, message, len);
            }
        }
    }

    fn queue(&mut self, record: &DeliveryRecord<'_>, number: u64, message: u32, len: u32) {
        let Some(session) = self.sessions.get_mut(&record.session) else { return };
        if session.can_be_next(number) {
            session.push(number, message, len, record.flags, &record.ids());
            self.messages.want(message);
            self.queued += 1;
        }
    }
}

/// The decision about a delivery.
enum Decided {
    Refused,
    Ended,
    Queued { number: u64, overtaking: Option<u64> },
}

impl Decided {
    /// The number in the record.
    fn number(&self) -> u64 {
        match self {
            Self::Refused => REFUSED,
            Self::Ended => ENDED,
            Self::Queued { number, .. } => *number,
        }
    }
}

/// A delivery in a record.
struct DeliveryRecord<'a> {
    session: u64,
    /// The offset at which its number is filled in, followed by the number of the displaced
    /// message.
    patched: usize,
    number: u64,
    overtaking: u64,
    flags: u8,
    ids: &'a [u8],
}

impl DeliveryRecord<'_> {
    fn ids(&self) -> Vec<u32> {
        let (ids, _) = self.ids.as_chunks::<4>();
        ids.iter().map(|id| u32::from_le_bytes(*id)).collect()
    }
}

fn read_delivery<'a>(reader: &mut Reader<'a>) -> Option<DeliveryRecord<'a>> {
    let session = reader.u64()?;
    let patched = reader.at();
    let (number, overtaking) = (reader.u64()?, reader.u64()?);
    let flags = reader.u8()?;
    let ids = reader.u16()?;
    let ids = reader.take(4 * usize::from(ids))?;
    Some(DeliveryRecord { session, patched, number, overtaking, flags, ids })
}
