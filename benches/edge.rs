//! The delivering half of the edge under load, beside a bare loop that only delivers: the budgets
//! of the design, as `cargo bench --bench edge` prints them.
//!
//! ```text
//! publishers ──MQTT──▶ fleetline serve ──MQTT──▶ subscribers
//! publishers ──MQTT──▶ bare loop       ──MQTT──▶ subscribers
//! ```
//!
//! Payloads of 200 bytes on topics that no mapping takes, MQTT 3.1.1; both ends are one process of
//! their own. CPU counts from when all have subscribed until the last delivery. A row in which a
//! delivery is missing, comes twice or out of order fails, whatever its rate.
//!
//! `storm` is a fleet that connects at once, `silent` how long a client waits for its CONNACK
//! beside thousands of peers that have not said theirs.
//!
//! Of sessions that last: `absent` fills the queues of a thousand that are away with payloads of
//! 250 bytes, kills the server, and lets them come back; `absent-restart` is a start after a kill,
//! with 100,000 sessions, a million queued messages and 100,000 retained ones; `lasting-uplink` is
//! what the uplink costs of vehicles whose sessions last, beside those whose do not.
//!
//! ```text
//! cargo bench --bench edge -- [--row NAME]… [--seconds N]
//! ```
//! Rows: `fan-0`, `fan-1`, `in`, `shared`, `one`, `one-paced`, `fan-15000`, `storm`, `silent`,
//! `absent`, `lasting-uplink`, `absent-restart`; all of them by default. The subscriptions' own
//! costs are `cargo bench --bench router`.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine as it is")]

#[path = "rig/mod.rs"]
mod rig;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use rig::{
    Outcome,
    absent::{self, Absence},
    audience::{Audience, Running, Shape},
    budget::{DeliveryRow, Must, Selection, delivery_row, finish},
    fault,
    operator::Operator,
    process::{cpu_seconds, resident_bytes},
    server::{self, Server},
    silent,
    stub::Stub,
    table::{line, met, thousands},
};

const KIB: f64 = 1024.0;
/// How long the store may take for what the spool holds.
const STORE_WAIT: Duration = Duration::from_secs(60);

const ROWS: [DeliveryRow; 7] = [
    DeliveryRow {
        name: "fan-0",
        audience: Audience {
            shape: Shape::Fan,
            subscribers: 100,
            publishers: 10,
            qos: 0,
            window: 100,
            ahead: 20,
            rate: None,
        },
        must: Must { rate: 800e3, rate_aim: 1500e3, p99_ms: None },
    },
    DeliveryRow {
        name: "fan-1",
        audience: Audience {
            shape: Shape::Fan,
            subscribers: 100,
            publishers: 10,
            qos: 1,
            window: 100,
            ahead: 20,
            rate: None,
        },
        must: Must { rate: 500e3, rate_aim: 1000e3, p99_ms: None },
    },
    DeliveryRow {
        name: "in",
        audience: Audience {
            shape: Shape::In,
            subscribers: 1,
            publishers: 100,
            qos: 1,
            window: 20,
            ahead: 1000,
            rate: None,
        },
        must: Must { rate: 300e3, rate_aim: 600e3, p99_ms: None },
    },
    DeliveryRow {
        name: "shared",
        audience: Audience {
            shape: Shape::Shared,
            subscribers: 4,
            publishers: 100,
            qos: 1,
            window: 20,
            ahead: 1000,
            rate: None,
        },
        must: Must { rate: 300e3, rate_aim: 600e3, p99_ms: None },
    },
    DeliveryRow {
        name: "one",
        audience: Audience {
            shape: Shape::One,
            subscribers: 15_000,
            publishers: 1,
            qos: 1,
            window: 100,
            ahead: 100,
            rate: None,
        },
        must: Must { rate: 55e3, rate_aim: 75e3, p99_ms: None },
    },
    DeliveryRow {
        name: "one-paced",
        audience: Audience {
            shape: Shape::One,
            subscribers: 15_000,
            publishers: 1,
            qos: 1,
            window: 1000,
            ahead: 1000,
            rate: Some(1000.0),
        },
        must: Must { rate: 0.0, rate_aim: 0.0, p99_ms: Some((0.150, 0.100)) },
    },
    DeliveryRow {
        name: "fan-15000",
        audience: Audience {
            shape: Shape::Fan,
            subscribers: 15_000,
            publishers: 1,
            qos: 1,
            window: 20,
            ahead: 20,
            rate: Some(1.0),
        },
        must: Must { rate: 65e3, rate_aim: 80e3, p99_ms: Some((250.0, 180.0)) },
    },
];

const STORM_CLIENTS: u32 = 15_000;

fn main() -> ExitCode {
    let arguments = rig::arguments();
    rig::hidden_mode(&arguments).unwrap_or_else(|| rig::exit(measure(&arguments)))
}

