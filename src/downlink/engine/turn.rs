//! One turn: handles jobs in memory, commits the changes, and only then sends commands and answers
//! (DN-4).

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::sync::oneshot;

use super::{
    job::Job,
    open_commands::{Flight, Open, OpenCommands},
    reply::Reply,
    runs::Runs,
    suppressed::Suppressed,
};
use crate::{
    downlink::{
        Options,
        lifecycle::{Event, Note, State, Transition, step},
        push::Verified,
        record::{Change, Request, What},
        store::{AlarmRow, AuditRow, ChangeRow, Created, Group, Writer},
    },
    mapping::{Commands, ONCE_PER_MAX},
    model::{CommandEdge, OutgoingCommand, Publication, QueuePlace, ReceiptTicket, SessionId},
    telemetry::{Metrics, ReasonLabel},
};

use arc_swap::ArcSwap;

/// The maximum number of vehicles of [`Engine::later`] in one turn, because other jobs wait for its
/// commit.
pub(super) const DISPATCHED_LATER_MAX: usize = 500;

/// The state of the thread of commands.
#[derive(Debug)]
pub(in crate::downlink) struct Engine {
    pub(super) options: Options,
    pub(super) edge: Arc<dyn CommandEdge>,
    pub(super) metrics: Arc<Metrics>,
    /// For receipts.
    pub(super) declared: Arc<ArcSwap<Commands>>,
    pub(super) writer: Writer,
    pub(super) open_commands: OpenCommands,
    pub(super) runs: Runs,
    pub(super) suppressed: Arc<Suppressed>,
    pub(super) now_ms: i64,
    next_seq: i64,
    next_number: i64,
    turn: Turn,
    /// Vehicles whose next command may be ready to send, for later turns.
    pub(super) later: BTreeSet<Arc<str>>,
    waiters: HashMap<i64, Vec<oneshot::Sender<()>>>,
}

/// The changes and follow-ups of one turn.
#[derive(Debug, Default)]
pub(super) struct Turn {
    pub(super) created: HashMap<i64, NewCommand>,
    dirty: BTreeSet<i64>,
    pub(super) changes: Vec<ChangeRow>,
    audit: Vec<AuditRow>,
    ended: Vec<i64>,
    pub(super) webhook_cursor: Option<i64>,
    /// Vehicles whose next command may be ready to send.
    pub(super) to_dispatch: BTreeSet<Arc<str>>,
    sends: Vec<(SessionId, OutgoingCommand)>,
    pub(super) acknowledged: Vec<ReceiptTicket>,
    /// Queue entries of commands whose end is durable.
    pub(super) dequeued: Vec<QueuePlace>,
    /// Publishes of alarms.
    pub(super) publications: Vec<Publication>,
    /// Notes of raised alarms.
    pub(super) alarms: Vec<AlarmRow>,
    pub(super) still_checks: Vec<StillCheck>,
    pub(super) replies: Vec<Reply>,
    /// Deleted pushes.
    pub(super) forgotten: Vec<i64>,
    /// Commands whose effect was seen, or was not.
    pub(super) verified: Vec<(i64, Verified)>,
}

/// A command that was made in this turn.
#[derive(Debug)]
pub(super) struct NewCommand {
    pub(super) request: Arc<Request>,
    pub(super) created_ms: i64,
}

/// Whether a condition holds for a vehicle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::downlink) struct StillCheck {
    pub(in crate::downlink) seq: i64,
    pub(in crate::downlink) vehicle: Arc<str>,
    pub(in crate::downlink) still: Arc<str>,
}

/// What the caller must do after a durable turn.
#[derive(Debug, Default)]
pub(in crate::downlink) struct Done {
    /// Conditions to check.
    pub(in crate::downlink) still_checks: Vec<StillCheck>,
    /// The number of the last change.
    pub(in crate::downlink) last_change: i64,
}

impl Engine {
    /// Reads the open commands. Those sent to a session before the process ended are waiting again,
    /// unless that session is persistent.
    pub(in crate::downlink) fn new(
        options: Options,
        writer: Writer,
        edge: Arc<dyn CommandEdge>,
        metrics: Arc<Metrics>,
        declared: Arc<ArcSwap<Commands>>,
    ) -> rusqlite::Result<Self> {
        let mut engine = Self {
            options,
            edge,
            metrics,
            declared,
            writer,
            open_commands: OpenCommands::default(),
            runs: Runs::default(),
            suppressed: Arc::default(),
            now_ms: 0,
            next_seq: 0,
            next_number: 0,
            turn: Turn::default(),
            later: BTreeSet::new(),
            waiters: HashMap::new(),
        };
        engine.reload()?;
        Ok(engine)
    }

