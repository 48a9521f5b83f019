//! Attacks of unknown peers: each costs only in proportion to its bytes and affects nobody else.
//! After each the appliance has released its resources: resident memory and descriptors are
//! checked.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::client::{MINUTE, start, subscribe};
use crate::harness::{
    Appliance, Sample, until,
    vehicle::{Packet, Vehicle, Version, connect_packet, packet, publish_packet, text, variable},
};

/// Memory and descriptors before an attack.
struct Before {
    rss_kib: u64,
    descriptors: usize,
}

impl Before {
    /// After it has served one client: what it allocates for the first one stays.
    fn of(appliance: &Appliance) -> Self {
        let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "first");
        vehicle.publish_acked(&Sample::topic("V1"), &Sample { seq: 1 }.payload(), 1);
        drop(vehicle);
        let open = || appliance.metric("fleetline_mqtt_open_sessions");
        until("it has gone", MINUTE, || open() == Some(0.0));
        Self { rss_kib: appliance.rss_kib(), descriptors: appliance.descriptors() }
    }

    /// It has used at most this much more memory, has released its descriptors, and works.
    #[track_caller]
    fn check(&self, appliance: &Appliance, what: &str, most_kib: u64) {
        let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "afterwards");
        vehicle.ping();
        let payload = Sample { seq: 2 }.payload();
        assert_eq!(vehicle.publish_acked(&Sample::topic("V1"), &payload, 1).reason(), 0);
        drop(vehicle);
        let most = self.descriptors + 8;
        until("descriptors are given back", MINUTE, || appliance.descriptors() <= most);
        let grown = appliance.rss_kib().saturating_sub(self.rss_kib);
        assert!(grown <= most_kib, "{what}: {grown} KiB more");
    }
}

fn reasons(said: &[Packet]) -> Vec<u8> {
    said.iter().map(Packet::reason).collect()
}

/// A1: a first packet of any type with a length of 256 MiB.
#[test]
fn a_promised_length_allocates_nothing() {
    let (_store, appliance) = start(|setup| setup);
    let before = Before::of(&appliance);
    for kind in 1..=15_u8 {
        let mut all: Vec<Vehicle> = (0..100)
            .map(|_| {
                let mut peer = Vehicle::dial(appliance.mqtt(), Version::V5).unwrap();
                // It may be closed before the rest is written.
                drop(peer.try_send(&[
                    (kind << 4) | (2 * u8::from(kind == 6)),
                    0xff,
                    0xff,
                    0xff,
                    0x7f,
                ]));
                drop(peer.try_send(&[0; 1000]));
                peer
            })
            .collect();
        for peer in &mut all {
            assert_eq!(peer.expect_close(), [], "first packet {kind}");
        }
    }
    before.check(&appliance, "lengths before CONNECT", 10 * 1024);
    // The same after a CONNECT, with the only type that may be large.
    let mut all = Vec::new();
    for number in 0..100 {
        let mut peer = Vehicle::connect(appliance.mqtt(), Version::V5, &format!("p-{number}"));
        peer.send(&[0x30, 0x80, 0x80, 0x40]);
        peer.send(&[0; 100]);
        all.push(peer);
    }
    let grown = appliance.rss_kib().saturating_sub(before.rss_kib);
    assert!(grown < 20 * 1024, "{grown} KiB more");
    drop(all);
    before.check(&appliance, "lengths behind CONNECT", 20 * 1024);
}

/// A2: peers that send nothing, or a byte now and then, do not block a vehicle, and are closed by a
/// timer that their bytes do not restart.
#[test]
fn silence_and_drips_end_at_the_connect_timeout() {
    const PEERS: usize = 5000;
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    let (_store, appliance) = start(|setup| {
        setup
            .set("mqtt.connect-timeout", "2s")
            .set("mqtt.admission.silent-per-address-max", &(2 * PEERS).to_string())
    });
    let before = Before::of(&appliance);
    let connect = connect_packet(Version::V5, "drip", 60, &[]);
    let mut peers: Vec<Vehicle> =
        (0..PEERS).map(|_| Vehicle::dial(appliance.mqtt(), Version::V5).unwrap()).collect();
    for at in 0..5 {
        for peer in peers.iter_mut().skip(PEERS / 2) {
            drop(peer.try_send(&connect[at..=at]));
        }
        Vehicle::connect(appliance.mqtt(), Version::V3, "legitimate").ping();
    }
    for peer in &mut peers {
        assert_eq!(peer.expect_close(), []);
    }
    before.check(&appliance, "silence and drips", 20 * 1024);
}

