//! `verify`: checks a condition on a vehicle's points after a command was delivered.

use std::{collections::HashMap, time::Duration};

use super::{
    Verified,
    plan::{Plan, Verify},
};
use crate::{
    downlink::{Downlink, engine::Job, store::PushRow},
    env::Guard,
    model::{CommandId, UnixNanos, Value},
    query::{QueryError, QueryRequest},
};

/// How often it is checked whether there is something to verify.
const LOOK: Duration = Duration::from_millis(500);
/// The maximum number of commands per query.
const TOGETHER: usize = 500;
/// How long a point may take to reach the store.
const GRACE: Duration = Duration::from_secs(5);
/// How many times a push is checked within `within`.
const TIMES: u32 = 20;

/// Verifies commands until the appliance stops.
pub(in crate::downlink) async fn verify(downlink: Downlink, _guard: Guard) {
    let mut next: HashMap<CommandId, Duration> = HashMap::new();
    loop {
        tokio::time::sleep(LOOK).await;
        let pushes = match downlink.read(|reader| reader.unverified_pushes()).await {
            Ok(pushes) => pushes,
            Err(error) => {
                tracing::warn!(%error, "effects of commands cannot be looked for");
                continue;
            }
        };
        next.retain(|id, _| pushes.iter().any(|push| push.id == *id));
        for push in pushes {
            let now = downlink.clock.monotonic();
            if next.get(&push.id).is_some_and(|at| *at > now) {
                continue;
            }
            let plan = Plan::kept(&push.spec, &downlink.options);
            let Some(verify) = plan.and_then(|plan| plan.verify) else { continue };
            if let Err(error) = look(&downlink, &push, &verify).await {
                tracing::warn!(%error, push = %push.id, "its effect cannot be looked for now");
            }
            next.insert(push.id, now + (verify.within / TIMES).max(LOOK));
        }
    }
}

/// Checks each unverified command of a push once.
async fn look(downlink: &Downlink, push: &PushRow, verify: &Verify) -> Result<(), QueryError> {
    let seq = push.seq;
    let mut after = 0;
    loop {
        let open = downlink.read(move |reader| reader.unverified(seq, after, TOGETHER)).await;
        let open = open.unwrap_or_else(|error| {
            tracing::warn!(%error, "effects of commands cannot be looked for");
            Vec::new()
        });
        let Some((last, ..)) = open.last() else { return Ok(()) };
        after = *last;
        look_for(downlink, verify, &open).await?;
    }
}

/// A command: its number, its vehicle, and when it was delivered.
type Delivered = (i64, String, i64);

async fn look_for(
    downlink: &Downlink,
    verify: &Verify,
    open: &[Delivered],
) -> Result<(), QueryError> {
    let asked_ms = downlink.clock.wall().0.div_euclid(1_000_000);
    let within_ms = i64::try_from(verify.within.as_millis()).unwrap_or(i64::MAX);
    let first_ms = open.iter().map(|(.., at)| *at).min().unwrap_or(asked_ms);
    let mut by_vehicle: HashMap<&str, Vec<&Delivered>> = HashMap::new();
    for command in open {
        by_vehicle.entry(&command.1).or_default().push(command);
    }
    let request = QueryRequest {
        measurement: verify.measurement.clone(),
        vehicles: by_vehicle.keys().map(|vehicle| (*vehicle).to_owned()).collect(),
        fields: verify.when.paths(),
        from: nanos(first_ms),
        to: nanos(asked_ms.saturating_add(within_ms)),
        limit: QueryRequest::LIMIT_MAX,
        ..QueryRequest::default()
    };
    let mut seen: Vec<(i64, Verified)> = Vec::new();
    let asking = downlink.queries.every_row(request, |columns, row| {
        let (Some(Value::Timestamp(at)), Some(Value::String(vehicle))) = (row.first(), row.get(1))
        else {
            return;
        };
        let value = |name: &str| {
            let place = columns.iter().position(|known| known.name == name)?;
            row.get(place).filter(|value| **value != Value::Null)
        };
        let Some(commands) = by_vehicle.get_mut(vehicle.as_str()) else { return };
        let is_its = |delivered_ms: i64| {
            *at > nanos(delivered_ms) && *at <= nanos(delivered_ms.saturating_add(within_ms))
        };
        if commands.iter().any(|(.., delivered)| is_its(*delivered)) && verify.when.holds(value) {
            commands.retain(|(seq, _, delivered)| {
                let is_seen = is_its(*delivered);
                seen.extend(is_seen.then_some((*seq, Verified::Yes)));
                !is_seen
            });
        }
    });
    asking.await?;
    let grace_ms = i64::try_from(GRACE.as_millis()).unwrap_or(0);
    let over = by_vehicle.values().flatten().filter(|(.., delivered)| {
        delivered.saturating_add(within_ms).saturating_add(grace_ms) < asked_ms
    });
    seen.extend(over.map(|(seq, ..)| (*seq, Verified::No)));
    if !seen.is_empty() {
        downlink.ask(Job::Verified(seen));
    }
    Ok(())
}

fn nanos(ms: i64) -> UnixNanos {
    UnixNanos(ms.saturating_mul(1_000_000))
}
