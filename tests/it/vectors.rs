//! Mosquitto's packet vectors: conversations with an MQTT server, byte by byte.
//!
//! A file is a list of groups, a group has `tests`, a test has `msgs`, its steps: `send` bytes,
//! `recv` exactly these bytes, or `external_publish`, a message by a second client. A test's own
//! settings go before its group's: `ver` (protocol level, 4 unless said), `connect` (an ordinary
//! CONNECT comes first, true unless said), `expect_disconnect` (the server must close at the end,
//! true unless said; else it must answer a PINGREQ).
//!
//! Bytes are written as words: `10` or `00000B` are hexadecimal, `'MQTT'` is text, `i1` is an 8-bit
//! number, `H20` a 16-bit one (as are `s`, a string's length, `k`, a keep alive, and `m`, a packet
//! id), `L2000000` a 32-bit one, `v300` a variable byte integer (as is `r`, a remaining length).
//! Nothing is computed: a wrong length is sent as written.
//!
//! Of a CONNACK of 5.0 only session present and the reason code are compared; the rest depends on
//! the limits of the server for which the vectors were written. All of them pass except those of
//! [`EXCEPTIONS`], which contradict the specification or a guarantee of ours. Where a PUBREC is
//! expected, the message may come first (`Line::receive_behind`).

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::harness::{
    Answer, Setup, StandIn,
    vehicle::{Vehicle, Version, packet, text, variable},
};

/// The vectors that are not followed: the file, the beginning of their names, their number, and the
/// reason.
const EXCEPTIONS: &[(&str, &str, usize, &str)] = &[
    ("CONNECT", "10 proto ver", 4, "[MQTT-3.1.2-2] of 3.1.1: return code 1, in 3.1.1's words"),
    ("DISCONNECT", "E", 4, "[MQTT-3.14.1-1]: wrong flags are a malformed packet, 0x81"),
    ("PUBREL", "6", 4, "[MQTT-3.6.1-1]: wrong flags are a malformed packet, 0x81"),
    ("PUBLISH", "34 QoS 2 Dup flow*3", 2, "[MQTT-4.3.3-10]: any repeated PUBLISH has its PUBREC"),
    ("PUBLISH", "PUBLISH with $ topic - connection", 1, "nobody publishes below $SYS"),
];

/// The files, in the order in which they run: the last ones share topics, and take turns.
const FILES: &[&str] = &[
    "AUTH",
    "CONNACK",
    "CONNECT",
    "DISCONNECT",
    "FORBIDDEN",
    "PINGREQ",
    "PINGRESP",
    "PUBACK",
    "PUBCOMP",
    "PUBLISH",
    "PUBREC",
    "PUBREL",
    "SUBACK",
    "SUBSCRIBE",
    "UNSUBACK",
    "UNSUBSCRIBE",
    "ZZ-broker-check",
    "FLOW",
    "OTHER",
    "REGRESSION",
];
const SHARED_TOPICS: &[&str] = &["PUBLISH", "FLOW", "OTHER", "REGRESSION"];

/// The time limit for an answer. A vector without an answer takes this long.
const LIMIT: Duration = Duration::from_secs(5);
/// Vectors at a time; they mostly wait.
const THREADS: usize = 32;

#[test]
fn the_vectors_of_mosquitto_pass_except_where_they_contradict_the_specification() {
    let store = StandIn::start(Answer::Accept);
    let appliance = Setup::new().store2(&store.url(), "token").start();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/mqtt-vectors");
    let (mut wrong, mut count) = (Vec::new(), 0);
    for file in FILES {
        let text = fs::read_to_string(folder.join(format!("{file}.json"))).unwrap();
        let cases = cases(&serde_json::from_str(&text).unwrap());
        count += cases.len();
        let threads = if SHARED_TOPICS.contains(file) { 1 } else { THREADS };
        let mut failures = run_all(&cases, appliance.mqtt(), threads);
        for (_, begins, expected, why) in EXCEPTIONS.iter().filter(|one| one.0 == *file) {
            let before = failures.len();
            failures.retain(|(name, _)| !name.starts_with(begins));
            let found = before - failures.len();
            if found != *expected {
                wrong.push(format!("{file}: {found} of {expected} exceptions ({why})"));
            }
        }
        wrong.extend(failures.into_iter().map(|(name, why)| format!("{file}: {name}: {why}")));
    }
    // After all of them the appliance still runs and its counters balance.
    assert_eq!(appliance.get("/healthz").0, 200);
    appliance.stats();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(count, 1826);
}

