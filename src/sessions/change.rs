//! A change: records that become durable together, with a ticket for each.

use std::{fmt, sync::Arc};

use super::{
    journal::Shared,
    record::{
        self, Closing, Open, Publish, Terms, VERSION, write_close, write_completed, write_done,
        write_end, write_forget, write_open, write_publish, write_released, write_subscribe,
        write_unsubscribe,
    },
    table::{Applied, Outcome},
};
use crate::{
    model::UnixNanos,
    spool::{EntryBuffer, Place, Submission},
};

/// Called once with the result of a change, on the journal's thread.
pub type OnAnswer<T> = Arc<dyn Fn(Answered<T>) + Send + Sync>;

/// Records that become durable together, in the order in which they are written here. A ticket is
/// returned with the outcome of its record.
pub struct Change<T> {
    shared: Arc<Shared>,
    entry: EntryBuffer,
    tickets: Vec<(u32, T)>,
    applied: Applied,
    on_answer: OnAnswer<T>,
}

/// The result of a change.
#[derive(Debug)]
pub struct Answered<T> {
    /// Whether it is durable; if not, it never will be, and nothing of it may be acknowledged.
    pub durable: bool,
    /// Each with the outcome of its record; meaningless unless the change is durable.
    pub tickets: Vec<(T, Outcome)>,
}

impl<T> Change<T> {
    pub(super) fn new(shared: Arc<Shared>, on_answer: OnAnswer<T>) -> Self {
        let mut entry = EntryBuffer::new();
        entry.bytes_mut().push(VERSION);
        Self { shared, entry, tickets: Vec::new(), applied: Applied::default(), on_answer }
    }

    /// Bytes of its records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entry.len()
    }

    /// Whether it has no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entry.items == 0
    }

    /// Whether it has a ticket.
    #[must_use]
    pub fn is_waited_for(&self) -> bool {
        !self.tickets.is_empty()
    }

    fn record(&mut self, ticket: Option<T>, write: impl FnOnce(&mut Vec<u8>)) {
        write(self.entry.bytes_mut());
        self.tickets.extend(ticket.map(|ticket| (self.entry.items, ticket)));
        self.entry.items += 1;
    }

    /// A client connects: [`Outcome::Opened`].
    pub fn open(&mut self, open: &Open<'_>, ticket: T) {
        self.record(Some(ticket), |out| write_open(out, open));
    }

    /// A connection has ended: [`Outcome::Ended`] if its session ended with it.
    pub fn close(&mut self, closing: &Closing, ticket: T) {
        self.record(Some(ticket), |out| write_close(out, closing));
    }

    /// A session ends: [`Outcome::Ended`].
    pub fn end(&mut self, session: u64, at: UnixNanos, ticket: T) {
        self.record(Some(ticket), |out| write_end(out, session, at));
    }

    /// A session subscribes, or changes a subscription.
    pub fn subscribe(&mut self, session: u64, filter: &str, terms: Terms) {
        self.record(None, |out| write_subscribe(out, session, filter, terms));
    }

    /// A session unsubscribes.
    pub fn unsubscribe(&mut self, session: u64, filter: &str) {
        self.record(None, |out| write_unsubscribe(out, session, filter));
    }

    /// A message is published: [`Outcome::Published`].
    pub fn publish(&mut self, publish: &Publish<'_>, ticket: Option<T>) {
        self.record(ticket, |out| write_publish(out, publish));
    }

    /// Adds a ticket for the last record.
    pub fn wait_for_last(&mut self, ticket: T) {
        self.tickets.extend(self.entry.items.checked_sub(1).map(|record| (record, ticket)));
    }

    /// A publish whose record was encoded before ([`record_of`]).
    pub fn publish_record(&mut self, record: &[u8], ticket: Option<T>) {
        self.record(ticket, |out| out.extend_from_slice(record));
    }

    /// A queued message is done.
    pub fn done(&mut self, session: u64, number: u64) {
        self.record(None, |out| write_done(out, session, number));
    }

    /// The PUBREC of a queued message arrived.
    pub fn released(&mut self, session: u64, number: u64, ticket: T) {
        self.record(Some(ticket), |out| write_released(out, session, number));
    }

    /// The PUBREL of a message from a session arrived.
    pub fn completed(&mut self, session: u64, packet_id: u16, ticket: T) {
        self.record(Some(ticket), |out| write_completed(out, session, packet_id));
    }

    /// A retained message has expired.
    pub fn forget(&mut self, topic: &str, retained_as: u64) {
        self.record(None, |out| write_forget(out, topic, retained_as));
    }

    /// No record: the ticket is returned when everything before it is durable.
    pub fn wait(&mut self, ticket: T) {
        self.record(Some(ticket), |out| record::write_done(out, 0, 0));
    }
}

/// Encodes the record of a publish, for [`Change::publish_record`].
#[must_use]
pub fn record_of(publish: &Publish<'_>) -> Vec<u8> {
    let mut record = Vec::new();
    write_publish(&mut record, publish);
    record
}

#[cfg(test)]
impl<T> Change<T> {
    /// The outcomes of its records.
    pub(super) fn outcomes(&self) -> &[Outcome] {
        &self.applied.outcomes
    }
}

impl<T: Send + 'static> Submission for Change<T> {
    fn entry(&mut self) -> &mut EntryBuffer {
        &mut self.entry
    }

    fn points(&self) -> u64 {
        0
    }

    fn decide(&mut self) {
        let is_full = self.shared.is_full();
        let mut table = self.shared.table();
        table.is_full = is_full;
        self.applied = table.apply(self.entry.payload_mut());
    }

    fn appended(&mut self, place: Place) {
        self.shared.table().place(&self.applied, place);
    }

    fn answer(self: Box<Self>, durable: bool) {
        let Self { tickets, applied, on_answer, .. } = *self;
        let mut outcomes = applied.outcomes;
        let mut tell = |record: u32| match outcomes.get_mut(record as usize) {
            Some(outcome) => std::mem::replace(outcome, Outcome::Done),
            None => Outcome::Done,
        };
        let tickets = tickets.into_iter().map(|(record, ticket)| (ticket, tell(record)));
        on_answer(Answered { durable, tickets: tickets.collect() });
    }
}

impl<T> fmt::Debug for Change<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change").field("bytes", &self.len()).finish_non_exhaustive()
    }
}
