//! What each job does.

use std::sync::Arc;

use super::{
    book::Flight,
    job::{Cancelling, Job, Refused},
    reply::{Place, Reply},
    turn::Engine,
};
use crate::{
    downlink::{
        lifecycle::{Happening, State},
        record::{Request, What},
        store::AuditRow,
    },
    model::{CommandId, CommandOutcome, CommandReport},
};

/// Commands whose time is over that one turn ends: all others wait for its commit.
const OVERDUE_MAX: usize = 500;
/// Before a command is tried again that the disk had no room for in its session's queue.
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
                let open = self
                    .book
                    .by_id(*id)
                    .filter(|seq| self.book.get(*seq).is_some_and(|open| !open.has_ended()));
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
                self.gathered().walks.insert(Arc::clone(vehicle));
            }
            Job::Resumed(lasting, session, commands) => {
                self.resumed(*lasting, *session, commands);
            }
            Job::Ended(lasting) => self.session_ended(*lasting),
            Job::Still(seq, holds) => self.answered(*seq, *holds),
            Job::Verified(all) => self.gathered().verified.append(all),
            Job::Told(number) => self.gathered().webhook_cursor = Some(*number),
            Job::Stop => {}
        }
        Ok(())
    }

    /// Creates one command, unless it is there already or over a bound.
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
        if self.book.len() >= self.options.total_open_max {
            return Ok(Err(Refused::TooManyOpenInAll { max: self.options.total_open_max }));
        }
        for older in replaced {
            self.happens(older, Happening::Superseded, Some(&format!("by {}", request.id)), None);
        }
        let seq = self.add_new(request, None);
        self.audit_sent(request);
        // The cause of its first state is known when it was tried to leave.
        self.walk(&request.vehicle)?;
        Ok(Ok(Place::New(seq)))
    }

    /// Who sent which command to whom.
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

    /// The commands of its vehicle whose place it takes.
    pub(super) fn replaced(&self, request: &Request) -> Vec<i64> {
        let Some(key) = &request.supersede else { return Vec::new() };
        let is_older = |seq: &i64| {
            let open = self.book.get(*seq);
            open.is_some_and(|open| open.row.supersede.as_ref() == Some(key))
        };
        self.book.queue(&request.vehicle).iter().copied().filter(is_older).collect()
    }

    /// Whether a vehicle has as many open commands as it may, beside those that are replaced.
    pub(super) fn is_crowded(&self, vehicle: &str, replaced: &[i64]) -> bool {
        let open = self.book.queue(vehicle).iter().filter(|seq| {
            let open = self.book.get(**seq);
            !replaced.contains(seq) && open.is_some_and(|open| !open.has_ended())
        });
        open.count() >= self.options.open_max
    }

    /// The command that was made under the same key before.
    fn repeated(&mut self, request: &Request) -> rusqlite::Result<Option<Result<Place, Refused>>> {
        let Some(wanted) = &request.idempotency else { return Ok(None) };
        let taken = |id| Refused::KeyTaken { key: Arc::clone(&wanted.key), id };
        // One of this turn is not on disk yet.
        for seq in self.book.queue(&request.vehicle) {
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
        let Some(seq) = self.book.by_id(id) else {
            let found = self.writer.find(id)?;
            return Ok(found.map_or(Err(Refused::Unknown(id)), |found| ended(found.state)));
        };
        let Some(open) = self.book.get(seq) else { return Ok(Err(Refused::Unknown(id))) };
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
            self.book.change(seq, |open| open.row.cancel_requested = true);
            self.mark(seq);
            return Ok(Ok(Cancelling::Requested));
        }
        self.happens(seq, Happening::Cancelled, Some(&format!("by {who}")), None);
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
        let Some(seq) = self.book.by_id(command) else {
            if outcome == CommandOutcome::Acknowledged
                && let Some(closed) = self.writer.find(command)?
            {
                let happening = Happening::Acknowledged;
                self.happens_late(closed.seq, closed.state, happening, &cause, None);
            }
            return Ok(());
        };
        let current = |open: &super::book::Open| open.flight == Flight::With(attempt);
        let is_current = self.book.get(seq).is_some_and(current);
        let happening = match outcome {
            CommandOutcome::Acknowledged => Happening::Acknowledged,
            CommandOutcome::Refused(_) => Happening::Refused,
            CommandOutcome::TooLarge | CommandOutcome::Forbidden => Happening::Unsendable,
            CommandOutcome::Expired => Happening::Expires,
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
        // What an earlier session did not take says nothing of a later one; what its vehicle
        // acknowledged is true whenever it is heard.
        if is_current || outcome == CommandOutcome::Acknowledged {
            let cause = (outcome != CommandOutcome::Expired).then_some(&*cause);
            self.happens(seq, happening, cause, None);
        }
        Ok(())
    }

    /// No session has it any more.
    pub(super) fn left(&mut self, seq: i64) {
        if let Some(vehicle) = self.comes_home(seq, Flight::Home) {
            self.gathered().walks.insert(vehicle);
        }
    }

    /// The disk had no room for it in its session's queue.
    fn had_no_room(&mut self, seq: i64) {
        if self.comes_home(seq, Flight::Later).is_some() {
            self.book.change(seq, |open| open.row.cause = Some("queue-full".into()));
            self.mark(seq);
            self.book.look_again(seq, self.now_ms.saturating_add(NO_ROOM_PAUSE_MS));
        }
    }

    /// Gives its vehicle, if it may leave again: one that was asked back has come to its end.
    fn comes_home(&mut self, seq: i64, flight: Flight) -> Option<Arc<str>> {
        let (is_asked_back, vehicle) = self.book.change(seq, |open| {
            open.flight = flight;
            (open.row.cancel_requested, Arc::clone(&open.row.vehicle))
        })?;
        if is_asked_back {
            self.happens(seq, Happening::Cancelled, Some("session-ended"), None);
        }
        (!is_asked_back).then_some(vehicle)
    }

    /// What is over; more in the next turn.
    pub(super) fn times_over(&mut self) {
        for seq in self.book.overdue(self.now_ms, OVERDUE_MAX) {
            let state = self.book.get(seq).map(|open| open.row.state);
            let (happening, cause) = match state {
                Some(State::Delivered) => (Happening::TimesOut, "no-receipt"),
                _ => (Happening::Expires, "expires-in"),
            };
            self.happens(seq, happening, Some(cause), None);
        }
    }

    /// What became of a question whether a `still` holds.
    fn answered(&mut self, seq: i64, holds: Option<bool>) {
        let Some(open) = self.book.get(seq).filter(|open| open.flight == Flight::Asking) else {
            return;
        };
        let vehicle = Arc::clone(&open.row.vehicle);
        let flight = match holds {
            Some(true) => Flight::Cleared,
            Some(false) => Flight::Home,
            None => Flight::Later,
        };
        self.book.change(seq, |open| open.flight = flight);
        match holds {
            Some(false) => {
                self.happens(seq, Happening::NoLongerHolds, Some("still"), None);
            }
            Some(true) => {}
            None => {
                let pause = i64::try_from(self.options.still_interval.as_millis());
                self.book.look_again(seq, self.now_ms.saturating_add(pause.unwrap_or(i64::MAX)));
                self.waits(seq, "still-unknown");
            }
        }
        self.gathered().walks.insert(vehicle);
    }

    /// The time has come to look at it again.
    pub(super) fn looks_again(&mut self, seq: i64) {
        let again = self.book.change(seq, |open| {
            if open.flight == Flight::Later {
                open.flight = Flight::Home;
            }
            Arc::clone(&open.row.vehicle)
        });
        self.later.extend(again);
    }

    /// A command waits, and this is why: told with its first state, and kept where it changes.
    pub(super) fn waits(&mut self, seq: i64, cause: &'static str) {
        let Some(open) = self.book.get(seq) else { return };
        if open.row.state != State::Queued || open.row.cause.as_deref() == Some(cause) {
            return;
        }
        let is_first = open.row.cause.is_none() && self.new_request(seq).is_some();
        let cause: Arc<str> = cause.into();
        self.book.change(seq, |open| open.row.cause = Some(Arc::clone(&cause)));
        self.mark(seq);
        if is_first {
            self.note(seq, What::State(State::Queued), Some(cause), None);
        }
    }
}
