//! A database that goes down under load: the spool takes everything, memory does not grow, the lag
//! is visible, and everything that was acknowledged meanwhile is stored when the database works
//! again.

use std::time::{Duration, Instant};

use crate::harness::{Influx, Kind, Load, Setup, until};

const OUTAGE: Duration = Duration::from_mins(1);
const MINUTE: Duration = Duration::from_mins(1);
/// The allowed growth of memory between a time early in the outage and its end, while some hundred
/// thousand points accumulate on disk.
const GROWTH_KIB_MAX: u64 = 24 * 1024;

#[test]
fn a_minute_without_database_loses_nothing_and_memory_stays_flat() {
    let Some(mut influx) = Influx::start("real::outage", Kind::Two) else { return };
    let appliance = influx.serves(Setup::new()).set("spool.segment-size", "4MiB").start();
    let load = Load::start(appliance.mqtt(), 8, Duration::from_millis(50));
    load.wait_for_acks(2_000, MINUTE);
    until("points in the database", MINUTE, || appliance.count("points.stored") > 1_000);

    influx.stop();
    let began = Instant::now();
    let warm = OUTAGE / 4;
    until("a quarter of the outage", OUTAGE, || began.elapsed() > warm);
    let rss_warm = appliance.rss_kib();
    until("the outage to pass", 2 * OUTAGE, || began.elapsed() > OUTAGE);
    let rss_end = appliance.rss_kib();
    let lag = appliance.count("points.in_spool");
    assert!(lag > 10_000, "only {lag} points piled up");
    assert!(
        rss_end < rss_warm + GROWTH_KIB_MAX,
        "memory grew from {rss_warm} to {rss_end} KiB while {lag} points piled up"
    );
    let seen = appliance.metric("fleetline_points_in_spool").expect("the lag as a metric");
    assert!(seen > 10_000.0, "the metric says {seen}");
    let status = appliance.cli_ok(&["spool", "status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(status.trim()).unwrap();
    let lag_seen: u64 = status["shards"]
        .as_array()
        .unwrap()
        .iter()
        .map(|shard| shard["points"].as_u64().unwrap())
        .sum();
    assert!(lag_seen > 10_000, "{status}");

    influx.launch();
    load.wait_for_acks(1_000, MINUTE);
    let promised = load.stop();
    until("an empty spool", 3 * MINUTE, || appliance.count("points.in_spool") == 0);
    influx.check_promises(&promised);
    assert_eq!(appliance.count("points.dead_lettered"), 0);
}

/// Frozen with requests under way, then killed with others under way.
fn check_mid_write(test: &str, kind: Kind) {
    let Some(mut influx) = Influx::start(test, kind) else { return };
    let setup = influx.serves(Setup::new()).set("store.request-timeout", "1s");
    let appliance = setup.start();
    let load = Load::start(appliance.mqtt(), 8, Duration::from_millis(10));
    let moves = || {
        let before = appliance.count("points.stored");
        until("points in the database", MINUTE, || appliance.count("points.stored") > before + 200);
    };
    for _ in 0..3 {
        moves();
        influx.signal("STOP");
        until("requests that time out", MINUTE, || {
            appliance.get("/readyz").1.contains("timed out")
        });
        influx.signal("CONT");
        moves();
        influx.kill_9();
        load.wait_for_acks(500, MINUTE);
        influx.launch();
    }
    moves();
    let promised = load.stop();
    until("an empty spool", 3 * MINUTE, || appliance.count("points.in_spool") == 0);
    influx.check_promises(&promised);
    assert_eq!(appliance.count("points.dead_lettered"), 0);
}

#[test]
fn influxdb_1_may_be_stopped_and_killed_in_the_middle_of_writes() {
    check_mid_write("real::outage (InfluxDB 1)", Kind::One);
}

#[test]
fn influxdb_2_may_be_stopped_and_killed_in_the_middle_of_writes() {
    check_mid_write("real::outage (InfluxDB 2)", Kind::Two);
}