/// A3 and A4: lengths of five bytes, and packets that no client sends.
#[test]
fn packets_that_no_client_sends_end_the_connection_and_nothing_else() {
    let (_store, appliance) = start(|setup| setup);
    let before = Before::of(&appliance);
    let connect = |version| connect_packet(version, "c", 60, &[]);
    for version in [Version::V3, Version::V5] {
        let mut bad: Vec<Vec<u8>> = vec![
            vec![0x30, 0x80, 0x80, 0x80, 0x80, 0x01],
            vec![0x30, 0xff, 0xff, 0xff, 0xff, 0xff],
            vec![0x00, 0x00],
            vec![0x20, 0x02, 0x00, 0x00],
            vec![0x90, 0x03, 0x00, 0x01, 0x00],
            vec![0xb0, 0x02, 0x00, 0x01],
            vec![0xd0, 0x00],
            vec![0xf0, 0x00],
            vec![0xc0, 0x01, 0x00],
            vec![0x82, 0x00],
            vec![0x82, 0x02, 0x00, 0x00],
            vec![0xa2, 0x02, 0x00, 0x01],
            vec![0x62, 0x01, 0x00],
            vec![0x40, 0x00],
            vec![0x36, 0x05, 0x00, 0x01, b'a', 0x00, 0x01],
        ];
        bad.push(connect(version));
        for bytes in bad {
            let mut peer = Vehicle::connect(appliance.mqtt(), version, "c");
            peer.send(&bytes);
            let said = peer.expect_close();
            match version {
                Version::V3 => assert_eq!(said, [], "{bytes:02x?}"),
                Version::V5 => assert!(
                    matches!(reasons(&said)[..], [] | [0x81 | 0x82]),
                    "{bytes:02x?}: {said:02x?}"
                ),
            }
        }
    }
    before.check(&appliance, "packets of servers", 10 * 1024);
}

/// A5: invalid topics and filters, and ones over their bounds.
#[test]
fn invalid_topics_are_refused_before_they_are_used() {
    let (_store, appliance) = start(|setup| setup);
    let before = Before::of(&appliance);
    let deep = "/".repeat(32_000);
    let long = "x".repeat(65_535);
    let raw = |topic: &[u8]| {
        let mut body = u16::try_from(topic.len()).unwrap().to_be_bytes().to_vec();
        body.extend(topic);
        body
    };
    let texts: [&[u8]; 9] = [
        b"",
        b"a/+",
        b"a/#",
        b"a\0b",
        b"\xed\xa0\x80",
        b"\xff",
        b"\xc0\x80",
        deep.as_bytes(),
        long.as_bytes(),
    ];
    for version in [Version::V3, Version::V5] {
        let properties: &[u8] = if version == Version::V5 { &[0] } else { &[] };
        for topic in texts {
            let mut peer = Vehicle::connect(appliance.mqtt(), version, "c");
            peer.send(&packet(0x32, &[&raw(topic)[..], &[0, 1], properties, b"x"].concat()));
            let said = peer.expect_close();
            assert!(said.iter().all(|it| it.reason() >= 0x80), "{topic:02x?}: {said:02x?}");
            // As a will: the CONNECT is refused, or the connection is closed.
            let mut peer = Vehicle::dial(appliance.mqtt(), version).unwrap();
            let mut connect = text("MQTT");
            connect.extend([if version == Version::V5 { 5 } else { 4 }, 0x06, 0, 60]);
            connect.extend(properties);
            connect.extend(text("w"));
            connect.extend(properties);
            connect.extend(raw(topic));
            connect.extend(text("will"));
            // A CONNECT over its bound is closed before it is complete.
            drop(peer.try_send(&packet(0x10, &connect)));
            for said in peer.expect_close() {
                let Packet::Whole(0x20, body) = said else { panic!("{said:02x?}") };
                assert!(body[1] != 0, "{topic:02x?}: accepted");
            }
        }
        for filter in [b"".as_slice(), b"a/#/b", b"a+", b"a\0b", b"\xed\xa0\x80"] {
            let mut peer = Vehicle::connect(appliance.mqtt(), version, "c");
            peer.send(&packet(0x82, &[&[0, 1][..], properties, &raw(filter), &[0]].concat()));
            let said = peer.expect_close();
            assert!(said.iter().all(|it| it.reason() >= 0x80), "{filter:02x?}: {said:02x?}");
        }
    }
    before.check(&appliance, "topics", 10 * 1024);
}

