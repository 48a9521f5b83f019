//! The jobs of pushes: all durable changes of pushes happen here.

use std::sync::Arc;

use super::{job::Refused, turn::Engine};
use crate::{
    downlink::{
        lifecycle::{Event, State},
        push::{Counts, PushState, RunState},
        record::{Idempotency, Request, What},
        store::{AuditRow, PushRow, RunRow},
    },
    model::CommandId,
};

/// The cause of a command that waits for its push.
const HELD: &str = "push";
/// The cause of a failed command whose row is not valid for it.
const ROW: &str = "row";

/// A new push.
#[derive(Clone, Debug)]
pub(in crate::downlink) struct NewPush {
    pub(in crate::downlink) id: CommandId,
    pub(in crate::downlink) name: Arc<str>,
    pub(in crate::downlink) spec: Arc<str>,
    pub(in crate::downlink) who: Arc<str>,
    pub(in crate::downlink) vehicles: Option<Arc<str>>,
    pub(in crate::downlink) idempotency: Option<Idempotency>,
    /// For a push with a schedule: when its first run is due.
    pub(in crate::downlink) next_ms: Option<i64>,
}

/// A new run.
#[derive(Clone, Debug)]
pub(in crate::downlink) struct NewRun {
    pub(in crate::downlink) at_ms: i64,
    pub(in crate::downlink) query: Arc<str>,
    pub(in crate::downlink) counts: Counts,
    pub(in crate::downlink) abort_above: Option<f64>,
    /// Why it is later than its time.
    pub(in crate::downlink) cause: Option<Arc<str>>,
}

/// A run of a scheduled push that is not made.
#[derive(Clone, Debug)]
pub(in crate::downlink) struct Unmade {
    pub(in crate::downlink) at_ms: i64,
    /// Failed or skipped.
    pub(in crate::downlink) state: RunState,
    pub(in crate::downlink) cause: Arc<str>,
}

/// A job of a push.
#[derive(Debug)]
pub(in crate::downlink) enum PushJob {
    /// Create it with its run; without a run it waits for its schedule.
    Create(NewPush, Option<NewRun>),
    /// Begin a run of a scheduled push.
    Begin(CommandId, NewRun),
    /// Note a run of a scheduled push that is not made, and when the next one is due.
    Tell {
        push: CommandId,
        run: Option<Unmade>,
        next_ms: i64,
    },
    /// Make commands of a run, which are held until the run releases them.
    Freeze(i64, Vec<Arc<Request>>),
    /// All commands of the run are made. For a scheduled push: when the next run is due.
    Frozen(i64, Option<i64>),
    /// The run cannot be made. For a scheduled push: when the next run is due.
    GiveUp(i64, Arc<str>, Option<i64>),
    /// Release some commands of a run; says whether they are the first of a wave.
    Release {
        run: i64,
        count: usize,
        is_wave: bool,
    },
    /// Release none until it is resumed.
    Pause(CommandId, Arc<str>),
    Resume(CommandId, Arc<str>),
    /// Stop it, and cancel commands that are not delivered.
    Abort(CommandId, Arc<str>),
    /// Delete it, if it has ended.
    Forget(CommandId, Arc<str>),
}

impl PushJob {
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Freeze(_, requests) => requests.len(),
            Self::Release { count, .. } => *count,
            _ => 1,
        }
    }
}

/// The state of a push after a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::downlink) struct Asked {
    pub(in crate::downlink) push: CommandId,
    pub(in crate::downlink) state: PushState,
    /// Its run, if the job is about one.
    pub(in crate::downlink) run: i64,
    /// It existed before, with the same key.
    pub(in crate::downlink) is_repeat: bool,
    /// The number of released commands.
    pub(in crate::downlink) released: usize,
    /// The number of commands that are still held.
    pub(in crate::downlink) held: usize,
}

type Answer = rusqlite::Result<Result<Asked, Refused>>;

