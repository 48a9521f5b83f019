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
//! ```text
//! cargo bench --bench edge -- [--row NAME]… [--seconds N]
//! ```
//! Rows: `fan-0`, `fan-1`, `in`, `shared`, `one`, `one-paced`, `fan-15000`, `storm`; all of them by
//! default. The subscriptions' own costs are `cargo bench --bench router`.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine as it is")]

#[path = "rig/mod.rs"]
mod rig;

use std::process::ExitCode;

use rig::{
    Outcome,
    audience::{Audience, Running, Shape},
    budget::{DeliveryRow, Must, Selection, delivery_row, finish},
    fault,
    process::{cpu_seconds, resident_bytes},
    server::{self, Server},
    stub::Stub,
    table::{line, met},
};

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
    finish(&findings)
}

/// A fleet that connects at once, each client with three filters.
fn storm_row() -> Outcome<bool> {
    const KIB: f64 = 1024.0;
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
