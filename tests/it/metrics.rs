//! `/metrics` for other programs: the case `o08-metrics-for-others`.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
    time::Duration,
};

use crate::harness::{Sample, Setup, Vehicle, Version, program, until};

#[test]
fn promtool_has_no_complaints_about_the_metrics() {
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

/// Also of `o08-metrics-for-others`: the CONNACK counts as written, a probe that disconnects before
/// its CONNECT does not count as a vehicle that disappeared, nor does a client with a small maximum
/// packet size count as one without MQTT.
#[test]
fn connections_that_end_before_their_connect_have_their_own_causes() {
    let appliance = Setup::new().start();
    let connect = b"\x10\x13\x00\x04MQTT\x05\x02\x00\x0a\x05\x27\x00\x00\x00\x0a\x00\x01s";
    let mut small = TcpStream::connect(appliance.mqtt()).unwrap();
    small.write_all(connect).unwrap();
    small.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    assert_eq!(small.read(&mut [0; 8]).unwrap(), 0, "closed without a packet that it cannot take");
    drop(TcpStream::connect(appliance.mqtt()).unwrap());
    for reason in ["packet-size", "gone-before-connect"] {
        let name = format!("fleetline_mqtt_closed_connections_total{{reason=\"{reason}\"}}");
        until(reason, Duration::from_mins(1), || appliance.metric(&name) == Some(1.0));
    }
    let _vehicle = Vehicle::connect(appliance.mqtt(), Version::V3, "v");
    until("the CONNACK", Duration::from_mins(1), || {
        appliance.metric("fleetline_mqtt_written_bytes_total") == Some(4.0)
    });
}
