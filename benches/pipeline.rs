//! The whole appliance under load, beside a bare loop that only acknowledges: the budgets of the
//! design, as `cargo bench --bench pipeline` prints them.
//!
//! ```text
//! fleetline simulate ──MQTT──▶ fleetline serve ──HTTP──▶ stub (reads, counts lines, answers 204)
//! fleetline simulate ──MQTT──▶ bare loop
//! fleetline simulate ──MQTT──▶ fleetline serve ──▶ its embedded store
//! ```
//!
//! QoS 1, protobuf payloads of 200 bytes, decode, fsync and shipping included. CPU counts from when
//! the fleet is connected until the last line is stored. A row in which a line is missing at the
//! stub, or a point in the embedded store's files, fails, whatever its rate.
//!
//! ```text
//! cargo bench --bench pipeline -- [--row NAME]… [--seconds N]
//! ```
//! Rows: `dense`, `medium`, `sparse`, `embedded`, `idle`, `latency`, `restart`; all of them by
//! default.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine as it is")]

#[path = "rig/mod.rs"]
mod rig;

use std::{
    fs,
    path::Path,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use rig::{
    Outcome,
    budget::{Selection, finish},
    fault,
    fleet::{self, Load, Run},
    process::{cpu_seconds, resident_bytes, start_self},
    server::{self, Server},
    stub::Stub,
    table::{line, met, thousands},
};

/// How long the store may take for what the spool holds at the end.
const STORE_WAIT: Duration = Duration::from_secs(120);
const KIB: f64 = 1024.0;
const SPOOL_BYTES: u64 = 1 << 30;

/// A row of the table of rates.
struct Row {
    name: &'static str,
    vehicles: u32,
    rate: Option<f64>,
    window: u32,
    /// Messages per CPU second.
    must: f64,
    /// Of the bare loop's rate: how much the row must reach, and aims for.
    must_share: f64,
    aim: Aim,
}

/// What a row aims for.
enum Aim {
    Rate(f64),
    Share(f64),
}

const ROWS: [Row; 3] = [
    Row {
        name: "dense",
        vehicles: 100,
        rate: None,
        window: 32,
        must: 650e3,
        must_share: 0.0,
        aim: Aim::Rate(1000e3),
    },
    Row {
        name: "medium",
        vehicles: 1000,
        rate: None,
        window: 4,
        must: 240e3,
        must_share: 0.0,
        aim: Aim::Rate(300e3),
    },
    Row {
        name: "sparse",
        vehicles: 15_000,
        rate: Some(6.0),
        window: 32,
        must: 65e3,
        must_share: 0.55,
        aim: Aim::Share(0.67),
    },
];

/// Memory of a connection under the sparse load, past a base of 60 MiB.
const CONNECTION_KIB_MUST: f64 = 12.0;
const CONNECTION_KIB_AIM: f64 = 8.0;
/// Memory of a connection at rest.
const IDLE_KIB_MUST: f64 = 5.0;

fn main() -> ExitCode {
    let arguments = rig::arguments();
    rig::hidden_mode(&arguments).unwrap_or_else(|| rig::exit(measure(&arguments)))
}

fn measure(arguments: &[String]) -> Outcome {
    let selection = Selection::parse(arguments, 15)?;
    let mut findings = Vec::new();
    for row in ROWS.iter().filter(|row| selection.wants(row.name)) {
        findings.push(rate_row(row, selection.seconds)?);
    }
    if selection.wants("embedded") {
        findings.push(embedded_row(selection.seconds)?);
    }
    if selection.wants("latency") {
        findings.push(latency_row(selection.seconds)?);
    }
    if selection.wants("idle") {
        findings.push(idle_row()?);
    }
    if selection.wants("restart") {
        findings.push(restart_row()?);
    }
    finish(&findings)
}

/// Messages per CPU second, beside the bare loop under the same load.
fn rate_row(row: &Row, seconds: u32) -> Outcome<bool> {
    let load = Load { vehicles: row.vehicles, rate: row.rate, window: row.window, seconds };
    let (run, cpu, base) = fleetline(load)?;
    let (bare_run, bare_cpu) = bare(load)?;
    let acknowledged = count(run.report.acknowledged);
    let rate = acknowledged / cpu;
    let bare_rate = count(bare_run.report.acknowledged) / bare_cpu;
    let share = rate / bare_rate;
    let is_met = rate >= row.must && share >= row.must_share;
    let (aim, is_aim_met) = match row.aim {
        Aim::Rate(aim) => (thousands(aim), rate >= aim),
        Aim::Share(aim) => (format!("{aim} of the bare loop"), share >= aim),
    };
    line(&format!("{}: {} connections, {}", row.name, row.vehicles, offered(row)));
    line(&format!(
        "  fleetline  {} messages per CPU second ({} acknowledged and stored, {} a second, CPU \
         {cpu:.2} s, load source {:.2} s)",
        thousands(rate),
        run.report.acknowledged,
        thousands(run.report.messages_per_second),
        run.fleet_cpu,
    ));
    line(&format!(
        "  bare loop  {} ({} a second), fleetline is {share:.2} of it",
        thousands(bare_rate),
        thousands(bare_run.report.messages_per_second),
    ));
    let must_share = match row.must_share {
        0.0 => String::new(),
        share => format!(" and {share} of the bare loop"),
    };
    line(&format!(
        "  must {}{must_share}, aim {aim}: {}",
        thousands(row.must),
        met(is_met, is_met && is_aim_met)
    ));
    let grown = (run.resident_max - base) / f64::from(row.vehicles) / KIB;
    let over_base = (run.resident_max - 60.0 * KIB * KIB) / f64::from(row.vehicles) / KIB;
    line(&format!(
        "  memory {:.0} MiB; a connection {grown:.1} KiB, or {:.1} KiB over 60 MiB",
        run.resident_max / KIB / KIB,
        over_base.max(0.0),
    ));
    if row.name != "sparse" {
        return Ok(is_met);
    }
    let (must, aim) = (CONNECTION_KIB_MUST, CONNECTION_KIB_AIM);
    line(&format!(
        "  must {must} KiB, aim {aim} KiB: {}",
        met(over_base <= must, over_base <= aim)
    ));
    Ok(is_met && over_base <= must)
}

fn offered(row: &Row) -> String {
    match row.rate {
        Some(rate) => format!("{rate} a second each offered"),
        None => format!("window {}", row.window),
    }
}

/// Runs a load on Fleetline until all of it is stored: the run, the CPU that it took, and the
/// memory before it.
fn fleetline(load: Load) -> Outcome<(Run, f64, f64)> {
    let stub = Stub::start()?;
    let folder = server::folder()?;
    let server = Server::start(folder.path(), stub.port)?;
    let base = resident_bytes(server.id())?;
    let run = fleet::run(load, server.mqtt_port, &[server.id()])?;
    let stored = stub.wait_for(run.report.acknowledged, STORE_WAIT)?;
    let cpu = cpu_seconds(server.id())? - run.cpu_before;
    let acknowledged = run.report.acknowledged;
    if stored < acknowledged {
        let missing = acknowledged - stored;
        return Err(fault(format!("{missing} acknowledged messages are not stored")));
    }
    all_acknowledged(&load, &run)?;
    server.process.stop()?;
    Ok((run, cpu, base))
}

/// Fails unless every vehicle of the fleet got an answer to every message.
fn all_acknowledged(load: &Load, run: &Run) -> Outcome {
    let report = &run.report;
    let missing = report.unacknowledged + report.refused + report.connections_lost;
    if missing > 0 || report.connected < u64::from(load.vehicles) {
        return Err(fault(format!("not every message was acknowledged: {report:?}")));
    }
    Ok(())
}

fn bare(load: Load) -> Outcome<(Run, f64)> {
    let (process, port) = start_self("ack")?;
    let run = fleet::run(load, port, &[process.id()])?;
    let cpu = cpu_seconds(process.id())? - run.cpu_before;
    Ok((run, cpu))
}

/// Messages per CPU second with nothing but Fleetline: every one a point of its own, stored.
fn embedded_row(seconds: u32) -> Outcome<bool> {
    const MUST: f64 = 75e3;
    const AIM: f64 = 110e3;
    let load = Load { vehicles: 100, rate: None, window: 32, seconds };
    let folder = server::folder()?;
    let server = Server::start_embedded(folder.path())?;
    let run = fleet::run(load, server.mqtt_port, &[server.id()])?;
    all_acknowledged(&load, &run)?;
    let acknowledged = run.report.acknowledged;
    let (deadline, mut resident_max) = (Instant::now() + STORE_WAIT, run.resident_max);
    while server.stored()? < acknowledged {
        if Instant::now() > deadline {
            return Err(fault(format!("{} of {acknowledged} are stored", server.stored()?)));
        }
        resident_max = resident_max.max(resident_bytes(server.id())?);
        thread::sleep(Duration::from_millis(50));
    }
    let cpu = cpu_seconds(server.id())? - run.cpu_before;
    server.process.stop()?;
    let dir = server::data_dir(folder.path()).join("embedded");
    let (points, bytes) = (points_below(&dir)?, server::bytes_below(&dir)?);
    if points != acknowledged {
        return Err(fault(format!("{acknowledged} were acknowledged and {points} are stored")));
    }
    let rate = count(acknowledged) / cpu;
    let is_met = rate >= MUST;
    line("embedded: 100 connections, window 32, the embedded store, every point distinct");
    line(&format!(
        "  {} messages per CPU second ({points} acknowledged and stored, {} a second acknowledged, \
         CPU {cpu:.2} s); must {}, aim {}: {}",
        thousands(rate),
        thousands(run.report.messages_per_second),
        thousands(MUST),
        thousands(AIM),
        met(is_met, rate >= AIM)
    ));
    line(&format!(
        "  memory {:.0} MiB, {:.0} bytes a point on disk",
        resident_max / KIB / KIB,
        count(bytes) / count(points)
    ));
    Ok(is_met)
}

/// The points in the files of an embedded store that is closed.
fn points_below(dir: &Path) -> Outcome<u64> {
    let mut points = 0;
    for folder in fs::read_dir(dir)? {
        for file in fs::read_dir(folder?.path())? {
            let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
            let file = rusqlite::Connection::open_with_flags(file?.path(), flags)?;
            points += file.query_row("SELECT count(*) FROM _points", [], |row| {
                row.get::<_, i64>(0).map(i64::unsigned_abs)
            })?;
        }
    }
    Ok(points)
}

/// How long an acknowledgement takes at 20,000 messages a second on 1,000 connections.
fn latency_row(seconds: u32) -> Outcome<bool> {
    let load = Load { vehicles: 1000, rate: Some(20.0), window: 32, seconds };
    let (run, _, _) = fleetline(load)?;
    let (bare_run, _) = bare(load)?;
    let of = |run: &Run| run.report.latency_ms.ok_or_else(|| fault("nothing was acknowledged"));
    let (latency, bare_latency) = (of(&run)?, of(&bare_run)?);
    let is_met = latency.p50 < 3.0 && latency.p99 < 15.0;
    line("latency: 1,000 connections, 20,000 messages a second, fsync on");
    line(&format!(
        "  PUBACK p50 {:.2} ms, p99 {:.2} ms; must 3 ms and 15 ms: {}",
        latency.p50,
        latency.p99,
        met(is_met, false)
    ));
    line(&format!("  bare loop p50 {:.2} ms, p99 {:.2} ms", bare_latency.p50, bare_latency.p99));
    Ok(is_met)
}

/// What a connection at rest holds.
fn idle_row() -> Outcome<bool> {
    let load = Load { vehicles: 10_000, rate: Some(0.0), window: 32, seconds: 5 };
    let (run, _, base) = fleetline(load)?;
    let each = (run.resident_max - base) / f64::from(load.vehicles) / KIB;
    line("idle: 10,000 connections");
    line(&format!(
        "  {:.0} MiB, of which {:.0} MiB before; a connection {each:.1} KiB; must {IDLE_KIB_MUST} \
         KiB: {}",
        run.resident_max / KIB / KIB,
        base / KIB / KIB,
        met(each <= IDLE_KIB_MUST, false)
    ));
    Ok(each <= IDLE_KIB_MUST)
}

/// How long a start takes after a kill -9 with 1 GiB in the spool.
fn restart_row() -> Outcome<bool> {
    let folder = server::folder()?;
    // Nobody listens there, so everything stays in the spool.
    let nowhere = rig::process::free_port()?;
    let mut acknowledged = 0;
    let server = Server::start(folder.path(), nowhere)?;
    while server::bytes_below(folder.path())? < SPOOL_BYTES {
        let load = Load { vehicles: 100, rate: None, window: 32, seconds: 3 };
        acknowledged += fleet::run(load, server.mqtt_port, &[server.id()])?.report.acknowledged;
    }
    drop(server);
    let bytes = server::bytes_below(folder.path())?;
    let server = Server::start(folder.path(), nowhere)?;
    server::is_welcome(server.mqtt_port)?;
    let seconds = server.ready_after.as_secs_f64();
    line(&format!("restart: {acknowledged} messages, {} MiB of spool, killed", bytes >> 20));
    line(&format!(
        "  accepts again after {seconds:.2} s; must 2 s: {}",
        met(seconds <= 2.0, false)
    ));
    Ok(seconds <= 2.0)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn count(count: u64) -> f64 {
    count as f64
}