impl Engine {
    pub(super) fn push(&mut self, job: &mut PushJob) -> Answer {
        match job {
            PushJob::Create(push, run) => self.create_push(push, run.as_ref()),
            PushJob::Begin(push, run) => Ok(self.begin(*push, run)),
            PushJob::Tell { push, run, next_ms } => Ok(self.tell(*push, run.as_ref(), *next_ms)),
            PushJob::Freeze(run, requests) => Ok(self.freeze(*run, requests)),
            PushJob::Frozen(run, next_ms) => Ok(self.frozen(*run, *next_ms)),
            PushJob::GiveUp(run, cause, next_ms) => {
                let asked = self.asked(*run);
                self.runs.give_up(*run, cause, self.now_ms);
                self.count_run("failed");
                self.is_next(*run, *next_ms);
                Ok(asked)
            }
            PushJob::Release { run, count, is_wave } => self.release(*run, *count, *is_wave),
            PushJob::Pause(id, who) => self.pause(*id, who, true),
            PushJob::Resume(id, who) => self.pause(*id, who, false),
            PushJob::Abort(id, who) => self.abort(*id, who),
            PushJob::Forget(id, who) => self.forget(*id, who),
        }
    }

    fn create_push(&mut self, new: &NewPush, run: Option<&NewRun>) -> Answer {
        if let Some(wanted) = &new.idempotency {
            let found = match self.runs.push_by_key(&wanted.key) {
                Some(found) => Some(found.clone()),
                None => self.writer.find_push(&wanted.key)?,
            };
            if let Some(found) = found {
                return Ok(match found.idempotency.as_ref() == Some(wanted) {
                    true => Ok(Asked { is_repeat: true, ..asked(&found) }),
                    false => {
                        Err(Refused::PushKeyTaken { key: Arc::clone(&wanted.key), id: found.id })
                    }
                });
            }
        }
        let max = self.options.schedules_max;
        if new.next_ms.is_some() && self.runs.standing() >= max {
            return Ok(Err(Refused::TooManySchedules { max }));
        }
        let created_ms = self.now_ms;
        let new = new.clone();
        let (id, who, name) = (new.id, Arc::clone(&new.who), Arc::clone(&new.name));
        let seq = self.runs.add_push(|seq| PushRow {
            seq,
            id: new.id,
            name: new.name,
            spec: new.spec,
            who: new.who,
            vehicles: new.vehicles,
            created_ms,
            state: PushState::Running,
            idempotency: new.idempotency,
            ended_ms: None,
            next_ms: new.next_ms,
        });
        self.audit_push(id, &name, &who, "push");
        let run = run.map_or(0, |run| self.add_run(seq, run));
        let row = self.runs.push(seq).map(asked);
        Ok(row.map(|row| Asked { run, ..row }).ok_or(Refused::PushUnknown(id)))
    }

    pub(super) fn add_run(&mut self, push: i64, new: &NewRun) -> i64 {
        let new = new.clone();
        self.runs.add_run(|seq| RunRow {
            seq,
            push,
            at_ms: new.at_ms,
            state: RunState::Freezing,
            cause: new.cause,
            query: new.query,
            counts: new.counts,
            abort_above: new.abort_above,
            wave: 0,
            wave_ms: None,
            ended_ms: None,
        })
    }

    pub(super) fn asked(&self, run: i64) -> Result<Asked, Refused> {
        let unknown = Refused::PushUnknown(CommandId([0; 16]));
        let live = self.runs.run(run).ok_or_else(|| unknown.clone())?;
        let push = self.runs.push(live.row.push).ok_or(unknown)?;
        Ok(Asked { run, held: live.held.len(), ..asked(push) })
    }

