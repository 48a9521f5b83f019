//! Checks of the checks: the queries that the other tests send to the databases, sent where the
//! answer is known.

use crate::harness::{Influx, Kind};

fn check_judge(test: &str, kind: Kind) {
    let Some(mut influx) = Influx::start(test, kind) else { return };
    let at = 1_750_000_000_000_000_000_i64;
    influx.write(&format!(
        "m,vin=A i=7i,f=7,s=\"x\",b=t {at}\nm,vin=A i=7i,f=7 {at}\nm,vin=B i=9007199254740993i {at}"
    ));
    influx.stop();
    influx.launch();
    assert_eq!(influx.count("m", "i"), 2, "equal points are one point");
    let types = influx.field_types("m");
    let types: Vec<_> = types.iter().map(|(field, kind)| (field.as_str(), kind.as_str())).collect();
    assert_eq!(types, [("b", "boolean"), ("f", "float"), ("i", "integer"), ("s", "string")]);
    let rows = influx.query("SELECT * FROM m WHERE vin = 'B'");
    assert_eq!(rows[0]["i"].as_i64(), Some(9_007_199_254_740_993), "past 2^53, exact");
    assert_eq!(rows[0]["time"].as_i64(), Some(at));
    assert!(rows[0]["s"].is_null());
}

#[test]
fn influxdb_1_answers_as_the_tests_assume() {
    check_judge("real::servers (InfluxDB 1)", Kind::One);
}

#[test]
fn influxdb_2_answers_as_the_tests_assume() {
    check_judge("real::servers (InfluxDB 2)", Kind::Two);
}
