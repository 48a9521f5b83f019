//! Handles each job.

use std::sync::Arc;

use super::{
    job::{Cancelling, Job, Refused},
    open_commands::Flight,
    reply::{Place, Reply},
    turn::Engine,
};
use crate::{
    downlink::{
        lifecycle::{Event, State},
        record::{Request, What},
        store::AuditRow,
    },
    model::{CommandId, CommandOutcome, CommandReport},
};

/// The maximum number of overdue commands that one turn ends, because other jobs wait for its
/// commit.
const OVERDUE_MAX: usize = 500;
/// The pause before a command is tried again for which the disk had no room in its session's queue.
const NO_ROOM_PAUSE_MS: i64 = 1000;

impl Engine {
    pub(super) fn take(&mut self, job: &mut Job) -> rusqlite::Result<()> {
        match job {
            Job::Create(requests, reply) => {
                let places = requests.iter().map(|request| self.create(request));
                let places = places.collect::<rusqlite::Result<Vec<_>>>()?;
                if let Some(reply) = reply.take() {
                    self.gathered().replies.push(Reply::Create(places, reply));
                }
            }
            Job::Cancel(id, who, reply) => {
                let answer = self.cancel(*id, who)?;
                if let Some(reply) = reply.take() {
                    self.gathered().replies.push(Reply::Cancel(answer, reply));
                }
            }
            Job::Push(push, reply) => {
                let answer = self.push(push)?;
                if let Some(reply) = reply.take() {
                    self.gathered().replies.push(Reply::Push(answer, reply));
                }
            }
            Job::Wait(id, reply) => {
                let Some(reply) = reply.take() else { return Ok(()) };
                let open = self.open_commands.by_id(*id).filter(|seq| {
                    self.open_commands.get(*seq).is_some_and(|open| !open.has_ended())
                });
                match open {
                    Some(seq) => self.wait(seq, reply),
                    None => self.gathered().replies.push(Reply::Wait(reply)),
                }
            }
            Job::Reports(reports) => {
                for report in reports.iter() {
                    self.report(*report)?;
                }
            }
            Job::Receipt(receipt) => self.receipt(receipt)?,
            Job::Alarm(raised) => self.alarm(raised)?,
            Job::Here(vehicle) => {
                self.gathered().to_dispatch.insert(Arc::clone(vehicle));
            }
            Job::Resumed(lasting, session, commands) => {
                self.resumed(*lasting, *session, commands);
            }
            Job::Ended(lasting) => self.session_ended(*lasting),
            Job::Still(seq, holds) => self.answered(*seq, *holds),
            Job::Verified(all) => self.gathered().verified.append(all),
            Job::WebhookCursor(number) => self.gathered().webhook_cursor = Some(*number),
            Job::Stop => {}
        }
        Ok(())
    }

    /// Creates one command, unless it exists already or exceeds a bound.
    pub(super) fn create(
        &mut self,
        request: &Arc<Request>,
    ) -> rusqlite::Result<Result<Place, Refused>> {
        if let Some(found) = self.repeated(request)? {
            return Ok(found);
        }
        let replaced = self.replaced(request);
        if self.is_crowded(&request.vehicle, &replaced) {
            let (vehicle, max) = (Arc::clone(&request.vehicle), self.options.open_max);
            return Ok(Err(Refused::TooManyOpen { vehicle, max }));
        }
        if self.open_commands.len() >= self.options.total_open_max {
            return Ok(Err(Refused::TooManyOpenInAll { max: self.options.total_open_max }));
        }
        for older in replaced {
            self.apply(older, Event::Superseded, Some(&format!("by {}", request.id)), None);
        }
        let seq = self.add_new(request, None);
        self.audit_sent(request);
        // The cause of its first state is known after the attempt to send it.
        self.dispatch(&request.vehicle)?;
        Ok(Ok(Place::New(seq)))
    }

    /// Writes the audit entry of a sent command.
    pub(super) fn audit_sent(&mut self, request: &Request) {
        self.audit(AuditRow {
            at_ms: self.now_ms,
            who: Arc::clone(&request.who),
            action: "send",
            id: request.id,
            vehicle: Arc::clone(&request.vehicle),
            name: request.name.clone(),
        });
    }

