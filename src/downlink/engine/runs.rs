//! Active pushes and their runs, in memory: which commands are held, and how released ones have
//! ended.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::{open_commands::OpenCommands, turn::Engine};
use crate::{
    downlink::{
        engine::open_commands::Flight,
        lifecycle::{Event, State},
        push::{PushState, RunState},
        store::{PushRow, RunRow, Writer},
    },
    model::CommandId,
};

/// The maximum number of commands that one turn cancels, because other jobs wait for its commit.
const TAKEN_BACK_MAX: usize = 2000;

/// A run that has not ended, or has an open command.
#[derive(Debug)]
pub(super) struct LiveRun {
    pub(super) row: RunRow,
    /// Commands that wait for the run to release them, in order.
    pub(super) held: BTreeSet<i64>,
    /// Commands that have not ended, including held ones.
    pub(super) open: BTreeSet<i64>,
    /// Commands that have ended, except those that could never be sent.
    settled: u64,
    /// Those of them that failed, were rejected, have expired or timed out.
    bad: u64,
    is_changed: bool,
}

impl LiveRun {
    pub(super) fn new(row: RunRow) -> Self {
        let (held, open) = (BTreeSet::new(), BTreeSet::new());
        Self { row, held, open, settled: 0, bad: 0, is_changed: false }
    }
}

/// A push that has not ended, or has an open command.
#[derive(Debug)]
struct LivePush {
    row: PushRow,
    has_verify: bool,
    is_changed: bool,
}

impl LivePush {
    fn new(row: PushRow) -> Self {
        let spec: serde_json::Value = serde_json::from_str(&row.spec).unwrap_or_default();
        let has_verify = !spec["verify"].is_null();
        Self { row, has_verify, is_changed: false }
    }
}

/// All active pushes and runs.
#[derive(Debug, Default)]
pub(super) struct Runs {
    pushes: HashMap<i64, LivePush>,
    runs: HashMap<i64, LiveRun>,
    next_push: i64,
    next_run: i64,
    /// Runs whose commands are being cancelled, each with the last command that was handled.
    taking_back: BTreeMap<i64, i64>,
}

impl Runs {
    /// Reads the active pushes and runs. A run that was not frozen when the process ended does not
    /// exist.
    pub(super) fn load(writer: &Writer, open_commands: &OpenCommands) -> rusqlite::Result<Self> {
        let (push, run) = writer.push_numbers()?;
        let mut runs = Self { next_push: push + 1, next_run: run + 1, ..Self::default() };
        for row in writer.live_pushes()? {
            runs.pushes.insert(row.seq, LivePush::new(row));
        }
        for row in writer.live_runs()? {
            let seq = row.seq;
            let mut run = LiveRun::new(row);
            if run.row.abort_above.is_some() {
                (run.settled, run.bad) = writer.ended_of(seq)?;
            }
            runs.runs.insert(seq, run);
        }
        for open in open_commands.iter() {
            let run = open.row.run.and_then(|run| runs.runs.get_mut(&run));
            let Some(run) = run else { continue };
            run.open.insert(open.row.seq);
            if open.row.held_ms.is_some() {
                run.held.insert(open.row.seq);
            }
        }
        let known: Vec<(i64, RunState)> =
            runs.runs.values().map(|run| (run.row.seq, run.row.state)).collect();
        for (seq, state) in known {
            match state {
                RunState::Freezing => runs.give_up(seq, "interrupted", 0),
                RunState::Aborted | RunState::Failed => {
                    runs.taking_back.insert(seq, 0);
                }
                _ => {}
            }
        }
        Ok(runs)
    }

    pub(super) fn next_push(&self) -> i64 {
        self.next_push
    }

    pub(super) fn add_push(&mut self, make: impl FnOnce(i64) -> PushRow) -> i64 {
        let seq = self.next_push;
        self.next_push += 1;
        let push = LivePush { is_changed: true, ..LivePush::new(make(seq)) };
        self.pushes.insert(seq, push);
        seq
    }

    pub(super) fn add_run(&mut self, make: impl FnOnce(i64) -> RunRow) -> i64 {
        let seq = self.next_run;
        self.next_run += 1;
        let run = LiveRun { is_changed: true, ..LiveRun::new(make(seq)) };
        self.runs.insert(seq, run);
        seq
    }