    /// Reads the durable state.
    fn reload(&mut self) -> rusqlite::Result<()> {
        self.turn = Turn::default();
        self.suppressed.clear();
        let rows = self.writer.open_commands()?;
        let (seq, number) = self.writer.numbers()?;
        (self.next_seq, self.next_number) = (seq + 1, number + 1);
        // A command that is with a session stays there; otherwise it would be sent twice.
        let flights: HashMap<i64, (Flight, Option<SessionId>)> = rows
            .iter()
            .filter_map(|row| self.open_commands.get(row.seq))
            .map(|open| (open.row.seq, (open.flight, open.session)))
            .collect();
        self.open_commands.clear();
        for row in rows {
            let mut open = Open::new(row);
            if let Some((Flight::With(attempt), session)) = flights.get(&open.row.seq)
                && open.row.state == State::Sent
                && open.row.attempts == *attempt
            {
                (open.flight, open.session) = (Flight::With(*attempt), *session);
            }
            self.open_commands.add(open);
        }
        self.runs = Runs::load(&self.writer, &self.open_commands)?;
        Ok(())
    }

    /// Discards a turn that was not committed. The commands that it would have sent are unknown
    /// now: all vehicles are checked again.
    pub(in crate::downlink) fn recover(&mut self) -> rusqlite::Result<()> {
        self.reload()?;
        self.later.extend(self.open_commands.waiting().map(Arc::clone));
        Ok(())
    }

    /// Makes durable what the end of the previous process decided: runs that it did not freeze do
    /// not exist (PU-2), and commands with a requested cancel have no session any more.
    pub(in crate::downlink) fn give_up_interrupted(&mut self, now_ms: i64) -> rusqlite::Result<()> {
        self.now_ms = now_ms;
        self.end_asked_back();
        self.commit()?;
        self.send_all();
        Ok(())
    }

    pub(in crate::downlink) fn awaited(&self) -> Arc<super::Awaited> {
        Arc::clone(&self.open_commands.awaited)
    }

    pub(in crate::downlink) fn in_sessions(&self) -> Arc<super::InSessions> {
        Arc::clone(&self.open_commands.in_sessions)
    }

    pub(in crate::downlink) fn suppressed(&self) -> Arc<Suppressed> {
        Arc::clone(&self.suppressed)
    }

    pub(in crate::downlink) fn last_change(&self) -> i64 {
        self.next_number - 1
    }

    pub(in crate::downlink) fn webhook_cursor(&self) -> rusqlite::Result<i64> {
        self.writer.webhook_cursor()
    }

    pub(in crate::downlink) fn open_count(&self) -> usize {
        self.open_commands.len()
    }

    /// Handles jobs, commits, and sends the commands that may be sent.
    ///
    /// # Errors
    /// SQLite's error; nothing of the turn has happened then, and its jobs are kept.
    pub(in crate::downlink) fn turn(
        &mut self,
        jobs: &mut [Job],
        now_ms: i64,
    ) -> rusqlite::Result<Done> {
        self.now_ms = now_ms;
        for job in jobs.iter_mut() {
            self.take(job)?;
        }
        self.times_over();
        for seq in self.open_commands.due_again(now_ms) {
            self.looks_again(seq);
        }
        self.take_back();
        for _ in 0..DISPATCHED_LATER_MAX {
            let Some(vehicle) = self.later.pop_first() else { break };
            self.turn.to_dispatch.insert(vehicle);
        }
        while let Some(vehicle) = self.turn.to_dispatch.pop_first() {
            self.dispatch(&vehicle)?;
        }
        self.commit()?;
        Ok(self.send_all())
    }

    /// How long there is nothing to do, at most `most`.
    pub(in crate::downlink) fn rest(&self, now_ms: i64, most: Duration) -> Duration {
        if self.runs.is_taking_back() || !self.later.is_empty() {
            return Duration::ZERO;
        }
        let next = self.open_commands.next_ms().map(|at| at.saturating_sub(now_ms).max(0));
        let next = next.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
        next.map_or(most, |next| next.min(most))
    }