/// A5 and A6: filters over their bounds, and topics of the server.
#[test]
fn filters_over_their_bounds_and_server_topics_are_refused_and_the_connection_stays() {
    let (_store, appliance) = start(|setup| setup);
    for version in [Version::V3, Version::V5] {
        let properties: &[u8] = if version == Version::V5 { &[0] } else { &[] };
        let mut peer = Vehicle::connect(appliance.mqtt(), version, "c");
        for filter in ["/".repeat(32_000), "x".repeat(60_000)] {
            assert!(subscribe(&mut peer, version, &filter, 0) >= 0x80);
        }
        // The server's own topics, which wildcards do not match.
        for topic in ["$SYS/broker/uptime", "$SYS/x", "$share/g/a"] {
            let answer = peer.publish_acked(topic, b"x", 7);
            let expect = if version == Version::V5 { 0x87 } else { 0 };
            assert_eq!(answer.reason(), expect, "{topic}");
        }
        peer.publish_acked("$CONTROL/dynamic-security/v1", b"{}", 8);
        let mut connect = text("MQTT");
        connect.extend([if version == Version::V5 { 5 } else { 4 }, 0x0e, 0, 60]);
        connect.extend(properties);
        connect.extend(text("will"));
        connect.extend(properties);
        connect.extend(text("$SYS/broker/uptime"));
        connect.extend(text("x"));
        let mut with_will = Vehicle::dial(appliance.mqtt(), version).unwrap();
        let answer = with_will.greet(&packet(0x10, &connect));
        assert!(matches!(&answer, Packet::Whole(0x20, body) if body[1] == 0), "{answer:02x?}");
        drop(with_will);
    }
}

/// A7: thousands of user properties, in every packet that has them.
#[test]
fn user_properties_are_bounded_and_read_in_proportion() {
    let (_store, appliance) = start(|setup| setup);
    let before = Before::of(&appliance);
    let block = |count: usize| {
        let properties = b"\x26\0\0\0\0".repeat(count);
        [variable(properties.len()), properties].concat()
    };
    // PUBLISH: 65,535 of them fit into a packet, and are over the bound on their number.
    let mut peer = Vehicle::connect(appliance.mqtt(), Version::V5, "c");
    let body = [&text("a")[..], &[0, 1], &block(65_535), b"x"].concat();
    peer.send(&packet(0x32, &body));
    assert_eq!(reasons(&peer.expect_close()), [0x97]);
    // SUBSCRIBE, UNSUBSCRIBE, PUBACK, DISCONNECT: as many as fit into a control packet, and more.
    for count in [12_000, 20_000] {
        for (first, head, tail) in [
            (0x82, &[0_u8, 1][..], [&text("a")[..], &[0]].concat()),
            (0xa2, &[0, 1], text("a")),
            (0x40, &[0, 1, 0], Vec::new()),
            (0xe0, &[0], Vec::new()),
        ] {
            let mut peer = Vehicle::connect(appliance.mqtt(), Version::V5, "c");
            drop(peer.try_send(&packet(first, &[head, &block(count), &tail].concat())));
            drop(peer.try_send(&[0xc0, 0]));
            let answer = peer.receive(MINUTE);
            let is_over = count == 20_000;
            match answer {
                Packet::Whole(0x90 | 0xb0 | 0xd0, _) => assert!(!is_over, "{first:02x}"),
                Packet::Whole(0xe0, body) => assert_eq!((is_over, body[0]), (true, 0x95)),
                Packet::Closed => assert!(is_over || first == 0xe0, "{first:02x}"),
                other => panic!("{first:02x} {count}: {other:02x?}"),
            }
        }
    }
    // CONNECT: fewer, because the peer is unknown.
    let mut body = text("MQTT");
    body.extend([5, 2, 0, 60]);
    body.extend(block(4000));
    body.extend(text("c"));
    let mut peer = Vehicle::dial(appliance.mqtt(), Version::V5).unwrap();
    drop(peer.try_send(&packet(0x10, &body)));
    assert_eq!(peer.expect_close(), []);
    before.check(&appliance, "user properties", 20 * 1024);
}

