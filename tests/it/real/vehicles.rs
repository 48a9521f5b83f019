//! The last values of a vehicle that is offline, from a real database.

use crate::{
    harness::{Influx, Kind},
    vehicles::{check_last_values, setup},
};

#[test]
fn last_values_of_a_vehicle_that_is_away_come_from_influxdb_1() {
    if let Some(influx) = Influx::start("real::vehicles (InfluxDB 1)", Kind::One) {
        check_last_values(influx.serves(setup()));
    }
}

#[test]
fn last_values_of_a_vehicle_that_is_away_come_from_influxdb_2() {
    if let Some(influx) = Influx::start("real::vehicles (InfluxDB 2)", Kind::Two) {
        check_last_values(influx.serves(setup()));
    }
}