    fn freeze(&mut self, run: i64, requests: &[Arc<Request>]) -> Result<Asked, Refused> {
        let before = self.asked(run)?;
        let is_freezing = self.runs.run(run).is_some_and(|run| run.row.state == RunState::Freezing);
        if !is_freezing {
            let (id, state) = (before.push, before.state.as_str());
            return Err(Refused::PushEnded { id, state });
        }
        for request in requests {
            if self.is_crowded(&request.vehicle, &self.replaced(request)) {
                // The vehicle was below its bound when the rows were chosen.
                self.runs.change_run(run, |run| {
                    run.row.counts.open_max += 1;
                    run.row.counts.targeted = run.row.counts.targeted.saturating_sub(1);
                });
                continue;
            }
            if self.open_commands.len() >= self.options.total_open_max {
                return Err(Refused::TooManyOpenInAll { max: self.options.total_open_max });
            }
            let seq = self.add_new(request, Some(run));
            let cause: Arc<str> = HELD.into();
            self.open_commands.change(seq, |open| open.row.cause = Some(Arc::clone(&cause)));
            self.note(seq, What::State(State::Queued), Some(cause), None);
            self.runs.change_run(run, |run| {
                run.held.insert(seq);
                run.open.insert(seq);
            });
            self.audit_sent(request);
            let failure = request.origin.as_ref().and_then(|origin| origin.failure.clone());
            if failure.is_some() {
                self.becomes(seq, State::Failed, Some(ROW.into()), failure);
            }
        }
        self.asked(run)
    }

    fn frozen(&mut self, run: i64, next_ms: Option<i64>) -> Result<Asked, Refused> {
        let asked = self.asked(run)?;
        self.runs.change_run(run, |run| {
            if run.row.state == RunState::Freezing {
                run.row.state = RunState::Running;
            }
        });
        self.count_run("made");
        self.is_next(run, next_ms);
        self.done_if_none_is_held(run);
        self.asked(run).or(Ok(asked))
    }

    /// A run whose last command was released is done.
    fn done_if_none_is_held(&mut self, run: i64) {
        let is_over = self
            .runs
            .run(run)
            .is_some_and(|run| run.row.state == RunState::Running && run.held.is_empty());
        if is_over {
            self.runs.end_run(run, RunState::Done, None, self.now_ms);
        }
    }

    fn release(&mut self, run: i64, count: usize, is_wave: bool) -> Answer {
        let before = match self.asked(run) {
            Ok(asked) => asked,
            Err(refused) => return Ok(Err(refused)),
        };
        let is_running = self.runs.run(run).is_some_and(|run| run.row.state == RunState::Running);
        if before.state != PushState::Running || !is_running {
            return Ok(Ok(before));
        }
        let now_ms = self.now_ms;
        let some = self.runs.change_run(run, |run| {
            if is_wave {
                run.row.wave += 1;
                run.row.wave_ms = Some(now_ms);
            }
            run.held.iter().copied().take(count).collect::<Vec<i64>>()
        });
        let some = some.unwrap_or_default();
        let mut released = 0;
        for seq in some {
            // A command that fails at once may stop its run.
            if self.runs.is_taken_back(run) {
                break;
            }
            self.let_go(seq)?;
            self.runs.change_run(run, |run| run.held.remove(&seq));
            released += 1;
        }
        self.done_if_none_is_held(run);
        Ok(self.asked(run).or(Ok(before)).map(|asked| Asked { released, ..asked }))
    }

    /// Releases a held command: it waits for its vehicle from now on, and supersedes older ones
    /// with its key.
    fn let_go(&mut self, seq: i64) -> rusqlite::Result<()> {
        let now_ms = self.now_ms;
        let let_go = self.open_commands.change(seq, |open| {
            let wait = open.row.held_ms.take().unwrap_or(0);
            open.row.expires_ms = now_ms.saturating_add(wait);
            (Arc::clone(&open.row.vehicle), open.row.supersede.clone(), open.row.id)
        });
        let Some((vehicle, supersede, id)) = let_go else { return Ok(()) };
        self.mark(seq);
        if supersede.is_some() {
            let is_older = |other: &i64| {
                *other != seq
                    && self
                        .open_commands
                        .get(*other)
                        .is_some_and(|open| open.row.supersede == supersede)
            };
            let replaced: Vec<i64> =
                self.open_commands.queue(&vehicle).iter().copied().filter(is_older).collect();
            for older in replaced {
                self.apply(older, Event::Superseded, Some(&format!("by {id}")), None);
            }
        }
        self.dispatch(&vehicle)
    }