    /// Deletes some expired rows; returns whether there may be more.
    pub(in crate::downlink) fn sweep(&mut self, now_ms: i64) -> rusqlite::Result<bool> {
        let ago = |keep: Duration| {
            now_ms.saturating_sub(i64::try_from(keep.as_millis()).unwrap_or(i64::MAX))
        };
        self.suppressed.sweep(now_ms);
        let [ended, audit, alarms] =
            [self.options.keep, self.options.audit_keep, ONCE_PER_MAX].map(ago);
        let empty_runs_max = i64::try_from(self.options.empty_runs_max).unwrap_or(i64::MAX);
        self.writer.sweep(ended, audit, alarms, empty_runs_max)
    }

    pub(super) fn gathered(&mut self) -> &mut Turn {
        &mut self.turn
    }

    /// Adds a new command; the caller makes its first change. A command of a run is held until the
    /// run releases it.
    pub(super) fn add_new(&mut self, request: &Arc<Request>, run: Option<i64>) -> i64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        let wait = i64::try_from(request.expires_in_ms).unwrap_or(i64::MAX);
        self.open_commands.add(Open::new(crate::downlink::store::OpenRow {
            seq,
            id: request.id,
            vehicle: Arc::clone(&request.vehicle),
            name: request.name.clone(),
            topic: Arc::clone(&request.topic),
            qos: request.qos,
            expires_ms: self.now_ms.saturating_add(wait),
            execute_within_ms: request
                .execute_within_ms
                .map(|ms| i64::try_from(ms).unwrap_or(i64::MAX)),
            due_ms: None,
            order: request.order,
            supersede: request.supersede.clone(),
            still: request.still.clone(),
            state: State::Queued,
            cause: None,
            cancel_requested: false,
            run,
            held_ms: run.map(|_| wait),
            attempts: 0,
            lasting: None,
        }));
        let new = NewCommand { request: Arc::clone(request), created_ms: self.now_ms };
        self.turn.created.insert(seq, new);
        seq
    }

    /// The request of a command that was made in this turn.
    pub(super) fn new_request(&self, seq: i64) -> Option<&Arc<Request>> {
        self.turn.created.get(&seq).map(|new| &new.request)
    }

    pub(super) fn mark(&mut self, seq: i64) {
        self.turn.dirty.insert(seq);
    }

    pub(super) fn audit(&mut self, row: AuditRow) {
        self.turn.audit.push(row);
    }

    /// Notes a change.
    pub(super) fn note(
        &mut self,
        command: i64,
        what: What,
        cause: Option<Arc<str>>,
        detail: Option<Arc<str>>,
    ) {
        let number = self.next_number;
        self.next_number += 1;
        let change = Change { number, at_ms: self.now_ms, what, cause, detail };
        self.turn.changes.push(ChangeRow { command, change });
    }

    /// Puts a command into a state; the caller has checked that the lifecycle allows it.
    pub(super) fn becomes(
        &mut self,
        seq: i64,
        state: State,
        cause: Option<Arc<str>>,
        detail: Option<Arc<str>>,
    ) {
        let now_ms = self.now_ms;
        let run = self.open_commands.get(seq).and_then(|open| open.row.run);
        let is_verified = run.is_some_and(|run| self.runs.verifies(run));
        let changed = self.open_commands.change(seq, |open| {
            let was_sent = open.row.state == State::Sent;
            open.row.state = state;
            open.row.cause.clone_from(&cause);
            if state == State::Delivered {
                let within = open.row.execute_within_ms;
                open.row.due_ms = within.map(|within| now_ms.saturating_add(within));
                open.verified = is_verified.then_some(Verified::Open);
            }
            open.maybe_received =
                was_sent && matches!(state, State::Expired | State::Cancelled | State::Superseded);
            if open.has_ended() {
                open.ended_ms = Some(now_ms);
            }
            (open.has_ended(), Arc::clone(&open.row.vehicle))
        });
        let Some((has_ended, vehicle)) = changed else { return };
        self.note(seq, What::State(state), cause, detail);
        self.mark(seq);
        let label = ReasonLabel { reason: state.as_str() };
        self.metrics.downlink_changed_commands.get_or_create_owned(&label).inc();
        if has_ended {
            self.turn.ended.push(seq);
            if let Some(run) = run {
                self.ended_of_run(run, seq, state);
            }
        }
        self.turn.to_dispatch.insert(vehicle);
    }

    /// Applies an event to an open command; returns the result.
    pub(super) fn apply(
        &mut self,
        seq: i64,
        event: Event,
        cause: Option<&str>,
        detail: Option<Arc<str>>,
    ) -> Transition {
        let Some(open) = self.open_commands.get(seq) else { return Transition::Stays };
        let cause = cause.map(Arc::from);
        let step = step(open.row.state, event);
        match step {
            Transition::Becomes(state) => self.becomes(seq, state, cause, detail),
            Transition::DeliveredThen(state) => {
                self.becomes(seq, State::Delivered, Some("receipt".into()), None);
                if self.open_commands.get(seq).is_some_and(|open| !open.has_ended()) {
                    self.becomes(seq, state, cause, detail);
                }
            }
            Transition::DeliveredNoting(note) => {
                self.becomes(seq, State::Delivered, Some("receipt".into()), None);
                self.note(seq, What::Note(note), cause, detail);
            }
            Transition::Notes(note) => self.note(seq, What::Note(note), cause, detail),
            Transition::Stays => {}
        }
        step
    }

    /// The same for a command that may have ended long ago.
    pub(super) fn apply_late(
        &mut self,
        seq: i64,
        state: State,
        event: Event,
        cause: &str,
        detail: Option<Arc<str>>,
    ) {
        if let Transition::Notes(Note::Late) = step(state, event) {
            self.note(seq, What::Note(Note::Late), Some(cause.into()), detail);
        }
    }

    pub(super) fn send(&mut self, session: SessionId, outgoing: OutgoingCommand) {
        self.turn.sends.push((session, outgoing));
    }

    pub(super) fn wait(&mut self, seq: i64, reply: oneshot::Sender<()>) {
        self.waiters.entry(seq).or_default().push(reply);
    }

    /// Makes the turn durable.
    fn commit(&mut self) -> rusqlite::Result<()> {
        let update = |seq: &i64| self.open_commands.get(*seq).map(Open::update);
        let created = &self.turn.created;
        let mut group = Group {
            created: created
                .iter()
                .filter_map(|(seq, new)| {
                    let NewCommand { request, created_ms } = new;
                    let (request, created_ms) = (Arc::clone(request), *created_ms);
                    let run = self.open_commands.get(*seq)?.row.run;
                    Some(Created { request, created_ms, run, update: update(seq)? })
                })
                .collect(),
            updated: self
                .turn
                .dirty
                .iter()
                .filter(|seq| !created.contains_key(seq))
                .filter_map(update)
                .collect(),
            changes: Vec::new(),
            audit: std::mem::take(&mut self.turn.audit),
            webhook_cursor: self.turn.webhook_cursor.take(),
            pushes: self.runs.changed_pushes(),
            runs: self.runs.changed_runs(),
            forgotten: std::mem::take(&mut self.turn.forgotten),
            verified: std::mem::take(&mut self.turn.verified),
            alarms: std::mem::take(&mut self.turn.alarms),
        };
        group.created.sort_unstable_by_key(|created| created.update.seq);
        group.changes.append(&mut self.turn.changes);
        let is_empty = group.created.is_empty()
            && group.updated.is_empty()
            && group.changes.is_empty()
            && group.audit.is_empty()
            && group.pushes.is_empty()
            && group.runs.is_empty()
            && group.forgotten.is_empty()
            && group.verified.is_empty()
            && group.alarms.is_empty()
            && group.webhook_cursor.is_none();
        if !is_empty {
            self.writer.write(&group)?;
        }
        self.turn.changes = group.changes;
        Ok(())
    }

    /// The turn is durable: sends commands and answers, and forgets ended commands.
    fn send_all(&mut self) -> Done {
        let mut turn = std::mem::take(&mut self.turn);
        for (session, outgoing) in turn.sends.drain(..) {
            self.edge.send(session, outgoing);
        }
        turn.publications.drain(..).for_each(|publication| self.edge.publish(publication));
        if !turn.acknowledged.is_empty() {
            self.edge.acknowledge(std::mem::take(&mut turn.acknowledged));
        }
        if !turn.dequeued.is_empty() {
            self.edge.dequeue(std::mem::take(&mut turn.dequeued));
        }
        for reply in std::mem::take(&mut turn.replies) {
            self.answer(reply, &turn);
        }
        for seq in turn.ended {
            self.open_commands.remove(seq);
            for waiter in self.waiters.remove(&seq).into_iter().flatten() {
                waiter.send(()).unwrap_or_default();
            }
        }
        self.runs.forget_ended();
        Done { still_checks: turn.still_checks, last_change: self.next_number - 1 }
    }
}
