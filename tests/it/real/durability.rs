//! Nothing acknowledged is lost, whenever the appliance dies (UP-1, SP-2, SP-3, SK-1).
//!
//! The vehicles' log of acknowledgements is kept by the test; the judge is the database.

use std::time::Duration;

use crate::harness::{Dice, Influx, Kind, Load, Setup, until};

const ROUNDS: u64 = 30;
const MINUTE: Duration = Duration::from_mins(1);

fn setup(influx: &Influx) -> Setup {
    // Small segments, so that the kills fall into rotations and deletions as well.
    influx.serves(Setup::new()).set("spool.segment-size", "1MiB")
}

/// Kills at random moments, some of them while it is still recovering, then asks the database.
fn check_kills(test: &str, kind: Kind) {
    let Some(influx) = Influx::start(test, kind) else { return };
    let mut dice = Dice::new();
    let mut appliance = setup(&influx).start();
    let load = Load::start(appliance.mqtt(), 8, Duration::from_millis(20));
    for _ in 0..ROUNDS {
        load.wait_for_acks(1 + dice.below(1_500), MINUTE);
        appliance.kill_9();
        load.moved(None);
        if dice.below(3) == 0 {
            appliance.start_and_kill_9_after(Duration::from_millis(dice.below(150)));
        }
        appliance.start_again();
        load.moved(Some(appliance.mqtt()));
        appliance.stats();
    }
    load.wait_for_acks(500, MINUTE);
    let promised = load.stop();
    until("an empty spool", 2 * MINUTE, || appliance.count("points.in_spool") == 0);

    influx.check_promises(&promised);
    let stats = appliance.stats();
    assert_eq!(stats["points"]["damaged"], 0, "{stats}");
    assert_eq!(stats["points"]["dead_lettered"], 0, "{stats}");
    assert_eq!(stats["messages"]["dead_lettered"], 0, "{stats}");
}

#[test]
fn thirty_kills_under_load_lose_nothing_on_influxdb_1() {
    check_kills("real::durability (InfluxDB 1)", Kind::One);
}

#[test]
fn thirty_kills_under_load_lose_nothing_on_influxdb_2() {
    check_kills("real::durability (InfluxDB 2)", Kind::Two);
}

#[test]
fn a_backlog_survives_kills_while_the_database_is_away() {
    // With the database away everything stays in the spool, so `recovered` can be held against what
    // was acknowledged, and in the last round exactly against what lay in the spool before.
    let Some(mut influx) = Influx::start("real::durability (backlog)", Kind::Two) else { return };
    let mut dice = Dice::new();
    let mut appliance = setup(&influx).start();
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
