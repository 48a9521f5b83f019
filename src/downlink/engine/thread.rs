//! The thread itself.

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
    turn::{Engine, Question},
};
use crate::{
    env::{Clock, Guard},
    telemetry::{Health, HealthCell, Metrics},
};

/// Commands and reports that one turn takes, but for the rest of its last job: all others wait for
/// its commit.
const WEIGHT_MAX: usize = 2048;
/// How often what is kept no longer is looked for.
const SWEEP: Duration = Duration::from_secs(30);
/// How long after a commit that failed the next one is tried.
const RETRY: Duration = Duration::from_secs(1);

/// Why nothing is taken now, for who asks.
#[derive(Debug, Default)]
pub(in crate::downlink) struct Failure(Mutex<Option<Refused>>);

impl Failure {
    fn set(&self, failure: Option<Refused>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    /// What is told to a caller whose answer was lost.
    pub(in crate::downlink) fn told(&self) -> Refused {
        let failure = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        failure.unwrap_or(Refused::Unavailable { reason: "the appliance is stopping".into() })
    }
}

/// What became of a turn.
enum Turned {
    Durable,
    /// The disk takes nothing for a while.
    NotNow,
    /// The disk has failed for good.
    Halted,
}

/// What the thread owns.
pub(in crate::downlink) struct Thread {
    pub(in crate::downlink) engine: Engine,
    pub(in crate::downlink) jobs: mpsc::Receiver<Job>,
    pub(in crate::downlink) clock: Arc<dyn Clock>,
    pub(in crate::downlink) metrics: Arc<Metrics>,
    pub(in crate::downlink) health: HealthCell,
    pub(in crate::downlink) failure: Arc<Failure>,
    /// Told the number of the last change.
    pub(in crate::downlink) changes: watch::Sender<i64>,
    pub(in crate::downlink) questions: UnboundedSender<Question>,
    /// Alarms that wait.
    pub(in crate::downlink) alarms: Arc<AtomicUsize>,
    pub(in crate::downlink) guard: Guard,
}

impl Thread {
    /// Works until it is told to stop, or nobody is left to give it work.
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
                Turned::Durable => false,
                Turned::NotNow => true,
                Turned::Halted => return self.refuse(),
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

    /// One turn. What came from vehicles and could not be made durable stays in `jobs`.
    fn turn(&mut self, jobs: &mut Vec<Job>) -> Turned {
        let now_ms = self.now_ms();
        let error = match self.engine.turn(jobs, now_ms) {
            Ok(done) => {
                jobs.clear();
                self.failure.set(None);
                self.health.set(Health::Ready);
                self.changes.send_if_modified(|last| {
                    std::mem::replace(last, done.last_change) != done.last_change
                });
                for question in done.questions {
                    // Nobody asks any more when the appliance is stopping.
                    self.questions.send(question).unwrap_or_default();
                }
                let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
                self.metrics.downlink_open_commands.set(count(self.engine.open_count()));
                self.metrics.downlink_standing_pushes.set(count(self.engine.standing_count()));
                let waiting = self.alarms.load(Ordering::Relaxed);
                self.metrics.downlink_waiting_alarms.set(count(waiting));
                return Turned::Durable;
            }
            Err(error) => error,
        };
        let reason: Arc<str> = error.to_string().into();
        let is_failed = matches!(
            error.sqlite_error_code(),
            // A failed sync may have lost pages that a second one does not find missing.
            Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        );
        let is_recovered = !is_failed && self.engine.recover().is_ok();
        if !is_recovered {
            tracing::error!(%reason, "commands are halted until a restart");
            self.failure.set(Some(Refused::Halted { reason: Arc::clone(&reason) }));
            self.health.set(Health::Failed(format!("halted until a restart: {reason}")));
            return Turned::Halted;
        }
        tracing::error!(%reason, "commands cannot be made durable now");
        self.failure.set(Some(Refused::Unavailable { reason: Arc::clone(&reason) }));
        self.health.set(Health::Waiting(format!("nothing can be made durable: {reason}")));
        jobs.retain(Job::is_of_a_vehicle);
        Turned::NotNow
    }

    /// The disk has failed: whoever asks is refused, and receipts are not acknowledged.
    fn refuse(self) {
        for job in &self.jobs {
            if matches!(job, Job::Stop) {
                break;
            }
        }
    }
}
