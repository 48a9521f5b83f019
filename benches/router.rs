//! What subscriptions cost: through how many of them a message finds its receiver, what each takes
//! in memory, and what they cost the vehicles that nobody subscribes to. The budgets of the design,
//! as `cargo bench --bench router` prints them.
//!
//! ```text
//! cargo bench --bench router -- [--row NAME]… [--seconds N]
//! ```
//! Rows: `filters` (deliveries through 100,000 filters of 100 clients), `memory` (resident bytes
//! of each of them), `uplink` (telemetry beside 100,000 filters that do not match, and beside one
//! that matches the messages of one vehicle of 100: runs with and without, in turns); all of them
//! by default.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine as it is")]

#[path = "rig/mod.rs"]
mod rig;

use std::{process::ExitCode, time::Duration};

use rig::{
    Outcome,
    audience::{Audience, Running, Shape},
    budget::{DeliveryRow, Must, Selection, delivery_row, finish},
    fault,
    fleet::{self, Load},
    process::{cpu_seconds, resident_bytes},
    server::{self, Server},
    stub::Stub,
    table::{line, met},
};

const CLIENTS: u32 = 100;
const FILTERS_EACH: u32 = 1000;
const FILTERS: f64 = (CLIENTS * FILTERS_EACH) as f64;

const FILTERED: Audience = Audience {
    shape: Shape::Filters(FILTERS_EACH),
    subscribers: CLIENTS,
    publishers: 10,
    qos: 1,
    window: 20,
    ahead: 200,
    rate: None,
};

/// How often the uplink is measured with and without.
const PAIRS: usize = 7;

fn main() -> ExitCode {
    let arguments = rig::arguments();
    rig::hidden_mode(&arguments).unwrap_or_else(|| rig::exit(measure(&arguments)))
}

fn measure(arguments: &[String]) -> Outcome {
    let selection = Selection::parse(arguments, 6)?;
    let mut findings = Vec::new();
    if selection.wants("filters") {
        let must = Must { rate: 130e3, rate_aim: 170e3, p99_ms: None };
        let row = DeliveryRow { name: "filters", audience: FILTERED, must };
        findings.push(delivery_row(&row, selection.seconds)?);
    }
    if selection.wants("memory") {
        findings.push(memory_row()?);
    }
    if selection.wants("uplink") {
        let silent = Audience { publishers: 0, ..FILTERED };
        let words = "100,000 filters that do not match";
        findings.push(uplink_row(words, &silent, selection.seconds)?);
        let watch = Audience { shape: Shape::Watch, subscribers: 1, ..silent };
        let words = "a subscriber to one vehicle of 100";
        findings.push(uplink_row(words, &watch, selection.seconds)?);
    }
    finish(&findings)
}

/// What a wildcard filter takes, beside clients that have none of that kind.
fn memory_row() -> Outcome<bool> {
    let (stub, folder) = (Stub::start()?, server::folder()?);
    let server = Server::start(folder.path(), stub.port)?;
    let fan = Audience { shape: Shape::Fan, publishers: 0, ..FILTERED };
    // The memory of connections is there before it is counted.
    drop(Running::start(&fan, server.mqtt_port, 0)?);
    let clients = Running::start(&fan, server.mqtt_port, 0)?;
    let before = resident_bytes(server.id())?;
    drop(clients);
    let silent = Audience { publishers: 0, ..FILTERED };
    let clients = Running::start(&silent, server.mqtt_port, 0)?;
    let each = (resident_bytes(server.id())? - before) / FILTERS;
    drop(clients);
    server.process.stop()?;
    let is_met = each <= 400.0;
    line(&format!(
        "memory: {each:.0} resident bytes a wildcard filter; must 400, aim 250: {}",
        met(is_met, each <= 250.0)
    ));
    Ok(is_met)
}

/// CPU of a message of telemetry beside subscribers, against the same without them.
fn uplink_row(words: &str, audience: &Audience, seconds: u32) -> Outcome<bool> {
    const MUST: f64 = 1.03;
    let (stub, folder) = (Stub::start()?, server::folder()?);
    let server = Server::start(folder.path(), stub.port)?;
    let mut stored = 0;
    let mut cost = || -> Outcome<f64> {
        let load = Load { vehicles: 100, rate: None, window: 32, seconds };
        let run = fleet::run(load, server.mqtt_port, &[server.id()])?;
        stored += run.report.acknowledged;
        if stub.wait_for(stored, Duration::from_secs(60))? < stored {
            return Err(fault("acknowledged messages are not stored"));
        }
        Ok(per(cpu_seconds(server.id())? - run.cpu_before, run.report.acknowledged))
    };
    // The first run finds cold caches and an empty allocator.
    cost()?;
    let mut shares = Vec::new();
    for pair in 0..PAIRS {
        let mut costs = [0.0; 2];
        // Each is the first of every other pair, so that what drifts is on neither's side.
        let first = pair % 2 == 1;
        for is_with in [first, !first] {
            let clients =
                is_with.then(|| Running::start(audience, server.mqtt_port, 0)).transpose()?;
            costs[usize::from(is_with)] = cost()?;
            drop(clients);
        }
        let [without, with] = costs;
        shares.push(with / without);
    }
    server.process.stop()?;
    shares.sort_by(f64::total_cmp);
    let (least, middle, most) = (shares[0], shares[PAIRS / 2], shares[PAIRS - 1]);
    line(&format!(
        "uplink: beside {words} a message costs {middle:.3} of what it costs without ({least:.3} \
         to {most:.3} in {PAIRS} pairs); must {MUST}: {}",
        met(middle <= MUST, middle <= 1.0)
    ));
    Ok(middle <= MUST)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn per(seconds: f64, count: u64) -> f64 {
    seconds / count as f64
}
