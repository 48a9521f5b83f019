//! Real drives, end to end: every row of the recorded drives as protobuf, Avro and JSON, published
//! by independent MQTT clients, compared field by field with what the database then holds, and
//! asked back through the API ([`super::drive_answers`]).

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use rumqttc::{Client, Event, MqttOptions, Outgoing, Packet, QoS};

use super::drive_answers;
use crate::harness::{
    Appliance, Database, Kind, Row, Setup, program,
    twizy::{self, Drive, Encoder, Reading},
    until,
};

const ROWS: usize = 42_886;
const ROWS_SKIPPED: usize = 170;

/// One vehicle of the test: a drive in a format.
struct Ride<'a> {
    vin: String,
    topic: String,
    readings: &'a [Reading],
    payloads: Vec<Vec<u8>>,
    is_json: bool,
}

fn rides<'a>(drives: &'a [Drive], encoder: &Encoder) -> Vec<Ride<'a>> {
    let mut rides = Vec::new();
    for drive in drives {
        for format in ["protobuf", "avro", "json"] {
            let vin = format!("{}-{format}", drive.name);
            let below = if format == "protobuf" { String::new() } else { format!("/{format}") };
            let encode = |reading: &Reading| match format {
                "protobuf" => encoder.protobuf(reading),
                "avro" => encoder.avro(reading),
                _ => Encoder::json(reading),
            };
            rides.push(Ride {
                topic: format!("vehicles/{vin}/telemetry{below}"),
                vin,
                readings: &drive.readings,
                payloads: drive.readings.iter().map(encode).collect(),
                is_json: format == "json",
            });
        }
    }
    rides
}

/// Publishes at QoS 1 with rumqttc and returns when everything is acknowledged.
fn publish(to: SocketAddr, ride: &Ride<'_>) {
    let mut options = MqttOptions::new(&ride.vin, to.ip().to_string(), to.port());
    options.set_inflight(200);
    let (client, mut connection) = Client::new(options, 1_000);
    thread::scope(|scope| {
        scope.spawn(|| {
            for payload in &ride.payloads {
                client.publish(&ride.topic, QoS::AtLeastOnce, false, payload.as_slice()).unwrap();
            }
        });
        let mut acked = 0;
        for event in connection.iter() {
            match event.unwrap() {
                Event::Incoming(Packet::PubAck(_)) => acked += 1,
                Event::Outgoing(Outgoing::Disconnect) => break,
                _ => {}
            }
            if acked == ride.payloads.len() {
                client.disconnect().unwrap();
                acked = 0;
            }
        }
    });
}