/// A8: a QoS 2 publish that is repeated and never released, more exchanges than allowed, and
/// CONNECTs whose wills are broken at their last byte.
#[test]
fn exchanges_and_wills_that_never_end_keep_nothing() {
    let (_store, appliance) = start(|setup| setup);
    let before = Before::of(&appliance);
    let mut peer = Vehicle::connect(appliance.mqtt(), Version::V5, "c");
    let one = publish_packet(Version::V5, "a/b", &[7; 10], 2, 1, &[]);
    let (burst, rounds) = (1000, 1000);
    for _ in 0..rounds {
        peer.send(&one.repeat(burst));
        let mut seen = false;
        peer.send(&[0xc0, 0]);
        while let Packet::Whole(first, _) = peer.expect() {
            seen |= first == 0x50;
            if first == 0xd0 {
                break;
            }
        }
        assert!(seen, "no PUBREC");
    }
    let grown = appliance.rss_kib().saturating_sub(before.rss_kib);
    assert!(grown < 10 * 1024, "{grown} KiB for one exchange");
    // One more than the receive maximum ends it.
    let mut all = Vec::new();
    for id in 2..=1100 {
        all.extend(publish_packet(Version::V5, "a/b", &[7; 100], 2, id, &[]));
    }
    drop(peer.try_send(&all));
    let said = peer.expect_close();
    assert_eq!(said.last().map(Packet::reason), Some(0x93));
    drop(peer);
    for _ in 0..2000 {
        let mut body = text("MQTT");
        body.extend([5, 0x06, 0, 60, 0]);
        body.extend(text("w"));
        // A content type, a response topic, and a property that a will cannot have.
        let mut properties = [&[0x03][..], &text(&"t".repeat(500)), &[0x08], &text("r")].concat();
        properties.extend([0x21, 0, 9]);
        body.extend(variable(properties.len()));
        body.extend(properties);
        body.extend(text("topic"));
        body.extend(text(&"p".repeat(2000)));
        let mut peer = Vehicle::dial(appliance.mqtt(), Version::V5).unwrap();
        let answer = peer.greet(&packet(0x10, &body));
        assert!(matches!(&answer, Packet::Whole(0x20, body) if body[1] == 0x82), "{answer:02x?}");
    }
    before.check(&appliance, "exchanges and wills", 12 * 1024);
}

/// A13: queues of subscribers that do not read are bounded, individually and together.
#[test]
fn queues_of_subscribers_that_do_not_read_stay_within_their_bounds() {
    let (_store, appliance) = start(|setup| {
        setup
            .set("mqtt.sessions.queue-bytes-max", "1MiB")
            .set("mqtt.sessions.memory-max", "8MiB")
            .set("mqtt.sessions.queue-stall-max", "1s")
    });
    let before = Before::of(&appliance);
    let mut deaf: Vec<Vehicle> = (0..40)
        .map(|number| {
            let mut client =
                Vehicle::connect(appliance.mqtt(), Version::V3, &format!("deaf-{number}"));
            assert_eq!(subscribe(&mut client, Version::V3, "flood/#", 1), 1);
            client
        })
        .collect();
    let mut publisher = Vehicle::connect(appliance.mqtt(), Version::V3, "publisher");
    // 20 MiB for each of them, at QoS 0, which waits for nobody.
    for _ in 0..200 {
        let burst = publish_packet(Version::V3, "flood/a", &[7; 10_000], 0, 0, &[]).repeat(10);
        publisher.send(&burst);
        publisher.ping();
    }
    let grown = appliance.rss_kib().saturating_sub(before.rss_kib);
    // The bound on all queues, the write buffers (64 KiB each), and the overhead of the allocator.
    println!("40 deaf subscribers: {grown} KiB more");
    assert!(grown < 60 * 1024, "{grown} KiB more");
    // At QoS 1 nothing is silently lost: the publisher waits, then the subscribers are
    // disconnected.
    publisher.publish("flood/a", &[7; 1000], 1, 1);
    assert!(matches!(publisher.receive(MINUTE), Packet::Whole(0x40, _)));
    deaf.clear();
    drop(publisher);
    before.check(&appliance, "deaf subscribers", 60 * 1024);
    until("the books balance", MINUTE, || {
        let count = |name: &str| appliance.count(&format!("deliveries.{name}"));
        count("queued") == 0
            && count("routed") == count("delivered") + count("dropped") + count("expired")
            && count("dropped") > 0
    });
}