    /// The commands of its vehicle that it supersedes.
    pub(super) fn replaced(&self, request: &Request) -> Vec<i64> {
        let Some(key) = &request.supersede else { return Vec::new() };
        let is_older = |seq: &i64| {
            let open = self.open_commands.get(*seq);
            open.is_some_and(|open| open.row.supersede.as_ref() == Some(key))
        };
        self.open_commands.queue(&request.vehicle).iter().copied().filter(is_older).collect()
    }

    /// Whether a vehicle has the maximum of open commands, not counting those that are replaced.
    pub(super) fn is_crowded(&self, vehicle: &str, replaced: &[i64]) -> bool {
        let open = self.open_commands.queue(vehicle).iter().filter(|seq| {
            let open = self.open_commands.get(**seq);
            !replaced.contains(seq) && open.is_some_and(|open| !open.has_ended())
        });
        open.count() >= self.options.open_max
    }

    /// The earlier command with the same idempotency key.
    fn repeated(&mut self, request: &Request) -> rusqlite::Result<Option<Result<Place, Refused>>> {
        let Some(wanted) = &request.idempotency else { return Ok(None) };
        let taken = |id| Refused::KeyTaken { key: Arc::clone(&wanted.key), id };
        // A command of this turn is not on disk yet.
        for seq in self.open_commands.queue(&request.vehicle) {
            let Some(known) = self.new_request(*seq) else { continue };
            match &known.idempotency {
                Some(used) if used == wanted => return Ok(Some(Ok(Place::Again(*seq)))),
                Some(used) if used.key == wanted.key => return Ok(Some(Err(taken(known.id)))),
                _ => {}
            }
        }
        let found = self.writer.find_repeated(&request.vehicle, &wanted.key)?;
        Ok(found.map(|record| match &record.request.idempotency {
            Some(used) if used == wanted => Ok(Place::Known(Box::new(record))),
            _ => Err(taken(record.request.id)),
        }))
    }

    fn cancel(
        &mut self,
        id: CommandId,
        who: &Arc<str>,
    ) -> rusqlite::Result<Result<Cancelling, Refused>> {
        let ended = |state: State| match state {
            State::Cancelled => Ok(Cancelling::Cancelled),
            State::Delivered | State::Done => Err(Refused::AlreadyDelivered(id)),
            _ => Err(Refused::AlreadyEnded { id, state: state.as_str() }),
        };
        let Some(seq) = self.open_commands.by_id(id) else {
            let found = self.writer.find(id)?;
            return Ok(found.map_or(Err(Refused::Unknown(id)), |found| ended(found.state)));
        };
        let Some(open) = self.open_commands.get(seq) else { return Ok(Err(Refused::Unknown(id))) };
        let (state, flight, row) = (open.row.state, open.flight, open.row.clone());
        if !matches!(state, State::Queued | State::Sent) {
            return Ok(ended(state));
        }
        self.audit(AuditRow {
            at_ms: self.now_ms,
            who: Arc::clone(who),
            action: "cancel",
            id,
            vehicle: row.vehicle,
            name: row.name,
        });
        if matches!(flight, Flight::With(_)) {
            self.open_commands.change(seq, |open| open.row.cancel_requested = true);
            self.mark(seq);
            return Ok(Ok(Cancelling::Requested));
        }
        self.apply(seq, Event::Cancelled, Some(&format!("by {who}")), None);
        Ok(Ok(Cancelling::Cancelled))
    }

    fn report(&mut self, report: CommandReport) -> rusqlite::Result<()> {
        let CommandReport { command, attempt, outcome, place } = report;
        self.gathered().dequeued.extend(place);
        let cause = match outcome {
            CommandOutcome::Refused(reason) => format!("reason-code 0x{reason:02x}"),
            CommandOutcome::TooLarge => "too-large".to_owned(),
            CommandOutcome::Forbidden => "not-authorized".to_owned(),
            _ => "acknowledged".to_owned(),
        };
        let Some(seq) = self.open_commands.by_id(command) else {
            if outcome == CommandOutcome::Acknowledged
                && let Some(closed) = self.writer.find(command)?
            {
                let event = Event::Acknowledged;
                self.apply_late(closed.seq, closed.state, event, &cause, None);
            }
            return Ok(());
        };
        let current = |open: &super::open_commands::Open| open.flight == Flight::With(attempt);
        let is_current = self.open_commands.get(seq).is_some_and(current);
        let event = match outcome {
            CommandOutcome::Acknowledged => Event::Acknowledged,
            CommandOutcome::Refused(_) => Event::Refused,
            CommandOutcome::TooLarge | CommandOutcome::Forbidden => Event::Unsendable,
            CommandOutcome::Expired => Event::Expires,
            CommandOutcome::Left | CommandOutcome::NoRoom if !is_current => return Ok(()),
            CommandOutcome::Left => {
                self.left(seq);
                return Ok(());
            }
            CommandOutcome::NoRoom => {
                self.had_no_room(seq);
                return Ok(());
            }
        };
        // A refusal of an earlier session does not count for a later one; an acknowledgement of the
        // vehicle always counts.
        if is_current || outcome == CommandOutcome::Acknowledged {
            let cause = (outcome != CommandOutcome::Expired).then_some(&*cause);
            self.apply(seq, event, cause, None);
        }
        Ok(())
    }