/// Publishes at QoS 1 with Mosquitto's own client, which ends with 0 when all is acknowledged.
fn publish_with_mosquitto(mosquitto_pub: &Path, to: SocketAddr, ride: &Ride<'_>) {
    let mut child = Command::new(mosquitto_pub)
        .args(["-h", &to.ip().to_string(), "-p", &to.port().to_string()])
        .args(["-i", &ride.vin, "-q", "1", "-t", &ride.topic, "-l"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for payload in &ride.payloads {
        stdin.write_all(payload).unwrap();
        stdin.write_all(b"\n").unwrap();
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

/// Publishes everything, a few vehicles at a time, and waits until the database has it all.
fn send_all(appliance: &Appliance, mosquitto_pub: Option<&Path>, rides: &[Ride<'_>]) {
    let to = appliance.mqtt();
    for some in rides.chunks(6) {
        thread::scope(|scope| {
            for ride in some {
                scope.spawn(move || match mosquitto_pub {
                    Some(program) if ride.is_json => publish_with_mosquitto(program, to, ride),
                    _ => publish(to, ride),
                });
            }
        });
    }
    until("an empty spool", Duration::from_mins(3), || appliance.count("points.in_spool") == 0);
}

/// Every stored point is the row it came from, field by field.
fn check_ride(database: &Database, appliance: &Appliance, ride: &Ride<'_>) {
    let rows = database.rows(appliance, "telemetry", &ride.vin);
    assert_eq!(rows.len(), ride.readings.len(), "{}", ride.vin);
    let by_time: BTreeMap<i64, &Row> =
        rows.iter().map(|row| (row["time"].as_i64().unwrap(), row)).collect();
    for reading in ride.readings {
        let row = by_time[&(reading.at_millis * 1_000_000)];
        let floats = [
            ("soc", reading.soc),
            ("speed_kmh", reading.speed_kmh),
            ("lat", reading.lat),
            ("lon", reading.lon),
            ("alt", reading.alt),
            ("gps_speed_kmh", reading.gps_speed_kmh),
            ("ambient_temp", reading.ambient_temp),
            ("humidity", reading.humidity),
            ("wind_speed_kmh", reading.wind_speed_kmh),
            ("speed_limit_kmh", reading.speed_limit_kmh),
        ];
        for (name, value) in floats {
            assert_eq!(row[name].as_f64(), Some(value), "{name} of {row:?}");
        }
        assert_eq!(row["traffic"].as_i64(), Some(i64::from(reading.traffic)), "{row:?}");
        assert_eq!(row["mode"].as_str(), Some(reading.mode.as_str()), "{row:?}");
        assert_eq!(row["weather"].as_str(), Some(reading.weather.as_str()), "{row:?}");
        assert_eq!(row["model"].as_str(), Some("Twizy"), "{row:?}");
        let told = ["time", "vin", "model", "traffic", "mode", "weather"];
        for (name, value) in row {
            let known = told.contains(&name.as_str()) || floats.iter().any(|(f, _)| f == name);
            assert!(known || value.is_null(), "{name} was never sent: {row:?}");
        }
    }
}

fn check_types(database: &Database, appliance: &Appliance) {
    for (field, kind) in database.field_types(appliance, "telemetry") {
        let expected = match field.as_str() {
            "traffic" => "integer",
            "mode" | "weather" | "firmware" | "trip_id" | "battery_charging" => "string",
            _ => "float",
        };
        assert_eq!(kind, expected, "{field}");
    }
}

fn check_drives(test: &str, database: &Database) {
    let mosquitto_pub =
        program(&format!("{test}, JSON by Mosquitto's client"), "FLEETLINE_TEST_MOSQUITTO_PUB");
    let drives = twizy::drives();
    assert_eq!(drives.iter().map(|drive| drive.readings.len()).sum::<usize>(), ROWS);
    assert_eq!(drives.iter().map(|drive| drive.skipped).sum::<usize>(), ROWS_SKIPPED);
    let rides = rides(&drives, &Encoder::new());
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let schemas = fs::canonicalize(schemas).unwrap();
    let setup = database.serves(Setup::new()).set("schemas.dir", schemas.to_str().unwrap());
    let appliance = setup.start();
    let all = 3 * ROWS as u64;

    send_all(&appliance, mosquitto_pub.as_deref(), &rides);
    assert_eq!(database.count(&appliance, "telemetry", "soc"), all);
    assert_eq!(appliance.count("points.stored"), all);
    assert_eq!(appliance.count("messages.spooled"), all);
    check_types(database, &appliance);
    for ride in &rides {
        check_ride(database, &appliance, ride);
    }
    drive_answers::check(&appliance, &drives, "-protobuf");

    // The same again is the same points: the counts of the database do not change.
    send_all(&appliance, mosquitto_pub.as_deref(), &rides);
    assert_eq!(appliance.count("points.stored"), 2 * all);
    assert_eq!(database.count(&appliance, "telemetry", "soc"), all);
    let stats = appliance.stats();
    assert_eq!(stats["points"]["dead_lettered"], 0, "{stats}");
    assert_eq!(stats["messages"]["dead_lettered"], 0, "{stats}");
}

fn check_server(test: &str, kind: Kind) {
    let Some(database) = Database::servers(test, kind, 1) else { return };
    check_drives(test, &database);
}

#[test]
fn recorded_drives_arrive_in_influxdb_1_point_by_point() {
    check_server("real::drives (InfluxDB 1)", Kind::One);
}

#[test]
fn recorded_drives_arrive_in_influxdb_2_point_by_point() {
    check_server("real::drives (InfluxDB 2)", Kind::Two);
}

#[test]
fn recorded_drives_arrive_in_the_embedded_store_point_by_point() {
    check_drives("real::drives (embedded)", &Database::Embedded);
}
