//! Organisation and bucket that are made on a real InfluxDB 2, by the cargo feature `influxdb2`.

use std::time::Duration;

use crate::harness::{Influx, Kind, Sample, Setup, Vehicle, Version, until};

const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn organisation_and_bucket_are_made_on_influxdb_2() {
    let Some(influx) = Influx::start("real::create", Kind::Two) else { return };
    let setup =
        influx.serves(Setup::new()).set("store.org", "another").set("store.bucket", "fresh");
    let appliance = setup.set("store.create", "true").start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    vehicle.publish_acked(&Sample::topic("VIN"), &Sample { seq: 1 }.payload(), 1);
    until("the point in the store", MINUTE, || appliance.count("points.stored") == 1);
    let told = appliance.cli_ok(&["check", "--online"]);
    assert!(told.contains("all is well"), "{told}");
}
