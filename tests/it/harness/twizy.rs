//! The recorded drives of `tests/data/twizy`: read, unpacked, and encoded with crates that the
//! product's decoders do not use.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use apache_avro::{Schema, types::Value as Avro, writer::datum::GenericDatumWriter};
use flate2::read::GzDecoder;
use jiff::civil::{Date, Time};
use prost_reflect::{DynamicMessage, MessageDescriptor, prost::Message};
use serde_json::{Value as Json, json};

/// One drive as recorded.
#[derive(Debug)]
pub(crate) struct Drive {
    /// Such as `T1_03_29_2021`.
    pub(crate) name: String,
    /// The rows with a valid date.
    pub(crate) readings: Vec<Reading>,
    /// The number of rows with an impossible date.
    pub(crate) skipped: usize,
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) at_millis: i64,
    pub(crate) soc: f64,
    pub(crate) speed_kmh: f64,
    pub(crate) mode: String,
    pub(crate) lat: f64,
    pub(crate) lon: f64,
    pub(crate) alt: f64,
    pub(crate) gps_speed_kmh: f64,
    pub(crate) ambient_temp: f64,
    pub(crate) humidity: f64,
    pub(crate) weather: String,
    pub(crate) wind_speed_kmh: f64,
    pub(crate) traffic: i32,
    pub(crate) speed_limit_kmh: f64,
}

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Unpacks the recorded drives into a folder, as CSV files.
pub(crate) fn unpack(into: &Path) {
    let mut packed: Vec<PathBuf> = fs::read_dir(home().join("tests/data/twizy"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "gz"))
        .collect();
    packed.sort();
    for path in packed {
        let mut text = String::new();
        GzDecoder::new(File::open(&path).unwrap()).read_to_string(&mut text).unwrap();
        fs::write(into.join(path.file_stem().unwrap()), text).unwrap();
    }
}

