//! Rows of deliveries beside their budgets, for the benchmarks of the edge and of the router.

use super::{
    Outcome,
    audience::{Audience, Report, Running},
    fault,
    process::{cpu_seconds, start_self},
    server::{self, Server},
    stub::Stub,
    table::{line, met, thousands},
};

/// A load, and what it must reach.
#[derive(Debug)]
pub(crate) struct DeliveryRow {
    pub(crate) name: &'static str,
    pub(crate) audience: Audience,
    pub(crate) must: Must,
}

/// A budget.
#[derive(Debug)]
pub(crate) struct Must {
    /// Deliveries per CPU second; 0: any.
    pub(crate) rate: f64,
    pub(crate) rate_aim: f64,
    /// Milliseconds from publish to delivery, of all but one percent: bound and aim.
    pub(crate) p99_ms: Option<(f64, f64)>,
}

/// Which rows are wanted, and for how long.
#[derive(Debug)]
pub(crate) struct Selection {
    rows: Vec<String>,
    pub(crate) seconds: u32,
}

impl Selection {
    /// `[--row NAME]… [--seconds N]`
    pub(crate) fn parse(arguments: &[String], seconds: u32) -> Outcome<Self> {
        let mut selection = Self { rows: Vec::new(), seconds };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let value = rest.next().ok_or_else(|| fault(format!("{argument} needs a value")))?;
            match argument.as_str() {
                "--row" => selection.rows.push(value.clone()),
                "--seconds" => selection.seconds = value.parse()?,
                _ => return Err(fault(format!("{argument} is neither --row nor --seconds"))),
            }
        }
        Ok(selection)
    }

    pub(crate) fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|wanted| wanted == row)
    }
}

/// Fails if a budget was missed, or nothing was measured.
pub(crate) fn finish(are_met: &[bool]) -> Outcome {
    let missed = are_met.iter().filter(|is_met| !**is_met).count();
    match (are_met.len(), missed) {
        (0, _) => Err(fault("no such row")),
        (_, 0) => Ok(()),
        (all, missed) => Err(fault(format!("{missed} of {all} budgets were missed"))),
    }
}

/// A run on one server.
struct Run {
    report: Report,
    rate: f64,
    cpu: f64,
}

/// Deliveries per CPU second and their latency, beside the bare loop under the same load; tells
/// whether the budget is met.
pub(crate) fn delivery_row(row: &DeliveryRow, seconds: u32) -> Outcome<bool> {
    let stub = Stub::start()?;
    let folder = server::folder()?;
    let server = Server::start(folder.path(), stub.port)?;
    let own = run(&row.audience, server.mqtt_port, server.id(), seconds)?;
    server.process.stop()?;
    let (process, port) = start_self("deliver")?;
    let bare = run(&row.audience, port, process.id(), seconds)?;
    let Report { delivered, missing, disordered, p50, p99, .. } = own.report;
    if missing + disordered > 0 {
        return Err(fault(format!("{}: {:?}", row.name, own.report)));
    }
    let Must { rate, rate_aim, p99_ms } = row.must;
    let Audience { subscribers, publishers, qos, .. } = row.audience;
    line(&format!("{}: {publishers} publishers, {subscribers} subscribers, QoS {qos}", row.name));
    line(&format!(
        "  fleetline  {} deliveries per CPU second ({delivered} delivered, {} a second, CPU {:.2} \
         s), p50 {p50:.3} ms, p99 {p99:.3} ms",
        thousands(own.rate),
        thousands(per(delivered, own.report.seconds)),
        own.cpu,
    ));
    line(&format!(
        "  bare loop  {} ({} a second), p50 {:.3} ms, p99 {:.3} ms, fleetline is {:.2} of it",
        thousands(bare.rate),
        thousands(per(bare.report.delivered, bare.report.seconds)),
        bare.report.p50,
        bare.report.p99,
        own.rate / bare.rate,
    ));
    let mut is_met = own.rate >= rate;
    let mut is_aim_met = own.rate >= rate_aim;
    let mut musts = Vec::new();
    if rate > 0.0 {
        musts.push(format!("must {}, aim {}", thousands(rate), thousands(rate_aim)));
    }
    if let Some((must, aim)) = p99_ms {
        is_met &= p99 <= must;
        is_aim_met &= p99 <= aim;
        musts.push(format!("p99 must {must} ms, aim {aim} ms"));
    }
    line(&format!("  {}: {}", musts.join("; "), met(is_met, is_met && is_aim_met)));
    Ok(is_met)
}

fn run(audience: &Audience, port: u16, server: u32, seconds: u32) -> Outcome<Run> {
    let mut clients = Running::start(audience, port, seconds)?;
    let before = cpu_seconds(server)?;
    let report = clients.run()?;
    let cpu = cpu_seconds(server)? - before;
    Ok(Run { rate: per(report.delivered, cpu), report, cpu })
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn per(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}