    /// A command is with no session any more.
    pub(super) fn left(&mut self, seq: i64) {
        if let Some(vehicle) = self.waits_again(seq, Flight::Home) {
            self.gathered().to_dispatch.insert(vehicle);
        }
    }

    /// The disk had no room for a command in its session's queue.
    fn had_no_room(&mut self, seq: i64) {
        if self.waits_again(seq, Flight::Later).is_some() {
            self.open_commands.change(seq, |open| open.row.cause = Some("queue-full".into()));
            self.mark(seq);
            self.open_commands.look_again(seq, self.now_ms.saturating_add(NO_ROOM_PAUSE_MS));
        }
    }

    /// A command waits here again; returns its vehicle if it may be sent again. If its cancel was
    /// requested, it ends.
    fn waits_again(&mut self, seq: i64, flight: Flight) -> Option<Arc<str>> {
        let (is_asked_back, vehicle) = self.open_commands.change(seq, |open| {
            open.flight = flight;
            (open.row.cancel_requested, Arc::clone(&open.row.vehicle))
        })?;
        if is_asked_back {
            self.apply(seq, Event::Cancelled, Some("session-ended"), None);
        }
        (!is_asked_back).then_some(vehicle)
    }

    /// Ends overdue commands; more in the next turn.
    pub(super) fn times_over(&mut self) {
        for seq in self.open_commands.overdue(self.now_ms, OVERDUE_MAX) {
            let state = self.open_commands.get(seq).map(|open| open.row.state);
            let (event, cause) = match state {
                Some(State::Delivered) => (Event::TimesOut, "no-receipt"),
                _ => (Event::Expires, "expires-in"),
            };
            self.apply(seq, event, Some(cause), None);
        }
    }

    /// Handles the result of checking a `still`.
    fn answered(&mut self, seq: i64, holds: Option<bool>) {
        let Some(open) = self.open_commands.get(seq).filter(|open| open.flight == Flight::Asking)
        else {
            return;
        };
        let vehicle = Arc::clone(&open.row.vehicle);
        let flight = match holds {
            Some(true) => Flight::Cleared,
            Some(false) => Flight::Home,
            None => Flight::Later,
        };
        self.open_commands.change(seq, |open| open.flight = flight);
        match holds {
            Some(false) => {
                self.apply(seq, Event::NoLongerHolds, Some("still"), None);
            }
            Some(true) => {}
            None => {
                let pause = i64::try_from(self.options.still_interval.as_millis());
                self.open_commands
                    .look_again(seq, self.now_ms.saturating_add(pause.unwrap_or(i64::MAX)));
                self.waits(seq, "still-unknown");
            }
        }
        self.gathered().to_dispatch.insert(vehicle);
    }

    /// A command is to be tried again now.
    pub(super) fn looks_again(&mut self, seq: i64) {
        let again = self.open_commands.change(seq, |open| {
            if open.flight == Flight::Later {
                open.flight = Flight::Home;
            }
            Arc::clone(&open.row.vehicle)
        });
        self.later.extend(again);
    }

    /// Sets why a command waits: part of its first state, and later a change of its own.
    pub(super) fn waits(&mut self, seq: i64, cause: &'static str) {
        let Some(open) = self.open_commands.get(seq) else { return };
        if open.row.state != State::Queued || open.row.cause.as_deref() == Some(cause) {
            return;
        }
        let is_first = open.row.cause.is_none() && self.new_request(seq).is_some();
        let cause: Arc<str> = cause.into();
        self.open_commands.change(seq, |open| open.row.cause = Some(Arc::clone(&cause)));
        self.mark(seq);
        if is_first {
            self.note(seq, What::State(State::Queued), Some(cause), None);
        }
    }
}