/// Runs all cases, several at a time; returns the names of those that failed, and the reasons.
fn run_all(cases: &[Case], server: SocketAddr, threads: usize) -> Vec<(String, String)> {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = case.run(server) {
                        failures.lock().unwrap().push((case.name.clone(), why));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    failures
}

enum Step {
    Send(Vec<u8>),
    Receive(Vec<u8>),
    /// A second client publishes this and waits for its acknowledgement.
    Foreign {
        topic: String,
        qos: u8,
        payload: String,
    },
}

struct Case {
    name: String,
    client_id: String,
    version: u64,
    connects: bool,
    closes: bool,
    steps: Vec<Step>,
}

fn cases(groups: &Value) -> Vec<Case> {
    let mut cases = Vec::new();
    for group in groups.as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            let setting = |name: &str| test.get(name).or_else(|| group.get(name));
            let flag = |name: &str| setting(name).is_none_or(|value| value == &Value::Bool(true));
            let steps = test["msgs"].as_array().unwrap().iter().map(|step| {
                let payload = step["payload"].as_str().unwrap();
                match step["type"].as_str().unwrap() {
                    "send" => Step::Send(encode(payload)),
                    "recv" => Step::Receive(encode(payload)),
                    _ => Step::Foreign {
                        topic: step["topic"].as_str().unwrap().to_owned(),
                        qos: u8::try_from(step["qos"].as_u64().unwrap_or(0)).unwrap(),
                        payload: payload.to_owned(),
                    },
                }
            });
            cases.push(Case {
                name: test["name"].as_str().unwrap().to_owned(),
                client_id: format!("vector{}", cases.len()),
                version: setting("ver").map_or(4, |version| version.as_u64().unwrap()),
                connects: flag("connect"),
                closes: flag("expect_disconnect"),
                steps: steps.collect(),
            });
        }
    }
    cases
}

/// Cases with their own CONNECT share one client id, and would take each other's session over.
static OWN_CONNECT: Mutex<()> = Mutex::new(());

impl Case {
    fn run(&self, server: SocketAddr) -> Result<(), String> {
        let _turn = (!self.connects).then(|| OWN_CONNECT.lock().unwrap());
        let stream = TcpStream::connect(server).map_err(|e| e.to_string())?;
        let mut line = Line { stream, early: Vec::new() };
        if self.connects {
            line.send(&self.ordinary_connect());
            let accepted: &[u8] =
                if self.version == 5 { &[0x20, 3, 0, 0, 0] } else { &[0x20, 2, 0, 0] };
            line.expect(accepted)?;
        }
        for step in &self.steps {
            match step {
                Step::Send(bytes) => line.send(bytes),
                Step::Receive(bytes) if line.came_early(bytes) => {}
                Step::Receive(bytes) => line.expect(bytes)?,
                Step::Foreign { topic, qos, payload } => {
                    let mut other = Vehicle::connect(server, Version::V3, "other");
                    other.publish(topic, payload.as_bytes(), *qos, 1);
                    if *qos > 0 {
                        other.expect();
                    }
                    if *qos == 2 {
                        other.send(&[0x62, 2, 0, 1]);
                        other.expect();
                    }
                }
            }
        }
        if let Some(early) = line.early.first() {
            return Err(format!("nobody expected {early:02x?}"));
        }
        if self.closes {
            return match line.receive() {
                (bytes, End::Closed) if bytes.is_empty() => Ok(()),
                (bytes, end) => Err(format!("not closed but {bytes:02x?} {end:?}")),
            };
        }
        line.send(&[0xc0, 0]);
        line.expect(&[0xd0, 0])?;
        // Its subscriptions end with it, and not in the middle of the next case.
        line.send(&[0xe0, 0]);
        match line.receive() {
            (_, End::Closed) => Ok(()),
            (bytes, end) => {
                Err(format!("not closed after its DISCONNECT but {bytes:02x?} {end:?}"))
            }
        }
    }

    /// Clean session, keep alive 60 s; in 5.0 also receive maximum 20.
    fn ordinary_connect(&self) -> Vec<u8> {
        let mut body = match self.version {
            3 => encode("s6 'MQIsdp' 03 02 k60"),
            4 => encode("s4 'MQTT' 04 02 k60"),
            _ => encode("s4 'MQTT' 05 02 k60 v3 21 H20"),
        };
        body.extend(text(&self.client_id));
        packet(0x10, &body)
    }
}