    /// A push that has not ended, or has an open command.
    fn live_push(&mut self, id: CommandId) -> rusqlite::Result<Option<PushRow>> {
        if let Some(push) = self.runs.push_by_id(id) {
            return Ok(Some(push.clone()));
        }
        self.writer.push(id)
    }

    fn pause(&mut self, id: CommandId, who: &Arc<str>, is_pause: bool) -> Answer {
        let Some(push) = self.live_push(id)? else { return Ok(Err(Refused::PushUnknown(id))) };
        if push.state.is_final() {
            return Ok(Err(Refused::PushEnded { id, state: push.state.as_str() }));
        }
        let state = if is_pause { PushState::Paused } else { PushState::Running };
        self.runs.change_push(push.seq, |push| push.state = state);
        if !is_pause {
            self.dispatch_all_of(push.seq);
        }
        self.audit_push(id, &push.name, who, if is_pause { "pause" } else { "resume" });
        Ok(Ok(Asked { state, ..asked(&push) }))
    }

    /// Commands that were released before their push was paused may be sent again.
    fn dispatch_all_of(&mut self, push: i64) {
        let runs = self.runs.runs_of(push).into_iter().filter_map(|run| self.runs.run(run));
        let seqs = runs.flat_map(|run| run.open.difference(&run.held));
        let vehicles = seqs.filter_map(|seq| self.open_commands.get(*seq));
        self.later.extend(vehicles.map(|open| Arc::clone(&open.row.vehicle)));
    }

    fn abort(&mut self, id: CommandId, who: &Arc<str>) -> Answer {
        let Some(push) = self.live_push(id)? else { return Ok(Err(Refused::PushUnknown(id))) };
        let runs = self.runs.runs_of(push.seq);
        let is_over = matches!(push.state, PushState::Aborted | PushState::Failed)
            || push.state == PushState::Done && runs.is_empty();
        if is_over {
            return Ok(Err(Refused::PushEnded { id, state: push.state.as_str() }));
        }
        self.runs.remember(push.clone());
        for run in runs {
            let cause = format!("aborted by {who}");
            self.runs.end_run(run, RunState::Aborted, Some(&cause), self.now_ms);
        }
        let now_ms = self.now_ms;
        self.runs.change_push(push.seq, |push| {
            push.state = PushState::Aborted;
            push.ended_ms = Some(now_ms);
            push.next_ms = None;
        });
        self.audit_push(id, &push.name, who, "abort");
        Ok(Ok(Asked { state: PushState::Aborted, ..asked(&push) }))
    }

    fn forget(&mut self, id: CommandId, who: &Arc<str>) -> Answer {
        let Some(push) = self.live_push(id)? else { return Ok(Err(Refused::PushUnknown(id))) };
        // A scheduled push has no open commands between its runs.
        let has_ended = push.state.is_final() || push.next_ms.is_some();
        if !has_ended || !self.runs.runs_of(push.seq).is_empty() {
            return Ok(Err(Refused::PushOpen(id)));
        }
        self.runs.forget(push.seq);
        self.gathered().forgotten.push(push.seq);
        self.audit_push(id, &push.name, who, "forget");
        Ok(Ok(asked(&push)))
    }

    fn audit_push(&mut self, id: CommandId, name: &Arc<str>, who: &Arc<str>, action: &'static str) {
        self.audit(AuditRow {
            at_ms: self.now_ms,
            who: Arc::clone(who),
            action,
            id,
            vehicle: "".into(),
            name: Some(Arc::clone(name)),
        });
    }
}

pub(super) fn asked(push: &PushRow) -> Asked {
    Asked { push: push.id, state: push.state, run: 0, is_repeat: false, released: 0, held: 0 }
}
