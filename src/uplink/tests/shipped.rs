//! The schemas and mappings that are shipped: every format of a measurement says the same.

use std::{num::NonZeroU16, path::Path};

use apache_avro::{Schema, types::Value as Avro, writer::datum::GenericDatumWriter};
use prost_reflect::{DynamicMessage, prost::Message as _};
use serde_json::{Value, json};

use crate::{
    mapping::{Options, Plans},
    model::{FieldType, LineDialect, ShardCount},
    spool::EntryBuffer,
    uplink::{Limits, Message, Sender, TopicMemo, Transcoder, tests::harness::RECEIVED_AT},
};

pub(super) fn plans() -> Plans {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let plans = Plans::load(&Options::new(dir, LineDialect::Signed));
    plans.unwrap_or_else(|errors| panic!("{errors}"))
}

fn lines(plans: &Plans, topic: &str, payload: &[u8]) -> String {
    let mut transcoder = Transcoder::new(Limits::default(), ShardCount(NonZeroU16::MIN));
    let mut buffers = [EntryBuffer::new()];
    let message = Message {
        topic,
        payload,
        content_type: None,
        sender: Sender::Unchecked,
        received_at: RECEIVED_AT,
    };
    transcoder.transcode(plans, &message, &mut TopicMemo::<()>::default(), &mut buffers);
    assert_eq!(transcoder.failures(), [], "{topic}");
    String::from_utf8(buffers[0].payload().to_vec()).unwrap()
}

pub(super) fn protobuf(plans: &Plans, file: &str, name: &str, values: &Value) -> Vec<u8> {
    let message = plans.registry().protobuf.message(file, name).unwrap();
    let text = values.to_string();
    let mut reader = serde_json::Deserializer::from_str(&text);
    DynamicMessage::deserialize(message, &mut reader).unwrap().encode_to_vec()
}

/// Encodes JSON by a schema as Avro: what is absent is null.
pub(super) fn avro(plans: &Plans, file: &str, name: &str, values: &Value) -> Vec<u8> {
    let record = plans.registry().avro.record(file, name).unwrap();
    let schema = Schema::parse_str(&record.schema).unwrap();
    let mut position = None;
    let value = avro_value(&schema, values, &mut position);
    GenericDatumWriter::builder(&schema).build().unwrap().write_value_to_vec(value).unwrap()
}

/// `position` remembers the definition that a later name refers to.
fn avro_value(schema: &Schema, value: &Value, position: &mut Option<Schema>) -> Avro {
    match schema {
        Schema::Union(union) => {
            let branch = &union.variants()[1];
            if let Schema::Record(record) = branch
                && record.name.name() == "Position"
            {
                *position = Some(branch.clone());
            }
            match value {
                Value::Null => Avro::Union(0, Box::new(Avro::Null)),
                value => Avro::Union(1, Box::new(avro_value(branch, value, position))),
            }
        }
        Schema::Record(record) => {
            let fields = record.fields.iter().map(|field| {
                (field.name.clone(), avro_value(&field.schema, &value[&field.name], position))
            });
            Avro::Record(fields.collect())
        }
        Schema::Ref { .. } => avro_value(&position.clone().unwrap(), value, position),
        Schema::Enum(symbols) => {
            let name = value.as_str().unwrap();
            let at = symbols.symbols.iter().position(|symbol| symbol == name).unwrap();
            Avro::Enum(u32::try_from(at).unwrap(), name.to_owned())
        }
        Schema::TimestampMillis => Avro::TimestampMillis(value.as_i64().unwrap()),
        Schema::TimestampMicros => {
            let moment: jiff::Timestamp = value.as_str().unwrap().parse().unwrap();
            Avro::TimestampMicros(moment.as_microsecond())
        }
        Schema::Int => Avro::Int(i32::try_from(value.as_i64().unwrap()).unwrap()),
        Schema::Double => Avro::Double(value.as_f64().unwrap()),
        Schema::String => Avro::String(value.as_str().unwrap().to_owned()),
        Schema::Boolean => Avro::Boolean(value.as_bool().unwrap()),
        other => panic!("{other:?}"),
    }
}

/// Telemetry of which every field is there.
pub(super) fn full_telemetry() -> Value {
    json!({
        "sampled_at": 1_795_382_379_000_i64, "model": "Twizy 80", "firmware": "2026.44.1",
        "trip_id": "0198", "speed_kmh": 42.5, "mode": "D", "odometer_km": 18_204.3,
        "battery": {"soc": 96.06, "temp": 21.5, "voltage": 57.1, "current": -38.0, "charging": "UNPLUGGED"},
        "position": {"lat": 33.986118, "lon": -6.724833, "alt": 142.0, "speed_kmh": 0.05556},
        "ambient_temp": 22.2, "humidity": 68.0, "weather": "Clouds", "wind_speed_kmh": 3.09,
        "traffic": 1, "speed_limit_kmh": 40.0
    })
}

