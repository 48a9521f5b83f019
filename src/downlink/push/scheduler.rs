//! Waits for the times of a scheduled push, and makes its runs one after the other.
//!
//! One task per push. It polls the wall clock instead of sleeping until the next time, because that
//! clock may be set, and a machine may be suspended.

use std::{sync::Arc, time::Duration};

use super::{
    PushError, PushState, RunState, Sender,
    drive::{self, Begun, Driven},
    make::{Making, Whose},
    plan::Plan,
    schedule::{Due, Gap, Schedule, ScheduleCheck},
};
use crate::{
    downlink::{
        Downlink, Refused,
        engine::{PushJob, Unmade},
        store::PushRow,
    },
    model::CommandId,
};

/// How often the clock is read.
const LOOK: Duration = Duration::from_secs(1);
/// The pause after a failed commit.
const RETRY: Duration = Duration::from_secs(1);

/// Why times were missed.
const AWAY: &str = "nobody was there to run it";
const BUSY: &str = "the run before went on";
const PAUSED: &str = "it was paused";

/// A scheduled push.
#[derive(Clone, Debug)]
pub(super) struct ScheduledPush {
    pub(super) push: CommandId,
    pub(super) plan: Plan,
    pub(super) sender: Sender,
}

/// The past, with which the times are compared.
struct Past {
    /// Times until then are missed.
    busy_until_ms: i64,
    /// Why times may have been missed.
    why: &'static str,
    /// The last run could not be made.
    is_failing: bool,
}

/// Begins to wait for a push's times, after its interrupted run has ended.
pub(super) fn start(downlink: &Downlink, standing: ScheduledPush, left: Option<(Driven, Begun)>) {
    let guard = downlink.supervisor.panic_guard("downlink-schedule");
    let downlink = downlink.clone();
    tokio::spawn(async move {
        let _guard = guard;
        let Some(schedule) = standing.plan.schedule.clone() else { return };
        let mut past = Past { busy_until_ms: i64::MIN, why: AWAY, is_failing: false };
        if let Some((driven, begun)) = left {
            let run = driven.run;
            drive::drive(&downlink, driven, begun).await;
            past.went_on(ended(&downlink, run).await);
        }
        stand(&downlink, &standing, &schedule, past).await;
    });
}

impl Past {
    /// A run has lasted until then.
    fn went_on(&mut self, until_ms: i64) {
        (self.busy_until_ms, self.why) = (until_ms, BUSY);
    }
}

async fn stand(downlink: &Downlink, standing: &ScheduledPush, schedule: &Schedule, mut past: Past) {
    let push = standing.push;
    let mut changed = downlink.pushes_changed.subscribe();
    loop {
        changed.borrow_and_update();
        let row = match downlink.read(move |reader| reader.push_row(push)).await {
            Ok(row) => row,
            Err(error) => {
                tracing::warn!(%error, %push, "a standing push cannot be read");
                tokio::time::sleep(RETRY).await;
                continue;
            }
        };
        let Some(PushRow { state, next_ms: Some(next_ms), .. }) = row else { return };
        if state == PushState::Paused {
            past.why = PAUSED;
            if changed.changed().await.is_err() {
                return;
            }
            continue;
        }
        let due = match schedule.look(next_ms, now_ms(downlink), past.busy_until_ms) {
            ScheduleCheck::Wait => {
                past.why = AWAY;
                wait(downlink, schedule, next_ms, &past, &mut changed).await;
                continue;
            }
            ScheduleCheck::SetBack(sooner) => tell(downlink, push, None, sooner).await,
            ScheduleCheck::Due(due) => act(downlink, standing, &due, &mut past).await,
        };
        match due {
            Ok(()) => {}
            Err(Refused::PushUnknown(_) | Refused::PushEnded { .. } | Refused::Halted { .. }) => {
                return;
            }
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
}

/// Waits until there is something to do, or an operator has changed a push.
async fn wait(
    downlink: &Downlink,
    schedule: &Schedule,
    next_ms: i64,
    past: &Past,
    changed: &mut tokio::sync::watch::Receiver<u64>,
) {
    loop {
        let now_ms = now_ms(downlink);
        if schedule.look(next_ms, now_ms, past.busy_until_ms) != ScheduleCheck::Wait {
            return;
        }
        let left = u64::try_from(next_ms.saturating_sub(now_ms)).unwrap_or(1).max(1);
        let pause = Duration::from_millis(left).min(LOOK);
        if tokio::time::timeout(pause, changed.changed()).await.is_ok() {
            return;
        }
    }
}

/// Handles due times: notes those that were missed, and makes a run.
async fn act(
    downlink: &Downlink,
    standing: &ScheduledPush,
    due: &Due,
    past: &mut Past,
) -> Result<(), Refused> {
    let push = standing.push;
    let cause = due.missed.map(|gap| Arc::from(gap.text(past.why)));
    if let (Some(Gap { first_ms, .. }), Some(cause), false) = (due.missed, &cause, due.makes_up) {
        tracing::warn!(%push, name = %standing.plan.name, "{cause}");
        let cause = Arc::clone(cause);
        let unmade = Unmade { at_ms: first_ms, state: RunState::Skipped, cause };
        tell(downlink, push, Some(unmade), due.run_ms.unwrap_or(due.next_ms)).await?;
    }
    if due.run_ms.is_none() {
        return Ok(());
    }
    let at = downlink.clock.wall();
    let making = Making {
        plan: &standing.plan,
        sender: &standing.sender,
        whose: Whose::ScheduledPush(push),
        at,
        cause: cause.filter(|_| due.makes_up),
        next_ms: Some(due.next_ms),
    };
    let made = downlink.make(making).await;
    let now_ms = now_ms(downlink);
    let was_failing = std::mem::replace(&mut past.is_failing, made.is_err());
    match made {
        Ok(asked) => {
            if asked.held > 0 {
                let plan = standing.plan.clone();
                let driven = Driven { push, run: asked.run, plan };
                drive::drive(downlink, driven, Begun::default()).await;
            }
            past.went_on(ended(downlink, asked.run).await);
            Ok(())
        }
        // Either nothing of it is durable, or it is durably given up.
        Err(PushError::Refused(refused)) => Err(refused),
        Err(error) => {
            // Logged once, not at every time of a schedule: the list of runs has them all.
            if !was_failing {
                tracing::warn!(%push, name = %standing.plan.name, %error, "its run failed");
            }
            let at_ms = at.0.div_euclid(1_000_000);
            let cause = error.to_string().into();
            let unmade = Unmade { at_ms, state: RunState::Failed, cause };
            tell(downlink, push, Some(unmade), due.next_ms).await?;
            past.went_on(now_ms);
            Ok(())
        }
    }
}

async fn tell(
    downlink: &Downlink,
    push: CommandId,
    run: Option<Unmade>,
    next_ms: i64,
) -> Result<(), Refused> {
    downlink.ask_push(PushJob::Tell { push, run, next_ms }).await.map(|_| ())
}

/// When a run ended.
async fn ended(downlink: &Downlink, run: i64) -> i64 {
    let found = downlink.read(move |reader| reader.run_ended(run)).await;
    found.ok().flatten().unwrap_or_else(|| now_ms(downlink))
}

fn now_ms(downlink: &Downlink) -> i64 {
    downlink.clock.wall().0.div_euclid(1_000_000)
}