fn measure(arguments: &[String]) -> Outcome {
    let selection = Selection::parse(arguments, 6)?;
    let mut findings = Vec::new();
    for row in ROWS.iter().filter(|row| selection.wants(row.name)) {
        findings.push(delivery_row(row, selection.seconds)?);
    }
    if selection.wants("storm") {
        findings.push(storm_row()?);
    }
    if selection.wants("silent") {
        findings.push(silent_row()?);
    }
    if selection.wants("absent") {
        findings.push(absent_row()?);
    }
    if selection.wants("lasting-uplink") {
        findings.push(lasting_uplink_row()?);
    }
    if selection.wants("absent-restart") {
        findings.push(absent_restart_row()?);
    }
    finish(&findings)
}

/// A fleet that connects at once, each client with three filters.
fn storm_row() -> Outcome<bool> {
    let stub = Stub::start()?;
    let folder = server::folder()?;
    let server = Server::start(folder.path(), stub.port)?;
    let (cpu_before, base) = (cpu_seconds(server.id())?, resident_bytes(server.id())?);
    let audience = Audience {
        shape: Shape::Storm,
        subscribers: STORM_CLIENTS,
        publishers: 0,
        qos: 1,
        window: 0,
        ahead: 0,
        rate: None,
    };
    let mut clients = Running::start(&audience, server.mqtt_port, 0)?;
    let seconds = clients.run()?.seconds;
    let each = |value: f64| value / f64::from(STORM_CLIENTS);
    let cpu_us = each(cpu_seconds(server.id())? - cpu_before) * 1e6;
    let memory_kib = each(resident_bytes(server.id())? - base) / KIB;
    let is_met = seconds <= 1.5 && cpu_us <= 90.0 && memory_kib <= 8.0;
    let is_aim_met = seconds <= 0.8 && cpu_us <= 45.0 && memory_kib <= 6.0;
    line("storm: 15,000 clients connect at once and subscribe to three filters each");
    line(&format!(
        "  {seconds:.2} s until the last SUBACK, a client {cpu_us:.0} us of CPU and {memory_kib:.1} \
         KiB; must 1.5 s, 90 us, 8 KiB, aim 0.8 s, 45 us, 6 KiB: {}",
        met(is_met, is_aim_met)
    ));
    drop(clients);
    server.process.stop().map_err(|error| fault(error.to_string()))?;
    Ok(is_met)
}

/// Clients that connect beside thousands who say nothing, or a byte now and then.
fn silent_row() -> Outcome<bool> {
    const MUST_MS: f64 = 100.0;
    let (stub, folder) = (Stub::start()?, server::folder()?);
    // They all come from this machine.
    let more = format!("[mqtt.admission]\nsilent-per-address-max = {}\n", 2 * silent::PEERS);
    let server = Server::start_with(folder.path(), stub.port, "\"127.0.0.1:0\"", &more)?;
    let (p50, p99) = silent::measure(server.mqtt_port)?;
    let is_met = p99 < MUST_MS;
    line(&format!(
        "silent: beside 5,000 peers that say nothing, or a byte now and then, a client is connected \
         within p50 {p50:.3} ms, p99 {p99:.3} ms; p99 must {MUST_MS} ms: {}",
        met(is_met, false)
    ));
    server.process.stop()?;
    Ok(is_met)
}

/// Queues of sessions that are away: filled, kept through a kill, and delivered.
fn absent_row() -> Outcome<bool> {
    const EACH: u32 = 100;
    let stub = Stub::start()?;
    let folder = server::folder()?;
    let server = Server::start(folder.path(), stub.port)?;
    let absence = Absence { sessions: 1000, publishers: 10, window: 100 };
    let mut clients = absent::Running::start(&absence)?;
    clients.leave(server.mqtt_port)?;
    let (cpu, resident) = (cpu_seconds(server.id())?, resident_bytes(server.id())?);
    let filled = clients.fill(server.mqtt_port, EACH)?;
    let queued = count(filled.count);
    let fill_rate = queued / (cpu_seconds(server.id())? - cpu);
    let each_bytes = (resident_bytes(server.id())? - resident) / queued;
    drop(server);
    let server = Server::start(folder.path(), stub.port)?;
    let cpu = cpu_seconds(server.id())?;
    let came = clients.come_back(server.mqtt_port, absence.sessions)?;
    let return_rate = count(came.count) / (cpu_seconds(server.id())? - cpu);
    if came.missing + came.twice > 0 || came.count != filled.count {
        return Err(fault(format!("{filled:?} were acknowledged before a kill, then {came:?}")));
    }
    line("absent: 1,000 sessions that are away, 100 messages of 250 bytes each, killed in between");
    let mut is_met = true;
    let mut row = |what: &str, rate: f64, seconds: f64, aim: f64| {
        const MUST: f64 = 150e3;
        is_met &= rate >= MUST;
        line(&format!(
            "  {what} {} per CPU second ({seconds:.2} s); must {}, aim {}: {}",
            thousands(rate),
            thousands(MUST),
            thousands(aim),
            met(rate >= MUST, rate >= aim)
        ));
    };
    row("queued   ", fill_rate, filled.seconds, 400e3);
    row("delivered", return_rate, came.seconds, 500e3);
    line(&format!(
        "  {each_bytes:.0} bytes of memory a queued message; must 400, aim 100: {}",
        met(each_bytes <= 400.0, each_bytes <= 100.0)
    ));
    server.process.stop()?;
    Ok(is_met && each_bytes <= 400.0)
}

