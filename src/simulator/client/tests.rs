//! The load client against a small scripted broker on a real socket.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, atomic::AtomicBool},
    thread,
    time::Duration,
};

use super::{
    super::{
        Logins,
        script::{DriveOptions, Script, Tracks, drives},
        shape::{Files, Format, Shape},
    },
    *,
};
use crate::{
    env::SystemClock,
    mqtt::wire::{Qos, Version},
};

/// Deviations from a broker that answers everything at once.
#[derive(Clone, Copy, Default)]
struct Temper {
    /// Drops the first connection of each vehicle at its n-th publish, without an answer.
    drop_at: Option<usize>,
    /// 5.0: this reason in every acknowledgement, and this receive maximum.
    reason: Option<u8>,
    receive_maximum: Option<u16>,
}

/// Every publish by client id: its packet id, whether it was a duplicate, and its payload.
type Seen = Arc<Mutex<BTreeMap<String, Vec<(u16, bool, Vec<u8>)>>>>;

struct Broker {
    address: SocketAddr,
    seen: Seen,
}

impl Broker {
    /// Threads end with their connections, the listener with the test's process.
    fn start(temper: Temper) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Seen::default();
        let all = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let seen = Arc::clone(&all);
                thread::spawn(move || serve(stream.unwrap(), temper, &seen));
            }
        });
        Self { address, seen }
    }
}