    pub(super) fn push_by_id(&self, id: CommandId) -> Option<&PushRow> {
        self.pushes.values().map(|push| &push.row).find(|row| row.id == id)
    }

    pub(super) fn push_by_key(&self, key: &str) -> Option<&PushRow> {
        let has_it =
            |row: &&PushRow| row.idempotency.as_ref().is_some_and(|used| &*used.key == key);
        self.pushes.values().map(|push| &push.row).find(has_it)
    }

    pub(super) fn push(&self, seq: i64) -> Option<&PushRow> {
        self.pushes.get(&seq).map(|push| &push.row)
    }

    pub(super) fn run(&self, seq: i64) -> Option<&LiveRun> {
        self.runs.get(&seq)
    }

    pub(super) fn change_push(&mut self, seq: i64, change: impl FnOnce(&mut PushRow)) {
        if let Some(push) = self.pushes.get_mut(&seq) {
            change(&mut push.row);
            push.is_changed = true;
        }
    }

    pub(super) fn change_run<R>(
        &mut self,
        seq: i64,
        change: impl FnOnce(&mut LiveRun) -> R,
    ) -> Option<R> {
        let run = self.runs.get_mut(&seq)?;
        run.is_changed = true;
        Some(change(run))
    }

    /// Adds a push again, because one of its runs is active after its end.
    pub(super) fn remember(&mut self, row: PushRow) {
        self.pushes.entry(row.seq).or_insert_with(|| LivePush::new(row));
    }

    /// A push is deleted.
    pub(super) fn forget(&mut self, push: i64) {
        self.pushes.remove(&push);
    }

    /// The number of scheduled pushes.
    pub(super) fn standing(&self) -> usize {
        self.pushes.values().filter(|push| push.row.next_ms.is_some()).count()
    }

    /// The active runs of a push.
    pub(super) fn runs_of(&self, push: i64) -> Vec<i64> {
        let its = self.runs.values().filter(|run| run.row.push == push);
        its.map(|run| run.row.seq).collect()
    }

    pub(super) fn verifies(&self, run: i64) -> bool {
        let push = self.runs.get(&run).and_then(|run| self.pushes.get(&run.row.push));
        push.is_some_and(|push| push.has_verify)
    }

    /// Whether no command of a run may be sent now.
    fn is_stopped(&self, run: i64) -> bool {
        let push = self.runs.get(&run).and_then(|run| self.pushes.get(&run.row.push));
        let is_paused = push.is_some_and(|push| push.row.state == PushState::Paused);
        is_paused || self.is_taken_back(run)
    }

    /// Whether a run's commands are being cancelled.
    pub(super) fn is_taken_back(&self, run: i64) -> bool {
        self.taking_back.contains_key(&run)
    }

    pub(super) fn is_taking_back(&self) -> bool {
        !self.taking_back.is_empty()
    }

    /// Ends a run, and its push unless that has a schedule.
    pub(super) fn end_run(&mut self, run: i64, state: RunState, cause: Option<&str>, now_ms: i64) {
        let ended = self.change_run(run, |run| {
            run.row.state = state;
            if cause.is_some() {
                run.row.cause = cause.map(Arc::from);
            }
            run.row.ended_ms = Some(now_ms);
            run.row.push
        });
        let Some(push) = ended.and_then(|push| self.pushes.get_mut(&push)) else { return };
        if matches!(state, RunState::Aborted | RunState::Failed) {
            self.taking_back.insert(run, 0);
        }
        push.is_changed = true;
        push.row.state = match state {
            RunState::Aborted => PushState::Aborted,
            // It has a schedule, and its next run may succeed.
            _ if push.row.next_ms.is_some() => return,
            RunState::Failed => PushState::Failed,
            _ => PushState::Done,
        };
        push.row.next_ms = None;
        push.row.ended_ms = push.row.state.is_final().then_some(now_ms);
    }

    /// Returns up a run that was not frozen: its caller got no answer, and may try again.
    pub(super) fn give_up(&mut self, run: i64, cause: &str, now_ms: i64) {
        let Some(push) = self.runs.get(&run).map(|run| run.row.push) else { return };
        let at_ms = self.runs.get(&run).map_or(0, |run| run.row.at_ms);
        self.end_run(run, RunState::Failed, Some(cause), now_ms.max(at_ms));
        self.change_push(push, |push| {
            if push.next_ms.is_none() {
                push.idempotency = None;
            }
        });
    }

