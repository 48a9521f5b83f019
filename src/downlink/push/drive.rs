//! Releases the commands of a run: wave by wave, at a rate, and not while it is paused.
//!
//! A release is durable with its command, and a wave with its run: after a restart the task
//! continues where the last one stopped.

use std::time::Duration;

use super::{
    RunState, Sender,
    plan::Plan,
    scheduler::{self, ScheduledPush},
};
use crate::{
    downlink::{
        Downlink, Refused,
        engine::{Asked, PushJob},
        push::PushState,
    },
    env::Guard,
    model::CommandId,
};

/// The maximum number of commands that are released together; more would delay other jobs.
const TOGETHER: usize = 1000;
/// How often per second a rate releases some.
const TICKS_PER_SECOND: u32 = 10;
/// The pause after a failed commit.
const RETRY: Duration = Duration::from_secs(1);
/// The page size when runs are read after a start.
const PAGE: usize = 1000;

/// A run whose commands are to be released.
#[derive(Clone, Debug)]
pub(super) struct Driven {
    pub(super) push: CommandId,
    pub(super) run: i64,
    pub(super) plan: Plan,
}

/// The number of waves of a run that have begun, and when the last one began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Begun {
    waves: u32,
    last_ms: Option<i64>,
}

/// Begins to release the commands of a run, if there are any.
pub(super) fn start(downlink: &Downlink, driven: Driven, held: usize) {
    if held > 0 {
        spawn(downlink, driven, Begun::default());
    }
}

fn spawn(downlink: &Downlink, driven: Driven, begun: Begun) {
    let guard = downlink.supervisor.panic_guard("downlink-push");
    let downlink = downlink.clone();
    tokio::spawn(async move {
        let _guard = guard;
        drive(&downlink, driven, begun).await;
    });
}

/// Continues the pushes of an earlier process: those below a number. Later ones are continued by
/// their creators.
pub(in crate::downlink) async fn resume(downlink: Downlink, below: i64, _guard: Guard) {
    let mut after = Some(below);
    loop {
        let page = downlink.push_page(None, after, PAGE).await;
        let page = match page {
            Ok(page) => page,
            Err(error) => return tracing::error!(%error, "pushes cannot be gone on with"),
        };
        let Some(last) = page.last().map(super::PushRecord::seq) else { return };
        for found in page {
            let push = found.push;
            let run = found.latest.map(|latest| latest.run);
            let run = run.filter(|run| run.state == RunState::Running);
            let stands = push.next_ms.is_some();
            if push.state.is_final() || run.is_none() && !stands {
                continue;
            }
            let Some(plan) = Plan::kept(&push.spec, &downlink.options) else {
                tracing::error!(push = %push.id, "it was kept by another version");
                continue;
            };
            let left = run.map(|run| {
                let begun = Begun { waves: run.wave, last_ms: run.wave_ms };
                (Driven { push: push.id, run: run.seq, plan: plan.clone() }, begun)
            });
            if stands {
                let sender = Sender::of(&push);
                scheduler::start(&downlink, ScheduledPush { push: push.id, plan, sender }, left);
            } else if let Some((driven, begun)) = left {
                spawn(&downlink, driven, begun);
            }
        }
        after = Some(last);
    }
}

/// Releases the commands of a run, until the last one is released or the run is over.
pub(super) async fn drive(downlink: &Downlink, driven: Driven, mut begun: Begun) {
    let Driven { push, run, plan } = driven;
    let mut changed = downlink.pushes_changed.subscribe();
    loop {
        changed.borrow_and_update();
        let (count, is_wave, pause) = match quota(downlink, &plan, run, &begun).await {
            Ok(Quota::Over) => return,
            Ok(Quota::Some { count, is_wave }) => {
                let count = rated(&plan, count);
                (count, is_wave, pause_after(&plan, count))
            }
            Ok(Quota::NotBefore(wait)) => {
                // An operator's change may end the wait.
                drop(tokio::time::timeout(wait, changed.changed()).await);
                continue;
            }
            Err(refused) => {
                if is_over(&refused) {
                    return;
                }
                tokio::time::sleep(RETRY).await;
                continue;
            }
        };
        match downlink.ask_push(PushJob::Release { run, count, is_wave }).await {
            Ok(Asked { state: PushState::Paused, .. }) => {
                if changed.changed().await.is_err() {
                    return;
                }
            }
            Ok(Asked { state: PushState::Running, held, .. }) if held > 0 => {
                if is_wave {
                    begun.waves += 1;
                    begun.last_ms = Some(downlink.clock.wall().0.div_euclid(1_000_000));
                }
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            }
            Ok(_) => return tracing::debug!(%push, "the run is over"),
            Err(refused) if is_over(&refused) => return,
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
}

/// Whether nothing will ever be released.
fn is_over(refused: &Refused) -> bool {
    !matches!(refused, Refused::Unavailable { .. })
}

/// What may be released now.
enum Quota {
    Some { count: usize, is_wave: bool },
    NotBefore(Duration),
    Over,
}

async fn quota(
    downlink: &Downlink,
    plan: &Plan,
    run: i64,
    begun: &Begun,
) -> Result<Quota, Refused> {
    let Some(waves) = &plan.waves else {
        return Ok(Quota::Some { count: TOGETHER, is_wave: false });
    };
    // This releases nothing; it returns how many are held.
    let progress = downlink.read(move |reader| reader.progress(run)).await;
    let Ok(progress) = progress else { return Ok(Quota::NotBefore(RETRY)) };
    let Some((all, held)) = progress else { return Ok(Quota::Over) };
    let let_go = all.saturating_sub(held);
    let left = waves.sum(begun.waves).saturating_sub(let_go);
    if left > 0 {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(TOGETHER);
        return Ok(Quota::Some { count, is_wave: false });
    }
    let now_ms = downlink.clock.wall().0.div_euclid(1_000_000);
    let every_ms = i64::try_from(waves.every.as_millis()).unwrap_or(i64::MAX);
    let due_ms = begun.last_ms.map_or(now_ms, |last| last.saturating_add(every_ms));
    if due_ms > now_ms {
        // If the clock is set back, nobody waits longer than one wave.
        let wait = due_ms.saturating_sub(now_ms).min(every_ms);
        let wait = u64::try_from(wait).unwrap_or(0);
        return Ok(Quota::NotBefore(Duration::from_millis(wait)));
    }
    let next = waves.sum(begun.waves + 1).saturating_sub(let_go);
    let count = usize::try_from(next).unwrap_or(usize::MAX).min(TOGETHER);
    Ok(Quota::Some { count, is_wave: true })
}

/// The number that the rate releases at once.
fn rated(plan: &Plan, count: usize) -> usize {
    let Some(rate) = plan.rate else { return count };
    let tick = rate.div_ceil(TICKS_PER_SECOND);
    count.min(usize::try_from(tick).unwrap_or(usize::MAX))
}

fn pause_after(plan: &Plan, count: usize) -> Duration {
    let Some(rate) = plan.rate else { return Duration::ZERO };
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    Duration::from_secs(1).saturating_mul(count) / rate.max(1)
}
