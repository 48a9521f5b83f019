//! Decode, map and write lines: what one message costs on one core, by format.
//!
//! `cargo bench --bench hot` prints, for each payload, nanoseconds and messages a core second and
//! allocations a message in the steady state. The budget (design 9) is 1.5 M messages a second for
//! `protobuf, 12 fields`, and the aim 3 M. The buffers are cleared every [`BATCH`] messages, as a
//! worker hands them over once a turn.
//!
//! The best of several rounds is told: on a shared machine the others measure the neighbours.

use std::{
    hint::black_box,
    io::{self, Write as _},
    num::NonZeroU16,
    path::PathBuf,
    time::Instant,
};

use fleetline::{
    mapping::{Options, Plans},
    model::{LineDialect, ShardCount, UnixNanos},
    schema::Sources,
    spool::EntryBuffer,
    uplink::{Limits, Message, Transcoder},
};
use prost_reflect::{DynamicMessage, prost::Message as _};

/// Messages between two hand-overs.
const BATCH: usize = 64;
/// Messages a round.
const MESSAGES: usize = 100_000;
const ROUNDS: usize = 9;
/// 2026-11-22T23:00:00Z.
const RECEIVED_AT: UnixNanos = UnixNanos(1_795_388_400_000_000_000);

/// The payload of the budget: what a vehicle tells once a second, some 200 bytes, of which 12 become
/// fields.
const TWELVE: &str = r#"
syntax = "proto3";
package bench;
message Telemetry {
  int64 sampled_at = 1;
  string model = 2;
  string firmware = 3;
  string trip_id = 4;
  double speed_kmh = 5;
  Mode mode = 6;
  double odometer_km = 7;
  Battery battery = 8;
  double lat = 9;
  double lon = 10;
  int32 heading = 11;
  bool charging = 12;
  string driver = 13;
  enum Mode { UNKNOWN = 0; N = 1; D = 2; R = 3; }
  message Battery { float soc = 1; float temp = 2; string serial = 3; string pack = 4; }
}
"#;

const TWELVE_MAPPING: &str = r#"
[[mapping]]
name = "twelve"
topic = "vehicles/{vin}/telemetry"
format = "protobuf"
schema = "telemetry.proto"
message = "bench.Telemetry"
measurement = "telemetry"
vehicle = "{vin}"
tags = ["vin", "model"]
time = { field = "sampled_at", unit = "ms" }
fields = { exclude = ["driver", "battery.pack"] }
"#;

const TWELVE_JSON: &str = r#"{
  "sampledAt": "1795388399123", "model": "twizy-80", "firmware": "7.14.2-release.20261101",
  "tripId": "018f3c5e-7b1a-7c44-9d1e-5a0f4be27c11", "speedKmh": 47.36, "mode": "D",
  "odometerKm": 48211.94,
  "battery": {"soc": 63.4, "temp": 21.75, "serial": "LG-2291-0048812", "pack": "front"},
  "lat": 50.10915, "lon": 8.68212, "heading": 271, "charging": true, "driver": "d-4711"
}"#;

/// One row of the report.
struct Row {
    name: &'static str,
    topic: &'static str,
    payload: Vec<u8>,
    plans: Plans,
}

fn main() -> io::Result<()> {
    // `cargo test` runs benches too, to see that they work; there one round says enough.
    let rounds = if std::env::args().any(|argument| argument == "--bench") { ROUNDS } else { 1 };
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{:<24} {:>7} {:>7} {:>9} {:>13} {:>12}",
        "payload", "bytes", "line", "ns", "messages/s", "allocations"
    )?;
    for row in rows() {
        report(&mut out, &row, rounds)?;
    }
    Ok(())
}

/// All payloads.
fn rows() -> Vec<Row> {
    let plans = plans(&[("telemetry.proto", TWELVE), ("telemetry.toml", TWELVE_MAPPING)]);
    let message = plans.registry().protobuf.message("telemetry.proto", "bench.Telemetry");
    let message = message.expect("the bench's message");
    let mut reader = serde_json::Deserializer::from_str(TWELVE_JSON);
    let payload = DynamicMessage::deserialize(message, &mut reader).expect("the bench's payload");
    let topic = "vehicles/WF0TWIZY80A000042/telemetry";
    vec![Row { name: "protobuf, 12 fields", topic, payload: payload.encode_to_vec(), plans }]
}

/// Compiles schemas and mappings.
fn plans(files: &[(&str, &str)]) -> Plans {
    let texts = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    let options = Options::new(PathBuf::new(), LineDialect::Unsigned);
    Plans::from_sources(&Sources::from_texts(texts), &options).expect("the bench's schemas")
}

/// Measures one payload and prints its row.
fn report(out: &mut impl io::Write, row: &Row, rounds: usize) -> io::Result<()> {
    let shards = ShardCount(NonZeroU16::new(2).expect("two is not zero"));
    let mut worker = Worker {
        transcoder: Transcoder::new(Limits::default(), shards),
        lines: shards.ids().map(|_| EntryBuffer::new()).collect(),
    };
    let line = worker.run(row, BATCH);
    let mut best = f64::MAX;
    for _ in 0..rounds {
        let started = now();
        worker.run(row, MESSAGES);
        best = best.min(started.elapsed().as_secs_f64() / MESSAGES as f64);
    }
    let counted = allocation_counter::measure(|| {
        worker.run(row, MESSAGES);
    });
    let allocations = counted.count_total as f64 / MESSAGES as f64;
    writeln!(
        out,
        "{:<24} {:>7} {:>7} {:>9.0} {:>13.0} {:>12.4}",
        row.name,
        row.payload.len(),
        line,
        best * 1e9,
        1.0 / best,
        allocations
    )
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}

/// What one worker has.
struct Worker {
    transcoder: Transcoder,
    lines: Vec<EntryBuffer>,
}

impl Worker {
    /// Transcodes the payload so many times; answers the bytes of one message's lines.
    fn run(&mut self, row: &Row, messages: usize) -> usize {
        let mut written = 0;
        for index in 0..messages {
            let message = Message {
                topic: row.topic,
                payload: black_box(&row.payload),
                content_type: None,
                received_at: RECEIVED_AT,
            };
            let transcoded = self.transcoder.transcode(&row.plans, &message, &mut self.lines);
            assert_eq!(transcoded.points, 1, "{:?}", self.transcoder.failures());
            if index % BATCH == BATCH - 1 {
                written = self.lines.iter().map(EntryBuffer::len).sum();
                self.lines.iter_mut().for_each(EntryBuffer::clear);
            }
        }
        written / BATCH
    }
}
