//! What it costs to come in: the budgets of admission, as `cargo bench --bench access` prints them.
//!
//! ```text
//! clients that knock ──TLS──▶ fleetline serve
//! clients that knock ──TLS──▶ bare acceptor of rustls
//! fleetline simulate ──MQTT, TLS──▶ fleetline serve
//! ```
//!
//! Certificates are on P-256, TLS is 1.3. A connect is a handshake, a CONNECT, its CONNACK and the
//! close; CPU is the server's, from the kernel's account.
//!
//! ```text
//! cargo bench --bench access -- [--row NAME]… [--seconds N]
//! ```
//! Rows: `full` and `resumed` (connects per CPU second), `uplink` (QoS 1, window 32, over TLS and
//! plain), `idle` (memory of an idle connection), `storm` and `storm-tls` (15,000 vehicles, each
//! with a password of its own, come back at once beside one that publishes on), `guesses` (wrong
//! passwords from many addresses beside one that publishes on); all of them by default.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine as it is")]

#[path = "rig/mod.rs"]
mod rig;

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rig::{
    Outcome,
    budget::{Selection, finish},
    fault,
    fleet::{self, Load},
    guess,
    process::{cpu_seconds, resident_bytes},
    server::{self, Server},
    stub::Stub,
    table::{line, met, thousands},
    tls,
};
use ring::digest;

const KIB: f64 = 1024.0;
const STORM_VEHICLES: u32 = 15_000;
const IDLE_VEHICLES: u32 = 5_000;
/// The first vehicle that publishes on while others come back.
const STEADY: u32 = 900_001;
/// Wrong passwords a second.
const GUESSES: u32 = 10_000;

fn main() -> ExitCode {
    let arguments = rig::arguments();
    let hidden = match &arguments[..] {
        [mode, ca, port, seconds, how] if mode == "knock" => {
            Some(tls::serve_knock(ca, port, seconds, how))
        }
        [mode, folder, port] if mode == "acceptor" => Some(tls::serve_acceptor(folder, port)),
        [mode, port, seconds, rate] if mode == "guess" => Some(guess::serve(port, seconds, rate)),
        _ => None,
    };
    match hidden {
        Some(done) => rig::exit(done),
        None => rig::hidden_mode(&arguments).unwrap_or_else(|| rig::exit(measure(&arguments))),
    }
}

fn measure(arguments: &[String]) -> Outcome {
    let selection = Selection::parse(arguments, 6)?;
    let mut findings = Vec::new();
    for (name, resumes) in [("full", false), ("resumed", true)] {
        if selection.wants(name) {
            findings.push(connects_row(name, resumes, selection.seconds)?);
        }
    }
    for (name, row) in [
        ("uplink", uplink_row as fn(u32) -> Outcome<bool>),
        ("idle", idle_row),
        ("storm", |_| storm_row(false)),
        ("storm-tls", |_| storm_row(true)),
        ("guesses", guesses_row),
    ] {
        if selection.wants(name) {
            findings.push(row(selection.seconds)?);
        }
    }
    finish(&findings)
}

/// An appliance that listens with and without TLS, and more settings.
fn start(folder: &Path, store_port: u16, more: &str) -> Outcome<Server> {
    tls::certify(folder)?;
    let file = |name: &str| folder.join(name);
    let secure = format!(
        "[mqtt.tls]\ncertificate = {:?}\nkey = {:?}\n{more}",
        file("server.pem"),
        file("server.key")
    );
    let listen = "\"mqtt://127.0.0.1:0\", \"mqtts://127.0.0.1:0\"";
    Server::start_with(folder, store_port, listen, &secure)
}

/// The address of its TLS for `simulate`, and whom to trust.
fn secure_target(folder: &Path, server: &Server) -> (String, Vec<String>) {
    let ca = folder.join("ca.pem").display().to_string();
    (format!("mqtts://localhost:{}", server.mqtts_port), vec!["--ca".to_owned(), ca])
}

/// Connects per CPU second, beside the bare acceptor.
fn connects_row(name: &str, resumes: bool, seconds: u32) -> Outcome<bool> {
    let (stub, folder) = (Stub::start()?, server::folder()?);
    let server = start(folder.path(), stub.port, "")?;
    let own = tls::knock(folder.path(), server.mqtts_port, server.id(), seconds, resumes)?;
    server.process.stop()?;
    let (process, port) = tls::start_acceptor(folder.path())?;
    let bare = tls::knock(folder.path(), port, process.id(), seconds, resumes)?;
    for (who, run) in [("fleetline", own), ("bare acceptor", bare)] {
        let expected = if resumes { run.connects * 9 / 10 } else { 0 };
        if run.connects == 0 || (resumes && run.resumed < expected) {
            return Err(fault(format!("{who}: {run:?}")));
        }
    }
    let (rate, share) = (own.per_cpu_second(), own.per_cpu_second() / bare.per_cpu_second());
    let is_met = rate >= 3_000.0 && share >= 0.8;
    line(&format!("{name}: connects over TLS 1.3, {} of {} resumed", own.resumed, own.connects));
    line(&format!(
        "  fleetline {rate:.0} per CPU second, bare acceptor {:.0}, fleetline is {share:.2} of it; \
         must 3,000 and 0.80: {}",
        bare.per_cpu_second(),
        met(is_met, false)
    ));
    Ok(is_met)
}

