//! Sends the commands of a vehicle that may be sent now, in order.

use std::{sync::Arc, time::Duration};

use super::{
    open_commands::Flight,
    turn::{Engine, StillCheck},
};
use crate::{
    downlink::{
        lifecycle::{Event, State},
        record::What,
    },
    model::{OutgoingCommand, Reach, SessionId},
};

impl Engine {
    /// Sends a vehicle's commands, the oldest first, until one of them blocks the rest.
    pub(super) fn dispatch(&mut self, vehicle: &str) -> rusqlite::Result<()> {
        let mut is_held_up = false;
        for seq in self.open_commands.queue(vehicle).to_vec() {
            if self.is_held(seq) {
                continue;
            }
            if is_held_up {
                self.waits(seq, "order");
                continue;
            }
            self.leave(seq)?;
            is_held_up =
                self.open_commands.get(seq).is_some_and(super::open_commands::Open::blocks);
        }
        Ok(())
    }

    /// Sends one command, if it waits here and there is a session for it.
    fn leave(&mut self, seq: i64) -> rusqlite::Result<()> {
        let Some(open) = self.open_commands.get(seq) else { return Ok(()) };
        let is_open = matches!(open.row.state, State::Queued | State::Sent);
        // DN-2
        if !is_open || open.row.expires_ms <= self.now_ms || open.row.cancel_requested {
            return Ok(());
        }
        if open.holding().is_some() {
            self.take_from_absent(seq);
        }
        let Some(open) = self.open_commands.get(seq) else { return Ok(()) };
        let flight = open.flight;
        if !matches!(flight, Flight::Home | Flight::Cleared) {
            return Ok(());
        }
        let row = &open.row;
        let to = match self.edge.reach(&row.vehicle, &row.topic, row.qos) {
            Reach::Session(session) => (session, None),
            Reach::Lasting(session, lasting) => (session, Some(lasting)),
            cause => {
                self.waits(seq, cause_of(cause));
                if flight == Flight::Cleared {
                    // A condition that held some time ago may not hold now.
                    self.open_commands.change(seq, |open| open.flight = Flight::Home);
                }
                return Ok(());
            }
        };
        if let (State::Queued, Flight::Home, Some(still)) = (row.state, flight, &row.still) {
            let (vehicle, still) = (Arc::clone(&row.vehicle), Arc::clone(still));
            self.gathered().still_checks.push(StillCheck { seq, vehicle, still });
            self.waits(seq, "still");
            self.open_commands.change(seq, |open| open.flight = Flight::Asking);
            return Ok(());
        }
        self.send_to(seq, to)
    }

    /// Sends it when the turn is durable.
    fn send_to(
        &mut self,
        seq: i64,
        (session, lasting): (SessionId, Option<u64>),
    ) -> rusqlite::Result<()> {
        let (payload, response_topic) = match self.new_request(seq) {
            Some(request) => (Arc::clone(&request.payload), request.response_topic.clone()),
            None => self.writer.payload(seq)?,
        };
        let now_ms = self.now_ms;
        let is_new = self.new_request(seq).is_some();
        let outgoing = self.open_commands.change(seq, |open| {
            open.row.attempts += 1;
            (open.row.lasting, open.session) = (lasting, Some(session));
            open.flight = Flight::With(open.row.attempts);
            let left = u64::try_from(open.row.expires_ms.saturating_sub(now_ms)).unwrap_or(0);
            let has_no_cause = open.row.cause.is_none();
            if open.row.state == State::Sent {
                // There was no room for it at the last attempt.
                open.row.cause = None;
            }
            let outgoing = OutgoingCommand {
                command: open.row.id,
                attempt: open.row.attempts,
                is_repeat: open.row.state == State::Sent,
                topic: Arc::clone(&open.row.topic),
                qos: open.row.qos,
                payload,
                response_topic,
                expires_in: Duration::from_millis(left),
            };
            (outgoing, has_no_cause)
        });
        let Some((outgoing, has_no_cause)) = outgoing else { return Ok(()) };
        if is_new && has_no_cause {
            self.note(seq, What::State(State::Queued), None, None);
        }
        self.apply(seq, Event::Leaves, None, None);
        self.mark(seq);
        self.send(session, outgoing);
        Ok(())
    }
}

/// Why a command waits.
fn cause_of(reach: Reach) -> &'static str {
    match reach {
        Reach::Session(_) | Reach::Lasting(..) => "session",
        Reach::Away => "away",
        Reach::NotSubscribed => "not-subscribed",
        Reach::SubscriptionQos => "subscription-qos",
    }
}