    pub(super) fn changed_pushes(&mut self) -> Vec<PushRow> {
        let changed = self.pushes.values_mut().filter(|push| push.is_changed);
        changed
            .map(|push| {
                push.is_changed = false;
                push.row.clone()
            })
            .collect()
    }

    pub(super) fn changed_runs(&mut self) -> Vec<RunRow> {
        let changed = self.runs.values_mut().filter(|run| run.is_changed);
        changed
            .map(|run| {
                run.is_changed = false;
                run.row.clone()
            })
            .collect()
    }

    /// Removes pushes and runs that have ended and are on disk.
    pub(super) fn forget_ended(&mut self) {
        let goes_on = |run: &LiveRun| {
            matches!(run.row.state, RunState::Freezing | RunState::Running) || !run.open.is_empty()
        };
        self.runs.retain(|_, run| goes_on(run));
        let runs = &self.runs;
        let has_runs = |seq: &i64| runs.values().any(|run| run.row.push == *seq);
        self.pushes.retain(|seq, push| !push.row.state.is_final() || has_runs(seq));
    }
}

impl Engine {
    /// Whether a command waits for its run, is paused with it, or is about to be cancelled.
    pub(super) fn is_held(&self, seq: i64) -> bool {
        let Some(open) = self.open_commands.get(seq) else { return false };
        let is_stopped = open.row.run.is_some_and(|run| self.runs.is_stopped(run));
        open.row.state == State::Queued && (open.row.held_ms.is_some() || is_stopped)
    }

    /// A command of a run has ended; if too many have failed, the run is stopped.
    pub(super) fn ended_of_run(&mut self, run: i64, seq: i64, state: State) {
        let now_ms = self.now_ms;
        let is_bad =
            matches!(state, State::Failed | State::Rejected | State::Expired | State::TimedOut);
        let Some(live) = self.runs.runs.get_mut(&run) else { return };
        live.open.remove(&seq);
        live.held.remove(&seq);
        if live.row.state == RunState::Freezing && state == State::Failed {
            return;
        }
        live.settled += 1;
        live.bad += u64::from(is_bad);
        let (settled, bad) = (live.settled, live.bad);
        #[expect(clippy::cast_precision_loss, reason = "counts of vehicles are far below 2^53")]
        let is_above = live.row.abort_above.is_some_and(|most| bad as f64 > most * settled as f64);
        // After its last command was released, commands may still wait for their vehicles.
        let may_stop = matches!(live.row.state, RunState::Running | RunState::Done);
        if is_above && is_bad && may_stop && !live.open.is_empty() {
            let (cause, push) =
                (format!("abort-above: {bad} of {settled} ended badly"), live.row.push);
            self.runs.end_run(run, RunState::Aborted, Some(&cause), now_ms);
            for other in self.runs.runs_of(push) {
                self.runs.end_run(other, RunState::Aborted, Some(&cause), now_ms);
            }
        }
    }

    /// Cancels some of the commands of stopped runs; more in the next turn.
    pub(super) fn take_back(&mut self) {
        let mut most = TAKEN_BACK_MAX;
        while most > 0
            && let Some((run, from)) = self.runs.taking_back.pop_first()
        {
            let Some(live) = self.runs.runs.get(&run) else { continue };
            let cause = live.row.cause.clone().unwrap_or_else(|| "push".into());
            let some: Vec<i64> = live.open.range(from + 1..).take(most).copied().collect();
            most -= some.len();
            let is_more = most == 0;
            // It stays in the list while its commands are cancelled, so that none of them is sent
            // meanwhile.
            self.runs.taking_back.insert(run, some.last().copied().unwrap_or(from));
            for seq in some {
                self.take_one_back(seq, &cause);
            }
            if is_more {
                return;
            }
            self.runs.taking_back.remove(&run);
        }
    }

    fn take_one_back(&mut self, seq: i64, cause: &str) {
        let Some(open) = self.open_commands.get(seq) else { return };
        let is_undelivered = matches!(open.row.state, State::Queued | State::Sent);
        if !is_undelivered || open.row.cancel_requested {
            return;
        }
        if matches!(open.flight, Flight::With(_)) {
            self.open_commands.change(seq, |open| open.row.cancel_requested = true);
            self.mark(seq);
            return;
        }
        self.apply(seq, Event::Cancelled, Some(cause), None);
    }
}
