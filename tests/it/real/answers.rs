//! The table of [`crate::answers`] with real servers, one and several, and statements that they
//! must never run.

use crate::{
    answers::{check_blind_spots, check_hostile, check_limits, check_table, check_writes_refused},
    harness::{Database, Kind},
};

fn check(test: &str, kind: Kind, count: usize, checks: &[fn(&Database)]) {
    for check in checks {
        let Some(database) = Database::servers(test, kind, count) else { return };
        check(&database);
    }
}

#[test]
fn influxdb_1_gives_the_answers_of_the_table() {
    check("real::answers (InfluxDB 1)", Kind::One, 1, &[check_table]);
}

#[test]
fn influxdb_2_gives_the_answers_of_the_table() {
    check("real::answers (InfluxDB 2)", Kind::Two, 1, &[check_table]);
}

#[test]
fn two_servers_of_influxdb_1_give_the_answers_of_the_table() {
    check("real::answers (two InfluxDB 1)", Kind::One, 2, &[check_table]);
}

#[test]
fn two_servers_of_influxdb_2_give_the_answers_of_the_table() {
    check("real::answers (two InfluxDB 2)", Kind::Two, 2, &[check_table]);
}

#[test]
fn no_text_is_more_than_a_value_to_influxdb_1() {
    check("real::answers (InfluxDB 1)", Kind::One, 1, &[check_hostile, check_writes_refused]);
}

#[test]
fn no_text_is_more_than_a_value_to_influxdb_2() {
    check("real::answers (InfluxDB 2)", Kind::Two, 1, &[check_hostile, check_writes_refused]);
}

#[test]
fn no_question_takes_more_than_its_bounds_of_influxdb_1() {
    check("real::answers (InfluxDB 1)", Kind::One, 1, &[check_limits]);
}

#[test]
fn no_question_takes_more_than_its_bounds_of_influxdb_2() {
    check("real::answers (InfluxDB 2)", Kind::Two, 1, &[check_limits]);
}

#[test]
fn what_no_mapping_names_is_asked_of_influxdb_1() {
    check("real::answers (InfluxDB 1)", Kind::One, 1, &[check_blind_spots]);
}

#[test]
fn what_no_mapping_names_is_asked_of_influxdb_2() {
    check("real::answers (InfluxDB 2)", Kind::Two, 1, &[check_blind_spots]);
}
