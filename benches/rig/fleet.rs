//! The load source: `fleetline simulate` as its own process.

use std::{process::Command, thread, time::Duration};

use serde::Deserialize;

use super::{
    Outcome, fault,
    process::{Process, cpu_seconds, piped, resident_bytes},
    server,
};

/// What the fleet does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) vehicles: u32,
    /// Messages a second of each; `None`: as fast as the window allows.
    pub(crate) rate: Option<f64>,
    pub(crate) window: u32,
    pub(crate) seconds: u32,
}

/// What the fleet reports; the keys of `simulate --json` that matter here.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Report {
    pub(crate) connected: u64,
    /// Until all had connected.
    pub(crate) connect_seconds: f64,
    pub(crate) connections_lost: u64,
    pub(crate) acknowledged: u64,
    pub(crate) refused: u64,
    pub(crate) unacknowledged: u64,
    pub(crate) messages_per_second: f64,
    pub(crate) latency_ms: Option<Latency>,
}

/// Milliseconds from publish to acknowledgement.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// A run, and what the kernel says of the processes that took its messages.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) report: Report,
    /// CPU of those processes up to when the fleet had connected.
    pub(crate) cpu_before: f64,
    /// CPU of the load source.
    pub(crate) fleet_cpu: f64,
    /// The most memory that those processes held together while it published.
    pub(crate) resident_max: f64,
}

/// Lets a fleet publish 200-byte protobuf payloads at QoS 1 to a port; `servers` take them.
pub(crate) fn run(load: Load, port: u16, servers: &[u32]) -> Outcome<Run> {
    run_to(load, &format!("mqtt://127.0.0.1:{port}"), &[], servers)
}

/// The same to any address, with more arguments.
pub(crate) fn run_to(load: Load, target: &str, more: &[String], servers: &[u32]) -> Outcome<Run> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetline"));
    let rate = load.rate.map_or_else(|| "max".to_owned(), |rate| rate.to_string());
    command.args(["simulate", "--json", "--qos", "1", "--size", "200", "--format", "protobuf"]);
    command.arg("--schemas").arg(server::schemas());
    command.args(["--vehicles", &load.vehicles.to_string(), "--rate", &rate]);
    command.args(["--window", &load.window.to_string()]);
    command.args(["--duration", &format!("{}s", load.seconds)]);
    // What is measured has no subscriptions, as the figures of others have none.
    command.args(["--target", target, "--no-commands"]).args(more);
    let mut fleet = Process::start(piped(&mut command))?;
    let mut complaints = Vec::new();
    let mut stderr = fleet.stderr()?;
    loop {
        match stderr.next() {
            Some(line) if line.as_ref().is_ok_and(|line| line.starts_with("publishing")) => break,
            Some(line) => complaints.push(line?),
            None => return Err(fault(complaints.join("; "))),
        }
    }
    let cpu_before = sum(servers, cpu_seconds)?;
    let (id, watched) = (fleet.id(), servers.to_vec());
    let watcher = thread::spawn(move || watch(id, &watched));
    for line in stderr {
        complaints.push(line?);
    }
    let text: Vec<String> = fleet.stdout()?.collect::<Result<_, _>>()?;
    let (resident_max, fleet_cpu) = watcher.join().map_err(|_| fault("the watcher panicked"))?;
    let read = serde_json::from_str(&text.concat());
    let report: Report = read.map_err(|_| fault(complaints.join("; ")))?;
    Ok(Run { report, cpu_before, fleet_cpu, resident_max })
}

/// Follows the fleet until it ends: the most memory of the servers, and its own CPU.
fn watch(fleet: u32, servers: &[u32]) -> (f64, f64) {
    let (mut resident_max, mut fleet_cpu) = (0.0_f64, 0.0);
    // A process that has ended but was not waited for still has its account, of zero memory.
    while let Ok(resident) = resident_bytes(fleet) {
        if resident == 0.0 {
            break;
        }
        fleet_cpu = cpu_seconds(fleet).unwrap_or(fleet_cpu);
        resident_max = resident_max.max(sum(servers, resident_bytes).unwrap_or(0.0));
        thread::sleep(Duration::from_millis(100));
    }
    fleet_cpu = cpu_seconds(fleet).unwrap_or(fleet_cpu);
    (resident_max, fleet_cpu)
}

/// The sum over processes.
pub(crate) fn sum(ids: &[u32], of: fn(u32) -> Outcome<f64>) -> Outcome<f64> {
    ids.iter().map(|id| of(*id)).sum()
}
