//! The thread of commands: its loop.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::Duration,
};

use rusqlite::ErrorCode;
use tokio::sync::{mpsc::UnboundedSender, watch};

use super::{
    job::{Job, Refused},
    turn::{Engine, StillCheck},
};
use crate::{
    env::{Clock, Guard},
    telemetry::{Health, HealthCell, Metrics},
};

/// The maximum number of commands and reports in one turn (its last job may exceed it), because
/// other jobs wait for its commit.
const WEIGHT_MAX: usize = 2048;
/// How often expired rows are searched.
const SWEEP: Duration = Duration::from_secs(30);
/// The pause after a failed commit.
const RETRY: Duration = Duration::from_secs(1);

/// Why nothing is accepted now, for callers.
#[derive(Debug, Default)]
pub(in crate::downlink) struct Failure(Mutex<Option<Refused>>);

impl Failure {
    fn set(&self, failure: Option<Refused>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    /// The answer to a caller whose job was lost.
    pub(in crate::downlink) fn refusal(&self) -> Refused {
        let failure = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        failure.unwrap_or(Refused::Unavailable { reason: "the appliance is stopping".into() })
    }
}

/// The outcome of a turn.
enum TurnOutcome {
    Durable,
    /// The disk accepts no writes for now.
    NotNow,
    /// The disk has failed: nothing is accepted until a restart.
    Halted,
}

/// The state of the thread.
pub(in crate::downlink) struct Thread {
    pub(in crate::downlink) engine: Engine,
    pub(in crate::downlink) jobs: mpsc::Receiver<Job>,
    pub(in crate::downlink) clock: Arc<dyn Clock>,
    pub(in crate::downlink) metrics: Arc<Metrics>,
    pub(in crate::downlink) health: HealthCell,
    pub(in crate::downlink) failure: Arc<Failure>,
    /// Receives the number of the last change.
    pub(in crate::downlink) changes: watch::Sender<i64>,
    pub(in crate::downlink) still_checks: UnboundedSender<StillCheck>,
    /// Alarms that wait.
    pub(in crate::downlink) alarms: Arc<AtomicUsize>,
    pub(in crate::downlink) guard: Guard,
}

impl Thread {
    /// Runs until a stop, or until all senders of jobs are gone.
    pub(in crate::downlink) fn run(mut self) {
        self.health.set(Health::Ready);
        let mut waiting: Vec<Job> = Vec::new();
        let mut swept = self.clock.monotonic();
        let (mut is_more, mut is_failing) = (false, false);
        loop {
            let rest = match (is_failing, is_more) {
                (true, _) => RETRY,
                (false, true) => Duration::ZERO,
                (false, false) => self.engine.rest(self.now_ms(), SWEEP),
            };
            match self.jobs.recv_timeout(rest) {
                Ok(job) => waiting.push(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let mut weight: usize = waiting.iter().map(Job::weight).sum();
            while weight < WEIGHT_MAX
                && let Ok(job) = self.jobs.try_recv()
            {
                weight += job.weight();
                waiting.push(job);
            }
            let is_over = waiting.iter().any(|job| matches!(job, Job::Stop));
            is_failing = match self.turn(&mut waiting) {
                TurnOutcome::Durable => false,
                TurnOutcome::NotNow => true,
                TurnOutcome::Halted => return self.refuse(),
            };
            if is_over {
                break;
            }
            let now = self.clock.monotonic();
            if !is_failing && (is_more || now.saturating_sub(swept) >= SWEEP) {
                swept = now;
                is_more = self.engine.sweep(self.now_ms()).unwrap_or_else(|error| {
                    tracing::warn!(%error, "old commands cannot be deleted");
                    false
                });
            }
        }
        drop(self.guard);
    }

    fn now_ms(&self) -> i64 {
        self.clock.wall().0.div_euclid(1_000_000)
    }

    /// One turn. Jobs from vehicles that could not be made durable stay in `jobs`.
    fn turn(&mut self, jobs: &mut Vec<Job>) -> TurnOutcome {
        let now_ms = self.now_ms();
        let error = match self.engine.turn(jobs, now_ms) {
            Ok(done) => {
                jobs.clear();
                self.failure.set(None);
                self.health.set(Health::Ready);
                self.changes.send_if_modified(|last| {
                    std::mem::replace(last, done.last_change) != done.last_change
                });
                for check in done.still_checks {
                    // The receiver is gone when the appliance is stopping.
                    self.still_checks.send(check).unwrap_or_default();
                }
                let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
                self.metrics.downlink_open_commands.set(count(self.engine.open_count()));
                self.metrics.downlink_standing_pushes.set(count(self.engine.scheduled_count()));
                let waiting = self.alarms.load(Ordering::Relaxed);
                self.metrics.downlink_waiting_alarms.set(count(waiting));
                return TurnOutcome::Durable;
            }
            Err(error) => error,
        };
        let reason: Arc<str> = error.to_string().into();
        let is_failed = matches!(
            error.sqlite_error_code(),
            // A failed sync may have lost pages, and a second sync would not report that.
            Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        );
        let is_recovered = !is_failed && self.engine.recover().is_ok();
        if !is_recovered {
            tracing::error!(%reason, "commands are halted until a restart");
            self.failure.set(Some(Refused::Halted { reason: Arc::clone(&reason) }));
            self.health.set(Health::Failed(format!("halted until a restart: {reason}")));
            return TurnOutcome::Halted;
        }
        tracing::error!(%reason, "commands cannot be made durable now");
        self.failure.set(Some(Refused::Unavailable { reason: Arc::clone(&reason) }));
        self.health.set(Health::Waiting(format!("nothing can be made durable: {reason}")));
        jobs.retain(Job::is_of_a_vehicle);
        TurnOutcome::NotNow
    }

    /// The disk has failed: callers are refused, and receipts are not acknowledged.
    fn refuse(self) {
        for job in &self.jobs {
            if matches!(job, Job::Stop) {
                break;
            }
        }
    }
}