/// Messages per CPU second over TLS, beside those without.
fn uplink_row(seconds: u32) -> Outcome<bool> {
    let load = Load { vehicles: 100, rate: None, window: 32, seconds };
    let mut rates = Vec::new();
    for is_secure in [false, true] {
        let (stub, folder) = (Stub::start()?, server::folder()?);
        let server = start(folder.path(), stub.port, "")?;
        let (target, more) = match is_secure {
            true => secure_target(folder.path(), &server),
            false => (format!("mqtt://127.0.0.1:{}", server.mqtt_port), Vec::new()),
        };
        let run = fleet::run_to(load, &target, &more, &[server.id()])?;
        let cpu = cpu_seconds(server.id())? - run.cpu_before;
        if run.report.connected != 100 || run.report.unacknowledged + run.report.refused > 0 {
            return Err(fault(format!("{:?}", run.report)));
        }
        rates.push(per(run.report.acknowledged, cpu));
        server.process.stop()?;
    }
    let (plain, secure) = (rates[0], rates[1]);
    let is_met = secure >= 0.6 * plain;
    line("uplink: QoS 1, 100 vehicles, window 32");
    line(&format!(
        "  over TLS {} messages per CPU second, plain {}, {:.2} of it; must 0.60: {}",
        thousands(secure),
        thousands(plain),
        secure / plain,
        met(is_met, false)
    ));
    Ok(is_met)
}

/// Memory of an idle connection.
fn idle_row(seconds: u32) -> Outcome<bool> {
    let (stub, folder) = (Stub::start()?, server::folder()?);
    let server = start(folder.path(), stub.port, "")?;
    let base = resident_bytes(server.id())?;
    let load = Load { vehicles: IDLE_VEHICLES, rate: Some(0.0), window: 1, seconds };
    let (target, more) = secure_target(folder.path(), &server);
    let run = fleet::run_to(load, &target, &more, &[server.id()])?;
    if run.report.connected != u64::from(IDLE_VEHICLES) {
        return Err(fault(format!("{:?}", run.report)));
    }
    let each = (run.resident_max - base) / f64::from(IDLE_VEHICLES) / KIB;
    line(&format!("idle: {IDLE_VEHICLES} connections over TLS that say nothing"));
    line(&format!(
        "  {each:.1} KiB a connection; must 20, aim 14: {}",
        met(each <= 20.0, each <= 14.0)
    ));
    server.process.stop()?;
    Ok(each <= 20.0)
}

/// A fleet that comes back at once, beside a vehicle that publishes on.
fn storm_row(is_secure: bool) -> Outcome<bool> {
    wait_for_ports()?;
    let (stub, folder) = (Stub::start()?, server::folder()?);
    let passwords = write_users(folder.path())?;
    let users = folder.path().join("users");
    let server = start(folder.path(), stub.port, &format!("[auth]\nusers = {users:?}\n"))?;
    let plain = format!("mqtt://127.0.0.1:{}", server.mqtt_port);
    let (target, mut more) = match is_secure {
        true => secure_target(folder.path(), &server),
        false => (plain.clone(), Vec::new()),
    };
    more.extend(["--users".to_owned(), passwords.clone()]);
    let own = ["--users", &passwords, "--first-vehicle", &STEADY.to_string()].map(str::to_owned);
    let steady = Load { vehicles: 1, rate: Some(50.0), window: 1000, seconds: 40 };
    let steady = thread::spawn(move || {
        fleet::run_to(steady, &plain, &own, &[]).map_err(|error| error.to_string())
    });
    more.extend(["--connect-rate", "1000000"].map(str::to_owned));
    let load = Load { vehicles: STORM_VEHICLES, rate: Some(0.0), window: 1, seconds: 1 };
    let first = fleet::run_to(load, &target, &more, &[server.id()])?;
    let before = cpu_seconds(server.id())?;
    let back = fleet::run_to(load, &target, &more, &[server.id()])?;
    let cpu = back.cpu_before - before;
    for run in [&first, &back] {
        if run.report.connected != u64::from(STORM_VEHICLES) {
            return Err(fault(format!("{:?}", run.report)));
        }
    }
    let steady = steady.join().map_err(|_| fault("the steady vehicle panicked"))?;
    let steady = steady.map_err(fault)?.report.latency_ms.ok_or_else(|| fault("no latency"))?;
    let seconds = back.report.connect_seconds;
    let name = if is_secure { "storm-tls" } else { "storm" };
    line(&format!("{name}: {STORM_VEHICLES} vehicles with passwords come back at once"));
    let (is_in_time, must) = match is_secure {
        false => (seconds <= 1.5, "1.5 s".to_owned()),
        true => {
            let knocked = tls::knock(folder.path(), server.mqtts_port, server.id(), 4, false)?;
            let most = 1.2 * f64::from(STORM_VEHICLES) / knocked.per_cpu_second();
            (cpu <= most, format!("{most:.2} s of CPU, its handshakes and a fifth"))
        }
    };
    let is_met = is_in_time && steady.p99 < 100.0;
    line(&format!(
        "  {seconds:.2} s until all are back, {cpu:.2} s of CPU; must {must}; PUBACK p99 of a \
         steady vehicle {:.1} ms, must 100: {}",
        steady.p99,
        met(is_met, false)
    ));
    server.process.stop()?;
    Ok(is_met)
}