fn packet(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut byte = [0];
    stream.read_exact(&mut byte).ok()?;
    let first = byte[0];
    let (mut length, mut shift) = (0, 0);
    loop {
        stream.read_exact(&mut byte).ok()?;
        length |= usize::from(byte[0] & 0x7f) << shift;
        shift += 7;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((first, body))
}

fn serve(mut stream: TcpStream, temper: Temper, seen: &Seen) {
    let Some((0x10, connect)) = packet(&mut stream) else { return };
    let is_v5 = connect[6] == 5;
    let at = 10 + usize::from(is_v5);
    let id_bytes = usize::from(u16::from_be_bytes([connect[at], connect[at + 1]]));
    let client = String::from_utf8(connect[at + 2..at + 2 + id_bytes].to_vec()).unwrap();
    let is_first = seen.lock().unwrap().insert(client.clone(), Vec::new()).is_none();
    let connack = match (is_v5, temper.receive_maximum) {
        (false, _) => vec![0x20, 2, 0, 0],
        (true, None) => vec![0x20, 3, 0, 0, 0],
        (true, Some(maximum)) => [&[0x20, 6, 0, 0, 3, 0x21][..], &maximum.to_be_bytes()].concat(),
    };
    stream.write_all(&connack).unwrap();
    let mut count = 0;
    while let Some((first, body)) = packet(&mut stream) {
        let answer = match first >> 4 {
            3 => {
                count += 1;
                let qos = (first >> 1) & 3;
                let topic_bytes = usize::from(u16::from_be_bytes([body[0], body[1]]));
                let after = 2 + topic_bytes;
                let topic = format!("vehicles/{client}/telemetry");
                assert_eq!(&body[2..after], topic.as_bytes());
                let id = [body[after], body[after + 1]];
                let payload = body[after + 2 + usize::from(is_v5)..].to_vec();
                let publish = (u16::from_be_bytes(id), first & 8 != 0, payload);
                seen.lock().unwrap().get_mut(&client).unwrap().push(publish);
                if is_first && temper.drop_at == Some(count) {
                    return;
                }
                let kind = if qos == 2 { 0x50 } else { 0x40 };
                match temper.reason {
                    Some(reason) if is_v5 => vec![kind, 3, id[0], id[1], reason],
                    _ => vec![kind, 2, id[0], id[1]],
                }
            }
            6 => vec![0x70, 2, body[0], body[1]],
            12 => vec![0xd0, 0],
            _ => return,
        };
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}

fn script(vehicles: usize) -> Tracks {
    let shape = Shape::load(&Files::Shipped, Format::Protobuf, None).unwrap();
    let options = DriveOptions {
        format: Format::Protobuf,
        topic: shape.topic.clone(),
        vehicles,
        first: 1,
        seed: 1,
        start_nanos: 1_795_382_379_000_000_000,
        step_nanos: 1,
        size: Some(200),
    };
    drives(&shape, &options).unwrap()
}

fn options(target: SocketAddr) -> LoadOptions {
    LoadOptions {
        target,
        version: Version::V3,
        qos: Qos::AtLeastOnce,
        window: 8,
        pace: Pace::Rate(200.0),
        duration: Some(Duration::from_millis(300)),
        connect_rate: 10_000.0,
        connect_max: Duration::from_secs(10),
        drain_max: Duration::from_secs(10),
        keep_alive_secs: 60,
        logins: Logins::default(),
        layers: Layers::default(),
        seed: 1,
        backlog: 0,
        audience: None,
        commands: None,
    }
}

struct Nobody;

impl Watch for Nobody {
    fn phase(&mut self, _: Phase, _: &Counts) {}
    fn tick(&mut self, _: &Counts, _: &Latencies) {}
}

fn run(options: LoadOptions, script: &Tracks) -> Outcome {
    let clock = SystemClock::start();
    let load = Load::new(options, script, None, &clock).unwrap();
    load.run(&AtomicBool::new(false), &mut Nobody).unwrap()
}

/// Shows that the client's counts equal those of the broker, in both versions and at QoS 1 and 2,
/// and that no two points of a vehicle have the same time.
#[test]
fn what_is_counted_as_acknowledged_is_what_the_broker_saw() {
    for (version, qos) in [
        (Version::V3, Qos::AtLeastOnce),
        (Version::V5, Qos::AtLeastOnce),
        (Version::V3, Qos::ExactlyOnce),
        (Version::V5, Qos::ExactlyOnce),
    ] {
        let broker = Broker::start(Temper::default());
        let script = script(5);
        let outcome = run(LoadOptions { version, qos, ..options(broker.address) }, &script);
        let counts = outcome.counts;
        let seen = broker.seen.lock().unwrap();
        let total: usize = seen.values().map(Vec::len).sum();
        assert!(total > 0, "{version:?} {qos:?}");
        assert_eq!(counts.acknowledged, u64::try_from(total).unwrap(), "{version:?} {qos:?}");
        assert_eq!((counts.published, counts.open), (counts.acknowledged, 0));
        assert_eq!(outcome.latencies.recorded(), counts.acknowledged);
        assert_eq!((counts.connected, counts.lost, counts.resent), (5, 0, 0));
        for publishes in seen.values() {
            let mut times: Vec<_> =
                publishes.iter().map(|(_, _, payload)| payload[1..7].to_vec()).collect();
            times.sort();
            times.dedup();
            assert_eq!(times.len(), publishes.len());
        }
    }
}

/// The broker closes every connection in the middle of its window. Shows that the vehicle
/// reconnects, sends unacknowledged messages once more as duplicates with the same bytes, and that
/// nothing is missing in the end.
#[test]
fn a_lost_connection_comes_back_and_sends_again_what_was_not_acknowledged() {
    let broker = Broker::start(Temper { drop_at: Some(4), ..Temper::default() });
    let script = script(3);
    let pace = Pace::Window;
    let duration = Some(Duration::from_secs(1));
    let outcome = run(LoadOptions { pace, duration, ..options(broker.address) }, &script);
    let counts = outcome.counts;
    assert_eq!((counts.lost, counts.reconnects, counts.open), (3, 3, 0));
    assert_eq!(counts.acknowledged, counts.published);
    assert!(counts.resent >= 3, "{counts:?}");
    let seen = broker.seen.lock().unwrap();
    for (idx, part) in script.parts().iter().enumerate() {
        let publishes = &seen[&part.vehicle];
        let again: Vec<_> = publishes.iter().filter(|(_, again, _)| *again).collect();
        assert!(!again.is_empty());
        for (id, _, payload) in again {
            let mut expect = Vec::new();
            script.append(idx, u64::from(*id) - 1, &mut expect);
            assert_eq!(*payload, expect);
        }
    }
}

#[test]
fn a_backlog_is_published_first_and_the_rate_goes_on_behind_it() {
    let broker = Broker::start(Temper::default());
    let script = script(3);
    // The rate alone would give the first message of each, and perhaps one more.
    let (pace, duration) = (Pace::Rate(1.0), Some(Duration::from_millis(500)));
    let options = LoadOptions { pace, duration, backlog: 100, ..options(broker.address) };
    let outcome = run(options, &script);
    let acknowledged = outcome.counts.acknowledged;
    assert!((301..=306).contains(&acknowledged), "{acknowledged}");
    assert!(outcome.late_max < Duration::from_secs(5), "a backlog is not late");
}

#[test]
fn a_refusal_is_no_acknowledgement() {
    let broker = Broker::start(Temper { reason: Some(0x99), ..Temper::default() });
    let outcome = run(LoadOptions { version: Version::V5, ..options(broker.address) }, &script(2));
    assert_eq!(outcome.counts.acknowledged, 0);
    assert!(outcome.counts.refused > 0);
    assert_eq!(outcome.counts.refused, outcome.counts.published);
}

#[test]
fn the_window_is_no_larger_than_the_broker_allows() {
    let broker = Broker::start(Temper { receive_maximum: Some(2), ..Temper::default() });
    let script = script(1);
    let clock = SystemClock::start();
    let options = LoadOptions { version: Version::V5, ..options(broker.address) };
    let load = Load::new(options, &script, None, &clock).unwrap();
    struct Widest(u64);
    impl Watch for Widest {
        fn phase(&mut self, _: Phase, _: &Counts) {}
        fn tick(&mut self, counts: &Counts, _: &Latencies) {
            self.0 = self.0.max(counts.open);
        }
    }
    let mut widest = Widest(0);
    let outcome = load.run(&AtomicBool::new(false), &mut widest).unwrap();
    assert!(outcome.counts.acknowledged > 0);
    assert!(widest.0 <= 2);
}

#[test]
fn nobody_connected_is_an_error_that_says_why() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let clock = SystemClock::start();
    let script = script(2);
    let load = Load::new(options(free), &script, None, &clock).unwrap();
    let error = load.run(&AtomicBool::new(false), &mut Nobody).unwrap_err();
    assert!(error.to_string().starts_with("no vehicle could connect to"), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}
