//! Pushes over real servers: kill -9 in the middle of one, and names that are a language's own.

use crate::{
    downlink::{
        crash::kills, fleet::setup, hostile::check_hostile_push, push_crash::check_push_kills,
    },
    harness::{Database, Kind},
};

/// A third of the kills with the embedded store.
const KILLS: u64 = 10;

fn check(test: &str, kind: Kind, check: impl FnOnce(&Database)) {
    if let Some(database) = Database::servers(test, kind, 1) {
        check(&database);
    }
}

fn check_kills(database: &Database) {
    check_push_kills(database.serves(setup()), kills(KILLS));
}

#[test]
fn a_push_over_influxdb_1_is_exact_whenever_the_process_is_killed() {
    check("real::pushes (InfluxDB 1)", Kind::One, check_kills);
}

#[test]
fn a_push_over_influxdb_2_is_exact_whenever_the_process_is_killed() {
    check("real::pushes (InfluxDB 2)", Kind::Two, check_kills);
}

#[test]
fn no_name_of_a_vehicle_is_more_than_a_name_to_influxdb_1() {
    check("real::pushes (InfluxDB 1)", Kind::One, check_hostile_push);
}

#[test]
fn no_name_of_a_vehicle_is_more_than_a_name_to_influxdb_2() {
    check("real::pushes (InfluxDB 2)", Kind::Two, check_hostile_push);
}