/// Whether an answer has the 5.0 reason code Packet Identifier Not Found (3.6.2.1, 3.7.2.1), where
/// Mosquitto sends success.
fn is_not_found(bytes: &[u8], expected: &[u8]) -> bool {
    match (expected, bytes) {
        (&[kind, 2, high, low], &[said, 3, said_high, said_low, 0x92]) => {
            matches!(kind, 0x62 | 0x70) && (kind, high, low) == (said, said_high, said_low)
        }
        _ => false,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Whole,
    Closed,
    Silence,
}

struct Line {
    stream: TcpStream,
    /// Messages that arrived before a PUBREC, and are expected after it.
    early: Vec<Vec<u8>>,
}

impl Line {
    /// Sends; the next read notices if the server has closed meanwhile.
    fn send(&mut self, bytes: &[u8]) {
        drop(self.stream.write_all(bytes));
    }

    fn expect(&mut self, expected: &[u8]) -> Result<(), String> {
        let (bytes, end) = self.receive_behind(expected);
        let is_same = if expected[0] == 0x20 && expected.len() > 4 {
            bytes.first() == Some(&0x20) && body(&bytes).get(..2) == body(expected).get(..2)
        } else {
            bytes == expected || is_not_found(&bytes, expected)
        };
        if end == End::Whole && is_same {
            return Ok(());
        }
        Err(format!("expected {expected:02x?}, got {bytes:02x?} {end:?}"))
    }

    /// The next packet; if a PUBREC is expected, the one after earlier messages. 4.3.3 allows a
    /// server to deliver a message before its PUBREC (figure 4.3, method B), and ours waits for the
    /// disk if the message is retained; mosquitto never does.
    fn receive_behind(&mut self, expected: &[u8]) -> (Vec<u8>, End) {
        loop {
            let (bytes, end) = self.receive();
            let is_message = end == End::Whole && bytes[0] & 0xf0 == 0x30;
            if !is_message || expected[0] != 0x50 {
                return (bytes, end);
            }
            self.early.push(bytes);
        }
    }

    /// Whether it has already arrived, before a PUBREC.
    fn came_early(&mut self, expected: &[u8]) -> bool {
        let place = self.early.iter().position(|bytes| bytes == expected);
        place.is_some_and(|place| {
            self.early.remove(place);
            true
        })
    }

    /// One packet, or the received part of it.
    fn receive(&mut self) -> (Vec<u8>, End) {
        let deadline = Instant::now() + LIMIT;
        let mut bytes = Vec::new();
        loop {
            let missing = missing(&bytes);
            if missing == 0 {
                return (bytes, End::Whole);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return (bytes, End::Silence);
            }
            self.stream.set_read_timeout(Some(left)).unwrap();
            let mut chunk = vec![0; missing];
            match self.stream.read(&mut chunk) {
                Ok(0) => return (bytes, End::Closed),
                Ok(n) => bytes.extend_from_slice(&chunk[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                // A reset also counts as closed.
                Err(_) => return (bytes, End::Closed),
            }
        }
    }
}

/// The number of missing bytes of the packet that begins in `bytes`, as far as known.
fn missing(bytes: &[u8]) -> usize {
    if bytes.len() < 2 {
        return 2 - bytes.len();
    }
    let mut remaining = 0;
    for (index, byte) in bytes[1..].iter().take(4).enumerate() {
        remaining |= usize::from(byte & 0x7f) << (7 * index);
        if *byte < 0x80 {
            return 2 + index + remaining - bytes.len();
        }
    }
    usize::from(bytes.len() < 5)
}

/// The bytes after the remaining length.
fn body(bytes: &[u8]) -> &[u8] {
    let length = bytes[1..].iter().take(4).take_while(|byte| **byte >= 0x80).count();
    &bytes[2 + length..]
}

fn encode(payload: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = payload.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = if first == '\'' {
            rest[1..].find('\'').unwrap() + 2
        } else {
            rest.find(char::is_whitespace).unwrap_or(rest.len())
        };
        let (word, after) = rest.split_at(end);
        rest = after.trim_start();
        let number = || word[1..].parse::<usize>().unwrap();
        match first {
            '\'' => bytes.extend(&word.as_bytes()[1..word.len() - 1]),
            'i' => bytes.push(u8::try_from(number()).unwrap()),
            'H' | 's' | 'k' | 'm' => bytes.extend(u16::try_from(number()).unwrap().to_be_bytes()),
            'L' => bytes.extend(u32::try_from(number()).unwrap().to_be_bytes()),
            'v' | 'r' => bytes.extend(variable(number())),
            _ => {
                for at in (0..word.len()).step_by(2) {
                    bytes.push(u8::from_str_radix(&word[at..at + 2], 16).unwrap());
                }
            }
        }
    }
    bytes
}

#[test]
fn the_language_of_the_vectors_is_parsed() {
    assert_eq!(
        encode("10 r13 s4 'MQTT' 04 02 k10 s1 'p'"),
        b"\x10\x0d\0\x04MQTT\x04\x02\0\x0a\0\x01p"
    );
    assert_eq!(encode("v300 00000B L2000000 i1"), b"\xac\x02\0\0\x0b\0\x1e\x84\x80\x01");
}