#[test]
fn telemetry_is_one_measurement_in_every_format() {
    let plans = plans();
    let full = full_telemetry();
    let expect = "telemetry,vin=V1,model=Twizy\\ 80 firmware=\"2026.44.1\",trip_id=\"0198\",\
        speed_kmh=42.5,mode=\"D\",odometer_km=18204.3,soc=96.06,battery_temp=21.5,\
        battery_voltage=57.1,battery_current=-38,battery_charging=\"UNPLUGGED\",lat=33.986118,\
        lon=-6.724833,alt=142,gps_speed_kmh=0.05556,ambient_temp=22.2,humidity=68,\
        weather=\"Clouds\",wind_speed_kmh=3.09,traffic=1i,speed_limit_kmh=40 \
        1795382379000000000\n";
    // What a vehicle cannot measure is absent, not zero; what is zero is written.
    let poor = json!({"sampled_at": 1_795_382_379_000_i64, "model": "", "battery": {"soc": 0.0}});
    let poor_expect = "telemetry,vin=V1 soc=0 1795382379000000000\n";
    for (values, expect) in [(full, expect), (poor, poor_expect)] {
        let message = protobuf(&plans, "telemetry.proto", "fleet.v1.Telemetry", &values);
        assert_eq!(lines(&plans, "vehicles/V1/telemetry", &message), expect);
        // The same reading twice is one point of two, by whatever order.
        let mut later = values.clone();
        later["sampled_at"] = json!(1_795_382_379_001_i64);
        let batch = json!({"samples": [later, values, values]});
        let message = protobuf(&plans, "telemetry.proto", "fleet.v1.TelemetryBatch", &batch);
        let both = expect.replace("379000000000\n", "379001000000\n") + expect;
        assert_eq!(lines(&plans, "vehicles/V1/telemetry/batch", &message), both);
        let message = avro(&plans, "telemetry.avsc", "fleet.v1.Telemetry", &values);
        assert_eq!(lines(&plans, "vehicles/V1/telemetry/avro", &message), expect);
        let text = values.to_string();
        assert_eq!(lines(&plans, "vehicles/V1/telemetry/json", text.as_bytes()), expect);
        assert_eq!(lines(&plans, "vehicles/V1/telemetry/lines", expect.as_bytes()), expect);
    }
    let telemetry = &plans.catalog().measurements["telemetry"];
    assert_eq!(telemetry.vehicle_tag.as_deref(), Some("vin"));
    assert_eq!(telemetry.fields.len(), 20);
    assert_eq!(telemetry.fields[18], ("traffic".to_owned(), FieldType::Integer));
}

#[test]
fn alarms_and_trips_are_the_same_in_protobuf_and_avro() {
    let plans = plans();
    let alarm = json!({
        "raised_at": 1_795_382_379_000_i64, "model": "T", "severity": "WARNING", "code": "P0A80",
        "active": true, "text": "battery hot", "value": 61.5, "position": {"lat": 34.0, "lon": -6.7}
    });
    let expect = "alarms,vin=V1,model=T,severity=WARNING code=\"P0A80\",active=t,\
        text=\"battery hot\",value=61.5,position_lat=34,position_lon=-6.7 1795382379000000000\n";
    let message = protobuf(&plans, "alarm.proto", "fleet.v1.Alarm", &alarm);
    assert_eq!(lines(&plans, "vehicles/V1/alarms", &message), expect);
    let message = avro(&plans, "alarm.avsc", "fleet.v1.Alarm", &alarm);
    assert_eq!(lines(&plans, "vehicles/V1/alarms/avro", &message), expect);
    let trip = json!({
        "trip_id": "0198", "model": "T", "started_at": "2026-11-22T21:00:00Z",
        "ended_at": "2026-11-22T21:19:39.5Z", "distance_km": 7.25, "stops": 3, "soc_end": 80.5,
        "start": {"lat": 34.0, "lon": -6.7}, "end": {"lat": 34.1, "lon": -6.8, "alt": 10.0}
    });
    let expect = "trips,vin=V1,model=T trip_id=\"0198\",started_at=1795381200000000000i,\
        distance_km=7.25,stops=3i,soc_end=80.5,start_lat=34,start_lon=-6.7,end_lat=34.1,\
        end_lon=-6.8,end_alt=10 1795382379500000000\n";
    let message = protobuf(&plans, "trip.proto", "fleet.v1.Trip", &trip);
    assert_eq!(lines(&plans, "vehicles/V1/trips", &message), expect);
    let message = avro(&plans, "trip.avsc", "fleet.v1.Trip", &trip);
    assert_eq!(lines(&plans, "vehicles/V1/trips/avro", &message), expect);
}

/// Nothing stores commands, but they must compile, in both formats.
#[test]
fn commands_and_receipts_are_there() {
    let plans = plans();
    for name in ["fleet.v1.Command", "fleet.v1.Receipt"] {
        assert!(plans.registry().protobuf.message("command.proto", name).is_ok());
        assert!(plans.registry().avro.record("command.avsc", name).is_ok());
    }
}
