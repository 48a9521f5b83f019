//! Payloads of the shipped schemas, decoded by other implementations.

use prost_reflect::{DynamicMessage, ReflectMessage};

use super::{super::drive, *};

const TIME: i64 = 1_795_382_379_001;

fn shape(format: Format) -> Shape {
    Shape::load(&Files::Shipped, format, None).unwrap()
}

fn values(shape: &Shape, told: &[(&str, Value)]) -> Vec<Value> {
    let mut values = vec![Value::Absent; shape.fields.len()];
    for (name, value) in told {
        values[shape.exactly(name).unwrap()] = value.clone();
    }
    values
}

fn told() -> Vec<(&'static str, Value)> {
    vec![
        ("model", Value::Text("Wren".to_owned())),
        ("speed_kmh", Value::Float(48.25)),
        ("mode", Value::Text("D".to_owned())),
        ("soc", Value::Float(0.0)),
        ("battery.charging", Value::Text("UNPLUGGED".to_owned())),
        ("position.lat", Value::Float(-33.5)),
        ("traffic", Value::Integer(-2)),
    ]
}

#[test]
fn protobuf_reads_back_through_its_descriptor() {
    let shape = shape(Format::Protobuf);
    let payload = shape.encode(TIME, &values(&shape, &told())).unwrap();
    let descriptor = protobuf::descriptor_for_tests(&Files::Shipped);
    let message = DynamicMessage::decode(descriptor, payload.as_slice()).unwrap();
    let text = serde_json::to_value(&message).unwrap();
    let expect = serde_json::json!({
        "sampledAt": TIME.to_string(), "model": "Wren", "speedKmh": 48.25, "mode": "D",
        "battery": { "soc": 0.0, "charging": "UNPLUGGED" }, "position": { "lat": -33.5 },
        "traffic": -2,
    });
    assert_eq!(text, expect);
    assert_eq!(message.descriptor().full_name(), "fleet.v1.Telemetry");
    assert_eq!(payload[0], 8, "the time leads");
}

/// The second, independent Avro implementation among the test crates decodes it.
#[test]
fn avro_reads_back_by_another_implementation() {
    let shape = shape(Format::Avro);
    let payload = shape.encode(TIME, &values(&shape, &told())).unwrap();
    // Its parser accepts one text, so the position's record is inserted where it is first named.
    let position = Files::Shipped.text("position.avsc").unwrap();
    let schema = Files::Shipped.text("telemetry.avsc").unwrap();
    let schema = schema.replace("\"fleet.v1.Position\"", &position);
    let schema: serde_avro_fast::Schema = schema.parse().unwrap();
    let read: serde_json::Value = serde_avro_fast::from_datum_slice(&payload, &schema).unwrap();
    assert_eq!(read["sampled_at"], TIME);
    assert_eq!(read["model"], "Wren");
    assert_eq!(read["speed_kmh"], 48.25);
    assert_eq!(read["mode"], "D");
    assert_eq!(read["battery"]["soc"], 0.0);
    assert_eq!(read["battery"]["temp"], serde_json::Value::Null);
    assert_eq!(read["position"]["lat"], -33.5);
    assert_eq!(read["firmware"], serde_json::Value::Null);
    assert_eq!(read["traffic"], -2);
}

#[test]
fn json_holds_what_was_told_and_nothing_else() {
    let shape = shape(Format::Json);
    let payload = shape.encode(TIME, &values(&shape, &told())).unwrap();
    let read: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    let expect = serde_json::json!({
        "sampled_at": TIME, "model": "Wren", "speed_kmh": 48.25, "mode": "D",
        "battery": { "soc": 0.0, "charging": "UNPLUGGED" }, "position": { "lat": -33.5 },
        "traffic": -2,
    });
    assert_eq!(read, expect);
}

/// A vehicle has a reading for every field of the shipped schemas, in every format.
#[test]
fn a_vehicle_knows_every_field_of_the_shipped_schemas() {
    for format in [Format::Protobuf, Format::Avro, Format::Json] {
        let shape = shape(format);
        let mut vehicle = drive::Vehicle::new(1, 1);
        vehicle.step(1.0);
        let values = drive::values_for(&vehicle, &shape.fields);
        for (field, value) in shape.fields.iter().zip(&values) {
            assert_ne!(*value, Value::Absent, "{format:?}: {}", field.path);
        }
        assert_eq!(shape.fields.len(), 21, "{format:?}: {:?}", shape.fields);
    }
}

#[test]
fn names_are_known_without_case_separators_and_units() {
    let shape = shape(Format::Protobuf);
    let check = |name: &str, path: Option<&str>| {
        let found = shape.find(name).map(|idx| shape.fields[idx].path.as_str());
        assert_eq!(found, path, "{name}");
    };
    check("Soc", Some("battery.soc"));
    check("SPEED", Some("speed_kmh"));
    check("GpsSpeed", Some("position.speed_kmh"));
    check("LAT", Some("position.lat"));
    check("SpeedLimit", Some("speed_limit_kmh"));
    check("position.speed_kmh", Some("position.speed_kmh"));
    check("Temperature", None);
    assert!(shape.exactly("temperature").unwrap_err().to_string().contains("ambient_temp"));
}

#[test]
fn cells_become_values_of_their_fields() {
    let field = |kind| Field { path: "f".into(), name: "f".into(), kind, required: false };
    let check = |kind: Kind, text: &str, expect: Option<Value>| {
        assert_eq!(field(kind).parse(text), expect, "{text}");
    };
    let names = Kind::Choice(vec!["N".to_owned(), "D".to_owned()]);
    check(Kind::Float, "1.50", Some(Value::Float(1.5)));
    check(Kind::Float, "", Some(Value::Absent));
    check(Kind::Float, "fast", None);
    check(Kind::Integer, "3.000", Some(Value::Integer(3)));
    check(Kind::Integer, "3.5", None);
    check(Kind::Flag, "True", Some(Value::Flag(true)));
    check(names.clone(), "d", Some(Value::Text("D".to_owned())));
    check(names, "R", None);
}

#[test]
fn what_is_not_there_is_told() {
    let wrong = Shape::load(&Files::Shipped, Format::Avro, Some("alarms")).unwrap_err();
    let text = "no mapping for avro in the schemas that ship with fleetline named alarms";
    assert_eq!(wrong.to_string(), text);
}
