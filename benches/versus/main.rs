//! Fleetline against what a user would pick instead: Mosquitto and Telegraf, in front of the same
//! stub store, with the same payloads from the same load source.
//!
//! ```text
//! fleetline simulate ──MQTT──▶ fleetline serve ─────────────HTTP──▶ stub
//! fleetline simulate ──MQTT──▶ mosquitto ──MQTT──▶ telegraf ──HTTP──▶ stub
//! ```
//!
//! QoS 1, protobuf payloads of 200 bytes. Each chain runs at the load that it does best with
//! nothing lost, then both and the bare loop at an equal 10,000 messages a second. What counts is
//! messages per CPU second, the CPU of all processes of a chain added up, from when the fleet is
//! connected until the last line is stored. A chain that loses a message has no figure. Only
//! Fleetline's messages are on disk before they are acknowledged.
//!
//! ```text
//! cargo bench --bench versus -- [--seconds N] [--only peer|fleetline]
//! ```
//! Needs Go and Mosquitto (Debian `mosquitto`); Telegraf 1.37.2 is built from its module once, into
//! `${XDG_CACHE_HOME:-~/.cache}/fleetline-tests`.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine as it is")]

mod peer;
#[path = "../rig/mod.rs"]
mod rig;

use std::{process::ExitCode, time::Duration};

use peer::Peer;
use rig::{
    Outcome, fault,
    fleet::{self, Load, Run},
    process::{cpu_seconds, start_self},
    server::{self, Server},
    stub::Stub,
    table::{line, met, thousands},
};

const STORE_WAIT: Duration = Duration::from_secs(60);
/// The load that Fleetline does best.
const DENSE: (u32, Option<f64>, u32) = (100, None, 32);
/// The load that Mosquitto and Telegraf do best with nothing lost, and the equal one.
const EQUAL: (u32, Option<f64>, u32) = (100, Some(100.0), 32);
const RATIO_MUST: f64 = 25.0;

fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    rig::hidden_mode(&arguments).unwrap_or_else(|| rig::exit(measure(&arguments)))
}

struct Options {
    seconds: u32,
    only: Option<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Outcome<Self> {
        let mut options = Self { seconds: 15, only: None };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let value = rest.next().ok_or_else(|| fault(format!("{argument} needs a value")))?;
            match argument.as_str() {
                "--seconds" => options.seconds = value.parse()?,
                "--only" => options.only = Some(value.clone()),
                _ => return Err(fault(format!("{argument} is neither --seconds nor --only"))),
            }
        }
        Ok(options)
    }

    fn wants(&self, chain: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == chain)
    }
}

/// A chain under a load: messages per CPU second.
struct Figure {
    rate: f64,
}

fn measure(arguments: &[String]) -> Outcome {
    let options = Options::parse(arguments)?;
    let load = |(vehicles, rate, window): (u32, Option<f64>, u32)| Load {
        vehicles,
        rate,
        window,
        seconds: options.seconds,
    };
    let telegraf = if options.wants("peer") { Some(peer::telegraf()?) } else { None };
    line("QoS 1, 200-byte protobuf payloads, the store a stub; messages per CPU second");
    let mut theirs = None;
    if let Some(telegraf) = &telegraf {
        line("mosquitto + telegraf, 100 connections, 10,000 a second");
        theirs = Some(peer_figure(telegraf, load(EQUAL))?);
    }
    let mut ours = None;
    if options.wants("fleetline") {
        line("fleetline, 100 connections, window 32");
        let dense = fleetline_figure(load(DENSE))?;
        line("fleetline, 100 connections, 10,000 a second");
        ours = Some((dense, fleetline_figure(load(EQUAL))?));
    }
    line("bare loop, 100 connections, 10,000 a second");
    let bare = bare_figure(load(EQUAL))?;
    if let (Some((dense, equal)), Some(theirs)) = (ours, theirs) {
        let best = dense.rate / theirs.rate;
        let is_met = best >= RATIO_MUST;
        line(&format!(
            "each at its best: {best:.1} times mosquitto + telegraf; must {RATIO_MUST:.0}: {}",
            met(is_met, false)
        ));
        line(&format!(
            "at an equal 10,000 a second: {:.1} times; the bare loop, which only acknowledges, {:.1} \
             times",
            equal.rate / theirs.rate,
            bare.rate / theirs.rate,
        ));
        if !is_met {
            return Err(fault("the ratio was missed"));
        }
    }
    Ok(())
}

fn fleetline_figure(load: Load) -> Outcome<Figure> {
    let stub = Stub::start()?;
    let folder = server::folder()?;
    let server = Server::start(folder.path(), stub.port)?;
    let run = fleet::run(load, server.mqtt_port, &[server.id()])?;
    let stored = stub.wait_for(run.report.acknowledged, STORE_WAIT)?;
    let cpu = cpu_seconds(server.id())? - run.cpu_before;
    let figure = figure(&run, stored, cpu, "fleetline")?;
    server.process.stop()?;
    Ok(figure)
}

fn peer_figure(telegraf: &std::path::Path, load: Load) -> Outcome<Figure> {
    let stub = Stub::start()?;
    let peer = Peer::start(telegraf, stub.port)?;
    let ids = peer.ids();
    let run = fleet::run(load, peer.mqtt_port, &ids)?;
    let stored = stub.wait_for(run.report.acknowledged, STORE_WAIT)?;
    let cpu = fleet::sum(&ids, cpu_seconds)? - run.cpu_before;
    for (name, id) in ["mosquitto", "telegraf"].iter().zip(&ids) {
        line(&format!("  {name:<10} CPU {:.2} s since its start", cpu_seconds(*id)?));
    }
    figure(&run, stored, cpu, "the two")
}

fn bare_figure(load: Load) -> Outcome<Figure> {
    let (process, port) = start_self("ack")?;
    let run = fleet::run(load, port, &[process.id()])?;
    let cpu = cpu_seconds(process.id())? - run.cpu_before;
    figure(&run, run.report.acknowledged, cpu, "bare loop")
}

fn figure(run: &Run, stored: u64, cpu: f64, name: &str) -> Outcome<Figure> {
    let report = &run.report;
    if stored < report.acknowledged || report.unacknowledged + report.refused > 0 {
        return Err(fault(format!("{name} lost messages: {stored} stored of {report:?}")));
    }
    let rate = count(report.acknowledged) / cpu;
    line(&format!(
        "  {name:<10} {} ({} acknowledged, {stored} stored, {} a second, CPU {cpu:.2} s, {:.0} MiB)",
        thousands_or_less(rate),
        report.acknowledged,
        thousands(report.messages_per_second),
        run.resident_max / 1024.0 / 1024.0,
    ));
    Ok(Figure { rate })
}

/// Small rates with a decimal.
fn thousands_or_less(rate: f64) -> String {
    if rate < 100e3 { format!("{:.1} k", rate / 1000.0) } else { thousands(rate) }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn count(count: u64) -> f64 {
    count as f64
}