/// All drives, by name.
pub(crate) fn drives() -> Vec<Drive> {
    let folder = tempfile::tempdir().unwrap();
    unpack(folder.path());
    let mut paths: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Drive {
    let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
    let mut drive = Drive { name, readings: Vec::new(), skipped: 0 };
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header = reader.headers().unwrap().clone();
    for row in reader.records() {
        let row = row.unwrap();
        let column = |name: &str| &row[header.iter().position(|column| column == name).unwrap()];
        let number = |name: &str| column(name).parse::<f64>().unwrap();
        let Some(at_millis) = millis(column("Date"), column("Time")) else {
            drive.skipped += 1;
            continue;
        };
        drive.readings.push(Reading {
            at_millis,
            soc: number("Soc"),
            speed_kmh: number("Speed"),
            mode: column("Mode").to_owned(),
            lat: number("LAT"),
            lon: number("LON"),
            alt: number("ALT"),
            gps_speed_kmh: number("GpsSpeed"),
            ambient_temp: number("Temperature"),
            humidity: number("Humidity"),
            weather: column("Weather").to_owned(),
            // Recorded in metres per second.
            wind_speed_kmh: number("WindSpeedAv") * 3.6,
            traffic: column("Traffic").parse().unwrap(),
            speed_limit_kmh: number("SpeedLimit"),
        });
    }
    drive
}

/// `M/D/Y` and `H:M:S`, as UTC; `None` if there is no such day.
fn millis(date: &str, time: &str) -> Option<i64> {
    let mut date = date.split('/');
    let month = date.next()?.parse().ok()?;
    let day = date.next()?.parse().ok()?;
    let date = Date::new(date.next()?.parse().ok()?, month, day).ok()?;
    let mut time = time.split(':').map(|part| part.parse().ok());
    let time = Time::new(time.next()??, time.next()??, time.next()??, 0).ok()?;
    let zoned = date.to_datetime(time).to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

/// Encodes readings with the shipped schemas.
#[derive(Debug)]
pub(crate) struct Encoder {
    protobuf: MessageDescriptor,
    avro: Vec<Schema>,
}

impl Encoder {
    pub(crate) fn new() -> Self {
        let schemas = home().join("schemas");
        let files = protox::compile(["telemetry.proto"], [&schemas]).unwrap();
        let pool = prost_reflect::DescriptorPool::from_file_descriptor_set(files).unwrap();
        let texts = ["position.avsc", "telemetry.avsc"]
            .map(|name| fs::read_to_string(schemas.join(name)).unwrap());
        Self {
            protobuf: pool.get_message_by_name("fleet.v1.Telemetry").unwrap(),
            avro: Schema::parse_list(texts).unwrap(),
        }
    }

    pub(crate) fn json(reading: &Reading) -> Vec<u8> {
        serde_json::to_vec(&tree(reading)).unwrap()
    }

    pub(crate) fn protobuf(&self, reading: &Reading) -> Vec<u8> {
        let message = DynamicMessage::deserialize(self.protobuf.clone(), tree(reading)).unwrap();
        message.encode_to_vec()
    }

    pub(crate) fn avro(&self, reading: &Reading) -> Vec<u8> {
        let value = avro(reading);
        let all = self.avro.iter().collect();
        let writer = GenericDatumWriter::builder(&self.avro[1]).schemata(all).unwrap();
        writer.build().unwrap().write_value_to_vec(value).unwrap()
    }
}

fn tree(reading: &Reading) -> Json {
    json!({
        "sampled_at": reading.at_millis,
        "model": "Twizy",
        "speed_kmh": reading.speed_kmh,
        "mode": reading.mode,
        "battery": { "soc": reading.soc },
        "position": {
            "lat": reading.lat,
            "lon": reading.lon,
            "alt": reading.alt,
            "speed_kmh": reading.gps_speed_kmh,
        },
        "ambient_temp": reading.ambient_temp,
        "humidity": reading.humidity,
        "weather": reading.weather,
        "wind_speed_kmh": reading.wind_speed_kmh,
        "traffic": reading.traffic,
        "speed_limit_kmh": reading.speed_limit_kmh,
    })
}

fn avro(reading: &Reading) -> Avro {
    let null = || Avro::Union(0, Box::new(Avro::Null));
    let some = |value| Avro::Union(1, Box::new(value));
    let double = |value| some(Avro::Double(value));
    let modes = ["UNKNOWN", "N", "D", "R", "P"];
    let mode = modes.iter().position(|mode| *mode == reading.mode).unwrap();
    let record = |fields: Vec<(&str, Avro)>| {
        Avro::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    };
    record(vec![
        ("sampled_at", Avro::TimestampMillis(reading.at_millis)),
        ("model", Avro::String("Twizy".to_owned())),
        ("firmware", null()),
        ("trip_id", null()),
        ("speed_kmh", double(reading.speed_kmh)),
        ("mode", some(Avro::Enum(u32::try_from(mode).unwrap(), reading.mode.clone()))),
        ("odometer_km", null()),
        (
            "battery",
            some(record(vec![
                ("soc", double(reading.soc)),
                ("temp", null()),
                ("voltage", null()),
                ("current", null()),
                ("charging", null()),
            ])),
        ),
        (
            "position",
            some(record(vec![
                ("lat", double(reading.lat)),
                ("lon", double(reading.lon)),
                ("alt", double(reading.alt)),
                ("speed_kmh", double(reading.gps_speed_kmh)),
            ])),
        ),
        ("ambient_temp", double(reading.ambient_temp)),
        ("humidity", double(reading.humidity)),
        ("weather", some(Avro::String(reading.weather.clone()))),
        ("wind_speed_kmh", double(reading.wind_speed_kmh)),
        ("traffic", some(Avro::Int(reading.traffic))),
        ("speed_limit_kmh", double(reading.speed_limit_kmh)),
    ])
}