/// Waits until the connections of rows before have left their ports: whose own port was chosen by
/// `bind` keeps it from everybody for a minute, and a fleet finds none or searches long.
fn wait_for_ports() -> Outcome {
    const WAITING_MAX: u64 = 5_000;
    let deadline = Instant::now() + Duration::from_secs(70);
    loop {
        let sockets = fs::read_to_string("/proc/net/sockstat")?;
        let waiting = sockets.split_once(" tw ").and_then(|(_, rest)| rest.split(' ').next());
        let waiting: u64 = waiting.ok_or_else(|| fault("no count of sockets"))?.parse()?;
        if waiting <= WAITING_MAX {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(fault(format!("{waiting} closed connections hold their ports")));
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Wrong passwords as fast as an attacker makes them, beside a vehicle that publishes on.
fn guesses_row(seconds: u32) -> Outcome<bool> {
    let (stub, folder) = (Stub::start()?, server::folder()?);
    let passwords = write_users(folder.path())?;
    let users = folder.path().join("users");
    let more = format!(
        "[auth]\nusers = {users:?}\n[mqtt.proxy-protocol]\nfrom = [\"{}\"]\n",
        guess::BALANCERS
    );
    let server = start(folder.path(), stub.port, &more)?;
    let plain = format!("mqtt://127.0.0.1:{}", server.mqtt_port);
    let own = ["--users", &passwords, "--first-vehicle", &STEADY.to_string()].map(str::to_owned);
    let steady = Load { vehicles: 1, rate: Some(50.0), window: 1000, seconds: seconds + 4 };
    let steady = thread::spawn(move || {
        fleet::run_to(steady, &plain, &own, &[]).map_err(|error| error.to_string())
    });
    // It is in before the first guess: what a cold one waits for is its address's turn.
    thread::sleep(Duration::from_secs(2));
    let before = cpu_seconds(server.id())?;
    let guessed = guess::guess(server.mqtt_port, seconds, GUESSES)?;
    let cpu = cpu_seconds(server.id())? - before;
    let steady = steady.join().map_err(|_| fault("the steady vehicle panicked"))?;
    let report = steady.map_err(fault)?.report;
    let latency = report.latency_ms.ok_or_else(|| fault("no latency"))?;
    let is_met = latency.p99 < 100.0 && report.connections_lost == 0 && report.unacknowledged == 0;
    line(&format!(
        "guesses: {GUESSES} wrong passwords a second wanted, {:.0} made, {:.0} answered in time",
        guessed.made, guessed.answered
    ));
    line(&format!(
        "  {:.0} µs of CPU each; PUBACK p99 of a steady vehicle {:.1} ms, must 100: {}",
        1e6 * cpu / (guessed.made * f64::from(seconds)),
        latency.p99,
        met(is_met, false)
    ));
    server.process.stop()?;
    Ok(is_met)
}

/// Passwords of the vehicles, as `simulate` and as the appliance read them: long secrets, whose
/// hash is cheap, because a cold cache of others would take minutes.
fn write_users(folder: &Path) -> Outcome<String> {
    let (mut passwords, mut users) = (String::new(), String::new());
    for number in (1..=STORM_VEHICLES).chain([STEADY]) {
        let (vin, secret) =
            (format!("FLSIM{number:012}"), format!("a long secret of the vehicle {number:08}"));
        let salt = number.to_be_bytes();
        let hash = digest::digest(&digest::SHA512, &[secret.as_bytes(), &salt].concat());
        writeln!(passwords, "{vin}:{secret}")?;
        writeln!(users, "{vin}:$6${}${}", STANDARD.encode(salt), STANDARD.encode(hash))?;
    }
    fs::write(folder.join("users"), users)?;
    let file = folder.join("passwords");
    fs::write(&file, passwords)?;
    Ok(file.display().to_string())
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn per(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}
