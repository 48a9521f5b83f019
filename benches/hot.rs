//! Decode, map and write lines: what one message costs on one core, by format.
//!
//! ```text
//! cargo bench --bench hot
//! ```
//! The first row is the payload of the budget (design 9): 14 flat fields in 200 bytes, as the other
//! benchmarks send it; it must reach 2.0 M messages a second and aims for 3 M. The others are one
//! recorded reading by the schemas that are shipped, the payloads of `tests/golden/decode`.
//!
//! Time is the thread's CPU time, so that a busy machine counts no neighbour, and the best of
//! several rounds: a neighbour still takes caches and clock. Allocations are those of the steady
//! state. Buffers are cleared every [`BATCH`] messages, as a worker hands them over once a turn.

use std::{
    fs,
    hint::black_box,
    num::NonZeroU16,
    path::{Path, PathBuf},
    process::ExitCode,
};

use fleetline::{
    mapping::{Options, Plans},
    model::{LineDialect, ShardCount, UnixNanos},
    spool::EntryBuffer,
    uplink::{Limits, Message, Sender, TopicMemo, Transcoder},
};
use prost_reflect::{DynamicMessage, prost::Message as _};
use rustix::time::{ClockId, clock_gettime};

#[path = "rig/table.rs"]
mod table;

use table::{complain, line, met, thousands};

/// Messages between two hand-overs.
const BATCH: usize = 64;
/// Messages a round.
const MESSAGES: usize = 200_000;
const ROUNDS: usize = 9;
/// 2026-11-22T23:00:00Z.
const RECEIVED_AT: UnixNanos = UnixNanos(1_795_388_400_000_000_000);
/// Messages a second a core, of the first row.
const MUST: f64 = 2.0e6;
const AIM: f64 = 3.0e6;

/// The payload of the budget, as protobuf's JSON.
const FLAT: &str = r#"{
  "sampledAt": "1795388399123", "model": "twizy-80",
  "firmware": "7.14.2-release.20261101.b0042+secure-boot.signed.eu-west.canary-042",
  "tripId": "018f3c5e-7b1a-7c44-9d1e-5a0f4be27c11", "speedKmh": 47.36, "mode": "D",
  "odometerKm": 48211.94, "soc": 63.4, "batteryTemp": 21.75, "lat": 50.10915, "lon": 8.68212,
  "alt": 112.4, "ambientTemp": 17.8, "traffic": 2
}"#;

/// One row of the report.
struct Row {
    name: &'static str,
    topic: String,
    payload: Vec<u8>,
    plans: Plans,
}

fn main() -> ExitCode {
    // `cargo test` runs benchmarks too, to see that they work, and without optimisation.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let messages = if is_bench { MESSAGES } else { BATCH };
    let rows = rows();
    line("payload                bytes in  bytes out    ns  messages/s a core  allocations");
    let mut is_met = true;
    for (index, row) in rows.iter().enumerate() {
        let found = measure(row, messages);
        let rate = 1e9 / found.nanos;
        let verdict = if index == 0 { met(rate >= MUST, rate >= AIM) } else { "" };
        line(&format!(
            "{:<22} {:>8}  {:>9}  {:>4.0}  {:>17}  {:>11}  {verdict}",
            row.name,
            row.payload.len(),
            found.line_bytes,
            found.nanos,
            thousands(rate),
            found.allocations,
        ));
        is_met &= index > 0 || rate >= MUST;
    }
    if is_bench && !is_met {
        complain(&format!("the budget is {} messages a second a core", thousands(MUST)));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// All payloads.
fn rows() -> Vec<Row> {
    let mut rows = vec![flat()];
    let recorded = [
        ("protobuf, nested", "twizy-protobuf", "payload"),
        ("Avro", "twizy-avro", "payload"),
        ("JSON", "twizy-json", "payload"),
        // The same reading as the lines that the others become.
        ("line protocol", "twizy-protobuf", "lines"),
    ];
    for (name, case, file) in recorded {
        let case = root().join("tests/golden/decode").join(case);
        let topic = match file {
            "lines" => "vehicles/VIN1/telemetry/lines".to_owned(),
            _ => String::from_utf8(read(&case.join("topic"))).expect("a topic is text"),
        };
        let topic = topic.trim().to_owned();
        rows.push(Row { name, topic, payload: read(&case.join(file)), plans: plans("schemas") });
    }
    rows
}

/// The payload that has a budget.
fn flat() -> Row {
    let plans = plans("benches/rig/schemas");
    let message = plans.registry().protobuf.message("telemetry.proto", "bench.v1.Telemetry");
    let message = message.expect("the benchmarks' message");
    let mut reader = serde_json::Deserializer::from_str(FLAT);
    let payload = DynamicMessage::deserialize(message, &mut reader).expect("it fits the schema");
    let payload = payload.encode_to_vec();
    assert_eq!(payload.len(), 200, "as the budget says");
    let topic = "vehicles/WF0TWIZY80A000042/telemetry".to_owned();
    Row { name: "protobuf, flat", topic, payload, plans }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The schemas and mappings of a folder.
fn plans(folder: &str) -> Plans {
    let options = Options::new(root().join(folder), LineDialect::Unsigned);
    Plans::load(&options).expect("the folder is right")
}

#[expect(clippy::disallowed_methods, reason = "a benchmark's input is no data of ours")]
fn read(path: &Path) -> Vec<u8> {
    fs::read(path).expect("a file of this repository")
}

/// What one message costs.
struct Cost {
    nanos: f64,
    line_bytes: usize,
    allocations: f64,
}

fn measure(row: &Row, messages: usize) -> Cost {
    let shards = ShardCount(NonZeroU16::new(2).expect("two is not zero"));
    let mut worker = Worker {
        transcoder: Transcoder::new(Limits::default(), shards),
        memo: TopicMemo::<()>::default(),
        lines: shards.ids().map(|_| EntryBuffer::new()).collect(),
    };
    let line_bytes = worker.run(row, BATCH) / BATCH;
    let rounds = (0..ROUNDS).map(|_| {
        let before = cpu_nanos();
        worker.run(row, messages);
        (cpu_nanos() - before) as f64 / messages as f64
    });
    let nanos = rounds.fold(f64::MAX, f64::min);
    let counted = allocation_counter::measure(|| {
        worker.run(row, messages);
    });
    let allocations = counted.count_total as f64 / messages as f64;
    Cost { nanos, line_bytes, allocations }
}

/// What this thread has computed.
fn cpu_nanos() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// What one worker has.
struct Worker {
    transcoder: Transcoder,
    memo: TopicMemo,
    lines: Vec<EntryBuffer>,
}

impl Worker {
    /// Transcodes the payload so many times; answers the bytes of the last batch's lines.
    fn run(&mut self, row: &Row, messages: usize) -> usize {
        let mut written = 0;
        for index in 0..messages {
            let message = Message {
                topic: &row.topic,
                payload: black_box(&row.payload),
                content_type: None,
                sender: Sender::Unchecked,
                received_at: RECEIVED_AT,
            };
            let done =
                self.transcoder.transcode(&row.plans, &message, &mut self.memo, &mut self.lines);
            assert_eq!(done.points, 1, "{:?}", self.transcoder.failures());
            if index % BATCH == BATCH - 1 {
                written = self.lines.iter().map(|lines| lines.payload().len()).sum();
                self.lines.iter_mut().for_each(EntryBuffer::clear);
            }
        }
        written
    }
}