/// The uplink of sessions that last and subscribe to nothing that changes: it costs what it costs
/// where they do not last.
fn lasting_uplink_row() -> Outcome<bool> {
    const MESSAGES: u32 = 300_000;
    const MUST: f64 = 0.9;
    const AIM: f64 = 0.97;
    let stub = Stub::start()?;
    let folder = server::folder()?;
    let server = Server::start(folder.path(), stub.port)?;
    let mut clients =
        absent::Running::start(&Absence { sessions: 0, publishers: 100, window: 32 })?;
    let (mut cpu, mut stored) = ([0.0; 2], 0);
    // In turns, so that whatever else the machine does meets both.
    for _ in 0..4 {
        for (is_clean, cpu) in [true, false].into_iter().zip(&mut cpu) {
            let before = cpu_seconds(server.id())?;
            stored += clients.uplink(server.mqtt_port, MESSAGES, is_clean)?.count;
            let arrived = stub.wait_for(stored, STORE_WAIT)?;
            if arrived < stored {
                return Err(fault(format!("{} messages are not stored", stored - arrived)));
            }
            *cpu += cpu_seconds(server.id())? - before;
        }
    }
    let [clean, lasting] = cpu;
    let share = clean / lasting;
    let rate = |cpu: f64| thousands(4.0 * f64::from(MESSAGES) / cpu);
    line("lasting-uplink: 100 vehicles, window 32, QoS 1, decoded and stored");
    line(&format!(
        "  {} messages per CPU second in sessions that last, {} in others: {share:.2}; must {MUST}, \
         aim {AIM}: {}",
        rate(lasting),
        rate(clean),
        met(share >= MUST, share >= AIM)
    ));
    server.process.stop()?;
    Ok(share >= MUST)
}

/// How long a start takes after a kill -9 with a whole fleet away, and what its sessions hold.
fn absent_restart_row() -> Outcome<bool> {
    const SESSIONS: u32 = 100_000;
    const RETAINED: u32 = 100_000;
    const BACK: u32 = 1000;
    let stub = Stub::start()?;
    let (folder, empty) = (server::folder()?, server::folder()?);
    let absence = Absence { sessions: SESSIONS, publishers: 10, window: 100 };
    let mut clients = absent::Running::start(&absence)?;
    let server = Server::start(folder.path(), stub.port)?;
    clients.leave(server.mqtt_port)?;
    server.process.stop()?;
    // A start of its own shows what the sessions hold, and not what their connections have left.
    let base = Server::start(empty.path(), stub.port)?;
    let server = Server::start(folder.path(), stub.port)?;
    let grown = resident_bytes(server.id())? - resident_bytes(base.id())?;
    let each_bytes = grown / f64::from(SESSIONS);
    drop(base);
    let queued = clients.fill(server.mqtt_port, 10)?.count;
    clients.retain(server.mqtt_port, RETAINED)?;
    drop(server);
    let server = Server::start(folder.path(), stub.port)?;
    let cpu = cpu_seconds(server.id())?;
    server::is_welcome(server.mqtt_port)?;
    let seconds = server.ready_after.as_secs_f64();
    let resident = resident_bytes(server.id())? / KIB / KIB;
    let mut operator = Operator::connect(&server)?;
    let begun = Instant::now();
    let page = operator.get("/api/v1/sessions?connected=false")?;
    let listed = begun.elapsed().as_secs_f64();
    if !page.contains("\"after\":\"") {
        return Err(fault(page));
    }
    let came = clients.come_back(server.mqtt_port, BACK)?;
    if came.missing + came.twice > 0 || came.count != u64::from(BACK) * 10 {
        return Err(fault(format!("{BACK} sessions with 10 messages each got {came:?}")));
    }
    let is_met = seconds <= 2.0 && each_bytes <= KIB && listed <= 0.1;
    line(&format!(
        "absent-restart: 100,000 sessions, {queued} queued messages, 100,000 retained, killed"
    ));
    line(&format!(
        "  accepts again after {seconds:.2} s, CPU {cpu:.2} s, with {resident:.0} MiB; must 2 s: {}",
        met(seconds <= 2.0, false)
    ));
    line(&format!(
        "  {each_bytes:.0} bytes of memory a session with a subscription; must 1024, aim 300: {}",
        met(each_bytes <= KIB, each_bytes <= 300.0)
    ));
    line(&format!(
        "  {:.1} ms until a page of them is listed; must 100 ms: {}",
        1000.0 * listed,
        met(listed <= 0.1, false)
    ));
    server.process.stop()?;
    Ok(is_met)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn count(count: u64) -> f64 {
    count as f64
}
