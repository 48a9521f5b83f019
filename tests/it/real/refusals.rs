//! What real servers refuse, as in [`crate::refusals`].

use crate::{
    harness::{Database, Kind},
    refusals::check_conflict,
};

fn check_server(test: &str, kind: Kind) {
    let Some(database) = Database::servers(test, kind, 1) else { return };
    check_conflict(&database, "field type conflict");
}

#[test]
fn a_type_conflict_sets_aside_exactly_its_points_on_influxdb_1() {
    check_server("real::refusals (InfluxDB 1)", Kind::One);
}

#[test]
fn a_type_conflict_sets_aside_exactly_its_points_on_influxdb_2() {
    check_server("real::refusals (InfluxDB 2)", Kind::Two);
}
