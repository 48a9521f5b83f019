//! `/metrics` as others read it: the case `o08-metrics-for-others`.

use std::{
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

use crate::harness::{Sample, Setup, Vehicle, Version, program, until};

#[test]
fn promtool_finds_nothing_to_say_about_the_metrics() {
    let Some(promtool) = program("metrics", "FLEETLINE_TEST_PROMTOOL") else { return };
    let appliance = Setup::new().start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    vehicle.publish_acked(&Sample::topic("VIN"), &Sample { seq: 1 }.payload(), 1);
    vehicle.publish_acked(&Sample::topic("VIN"), &[0xff], 2);
    until("a point in the store", Duration::from_mins(1), || appliance.count("points.stored") == 1);
    let (status, text) = appliance.get("/metrics");
    assert_eq!(status, 200);
    let mut command = Command::new(promtool);
    command.args(["check", "metrics"]).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&said));
}

#[test]
fn the_size_of_the_embedded_store_is_at_most_some_seconds_old() {
    let appliance = Setup::new().start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    vehicle.publish_acked(&Sample::topic("VIN"), &Sample { seq: 1 }.payload(), 1);
    until("its size in the metrics", Duration::from_secs(15), || {
        appliance.metric("fleetline_embedded_disk_bytes").is_some_and(|bytes| bytes > 0.0)
    });
}
