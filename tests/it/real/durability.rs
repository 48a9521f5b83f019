//! Kills as in [`crate::durability`], with real servers and for longer, and a backlog that survives
//! them.

use std::time::Duration;

use crate::{
    durability::check_kills,
    harness::{Database, Dice, Influx, Kind, Load, Setup, until},
};

const ROUNDS: u64 = 30;
const MINUTE: Duration = Duration::from_mins(1);

fn check_servers(test: &str, kind: Kind) {
    let Some(database) = Database::servers(test, kind, 1) else { return };
    check_kills(&database, ROUNDS);
}

#[test]
fn thirty_kills_under_load_lose_nothing_on_influxdb_1() {
    check_servers("real::durability (InfluxDB 1)", Kind::One);
}

#[test]
fn thirty_kills_under_load_lose_nothing_on_influxdb_2() {
    check_servers("real::durability (InfluxDB 2)", Kind::Two);
}

#[test]
fn thirty_kills_under_load_lose_nothing_in_the_embedded_store() {
    check_kills(&Database::Embedded, ROUNDS);
}

#[test]
fn a_backlog_survives_kills_while_the_database_is_away() {
    // While the database is down everything stays in the spool, so `recovered` can be compared with
    // what was acknowledged, and in the last round exactly with what was in the spool before.
    let Some(mut influx) = Influx::start("real::durability (backlog)", Kind::Two) else { return };
    let mut dice = Dice::new();
    let mut appliance = influx.serves(Setup::new()).set("spool.segment-size", "1MiB").start();
    influx.stop();
    let load = Load::start(appliance.mqtt(), 4, Duration::from_millis(20));
    for _ in 0..5 {
        load.wait_for_acks(1 + dice.below(2_000), MINUTE);
        appliance.kill_9();
        load.moved(None);
        let acked = load.acked();
        appliance.start_again();
        let recovered = appliance.count("points.recovered");
        assert!(recovered >= acked, "{recovered} recovered, {acked} acknowledged");
        load.moved(Some(appliance.mqtt()));
    }
    load.wait_for_acks(100, MINUTE);
    let promised = load.stop();
    until("every message settled", MINUTE, || appliance.count("messages.pending") == 0);
    let lay_there = appliance.count("points.in_spool");
    appliance.kill_9();
    appliance.start_again();
    assert_eq!(appliance.count("points.recovered"), lay_there);
    assert_eq!(appliance.count("points.stored"), 0);

    influx.launch();
    until("an empty spool", 2 * MINUTE, || appliance.count("points.in_spool") == 0);
    assert_eq!(appliance.count("points.stored"), lay_there);
    influx.check_promises(&promised);
}