/// A14: retained messages set, replaced, cleared, expired and over their bounds in every order.
#[test]
fn retained_messages_of_every_kind_end_in_no_panic_and_within_their_bounds() {
    let (_store, appliance) = start(|setup| {
        setup.set("mqtt.retained.count-max", "50").set("mqtt.retained.size-max", "64KiB")
    });
    let before = Before::of(&appliance);
    let mut client = Vehicle::connect(appliance.mqtt(), Version::V5, "c");
    let mut seed = 7_u32;
    let mut dice = |sides: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) % sides
    };
    for round in 0..3000 {
        let topic = format!("r/{}/{}", dice(9), "x".repeat(usize::try_from(dice(20)).unwrap()));
        let payload = vec![b'p'; [0, 0, 1, 100, 5000][usize::try_from(dice(5)).unwrap()]];
        let expiry: &[u8] = match dice(4) {
            0 => &[0x02, 0, 0, 0, 0],
            1 => &[0x02, 0, 0, 0, 1],
            2 => &[0x02, 0xff, 0xff, 0xff, 0xff],
            _ => &[],
        };
        let qos = u8::try_from(dice(2)).unwrap();
        let mut bytes = publish_packet(Version::V5, &topic, &payload, qos, 1, expiry);
        bytes[0] |= 1;
        client.send(&bytes);
        if qos == 1 {
            assert!(matches!(client.expect(), Packet::Whole(0x40, _)), "round {round}");
        }
        if dice(50) == 0 {
            let mut late = Vehicle::connect(appliance.mqtt(), Version::V3, "late");
            subscribe(
                &mut late,
                Version::V3,
                ["#", "r/+/x", "r/1/#"][usize::try_from(dice(3)).unwrap()],
                0,
            );
        }
    }
    client.ping();
    let metric = |name: &str| appliance.metric(&format!("fleetline_mqtt_{name}")).unwrap();
    until("the bounds show", MINUTE, || {
        metric("retained_messages") <= metric("retained_limit_messages")
            && metric("retained_bytes") <= metric("retained_limit_bytes")
            && metric("refused_retained_messages_total") > 0.0
    });
    drop(client);
    before.check(&appliance, "retained messages", 20 * 1024);
}

/// Two clients publish to each other with full queues, and neither reads: there is no circular
/// wait, the appliance serves others, and both are answered or closed in the end.
#[test]
fn two_clients_that_publish_to_each_other_and_do_not_read_do_not_deadlock() {
    let (_store, appliance) = start(|setup| {
        setup
            .set("mqtt.sessions.queue-messages-max", "20")
            .set("mqtt.receive-maximum", "10")
            .set("mqtt.sessions.queue-stall-max", "2s")
    });
    let mut pair: Vec<Vehicle> = ["left", "right"]
        .iter()
        .map(|id| {
            let mut client = Vehicle::connect(appliance.mqtt(), Version::V3, id);
            assert_eq!(subscribe(&mut client, Version::V3, &format!("to/{id}"), 1), 1);
            client
        })
        .collect();
    for round in 0..100_u16 {
        for (at, to) in [(0, "to/right"), (1, "to/left")] {
            let packet = publish_packet(Version::V3, to, &[7; 2000], 1, round + 1, &[]);
            // When the socket buffer is full, the connection is closed or not read, so this may
            // fail.
            drop(pair[at].try_send(&packet));
        }
    }
    // Another client is served meanwhile.
    let mut other = Vehicle::connect(appliance.mqtt(), Version::V3, "other");
    other.publish_acked(&Sample::topic("V2"), &Sample { seq: 1 }.payload(), 1);
    until("what they published is settled", MINUTE, || appliance.count("messages.pending") == 0);
    other.ping();
    pair.clear();
    until("the books balance", MINUTE, || {
        let count = |name: &str| appliance.count(&format!("deliveries.{name}"));
        count("queued") == 0
            && count("routed") == count("delivered") + count("dropped") + count("expired")
    });
}
