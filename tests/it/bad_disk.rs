//! A full disk, and a disk whose fsync fails: no false acknowledgement is sent (UP-1), nobody is
//! disconnected, and everything else continues.

use std::{fs, num::NonZeroU16, time::Duration};

use fleetline::model::{ShardCount, ShardId};

use crate::harness::{
    Answer, Appliance, FaultyFile, Packet, Sample, Setup, SmallDisk, StandIn, Vehicle, Version,
    program, until,
    vehicle::{connect_packet, packet, text},
};

const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn a_full_disk_makes_publishes_wait_until_there_is_room() {
    let Some(disk) = SmallDisk::mount("bad_disk, full") else { return };
    let store = StandIn::start(Answer::Refuse(503, "away"));
    let appliance = Setup::new()
        .store2(&store.url(), "token")
        .set("spool.shards", "1")
        .set("spool.segment-size", "1MiB")
        .data_dir(&disk.path().join("data"))
        .start();
    let ballast = disk.fill_but(3 * 1024 * 1024);
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    let (sent, acked) = vehicle.publish_until_stuck("VIN");
    assert!(acked > 100, "only {acked} were acknowledged before the disk was full");
    vehicle.ping();
    let (status, body) = appliance.get("/readyz");
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("no room on the disk of"), "{body}");
    assert!(body.contains("1 MiB is wanted for the next segment"), "{body}");

    fs::remove_file(ballast).unwrap();
    // The waiting publishes are acknowledged without any action.
    for _ in acked..sent {
        assert!(matches!(vehicle.receive(MINUTE), Packet::Whole(0x40, _)));
    }
    until("readiness", MINUTE, || appliance.get("/readyz").0 == 200);
    store.answers(Answer::Accept);
    until("an empty spool", MINUTE, || appliance.count("points.in_spool") == 0);
    assert_eq!(store.lines().len() as u64, sent);
}

/// A vehicle of one of the two shards.
fn vin_of(shard: u16) -> String {
    let count = ShardCount(NonZeroU16::new(2).unwrap());
    (0..)
        .map(|i| format!("VIN{i}"))
        .find(|vin| ShardId::of(vin.as_bytes(), count) == ShardId(shard))
        .unwrap()
}

#[test]
fn a_failed_fsync_halts_its_shard_and_nothing_else() {
    let Some(strace) = program("bad_disk, failed fsync", "FLEETLINE_TEST_STRACE") else { return };
    let store = StandIn::start(Answer::Accept);
    let mut appliance = Setup::new().store2(&store.url(), "token").set("spool.shards", "2").start();
    let (struck_vin, sound_vin) = (vin_of(0), vin_of(1));
    let mut struck = Vehicle::connect(appliance.mqtt(), Version::V5, "struck");
    let mut sound = Vehicle::connect(appliance.mqtt(), Version::V5, "sound");
    let payload = |seq| Sample { seq }.payload();
    struck.publish_acked(&Sample::topic(&struck_vin), &payload(1), 1);
    sound.publish_acked(&Sample::topic(&sound_vin), &payload(1), 1);

    let failing = FaultyFile::attach(
        &strace,
        &appliance,
        &appliance.segment(0),
        "fsync,fdatasync",
        "error=EIO",
    );
    struck.publish(&Sample::topic(&struck_vin), &payload(2), 1, 2);
    until("an appliance that is not ready", MINUTE, || appliance.get("/readyz").0 == 503);
    drop(failing);

    // The disk works again, but what it did meanwhile is unknown: the shard stays halted.
    struck.publish(&Sample::topic(&struck_vin), &payload(3), 1, 3);
    for seq in 2..10 {
        let id = u16::try_from(seq).unwrap();
        assert_eq!(sound.publish_acked(&Sample::topic(&sound_vin), &payload(seq), id).reason(), 0);
    }
    struck.ping();
    assert_eq!(
        struck.receive(Duration::from_secs(1)),
        Packet::Nothing,
        "acknowledged, not durable"
    );
    let (status, body) = appliance.get("/readyz");
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("failed"), "{body}");
    appliance.stats();

    // Until a restart. The vehicle sends unacknowledged messages again.
    appliance.kill_9();
    appliance.start_again();
    assert_eq!(appliance.get("/readyz").0, 200);
    let mut struck = Vehicle::connect(appliance.mqtt(), Version::V5, "struck");
    for seq in 2..4 {
        let id = u16::try_from(seq).unwrap();
        struck.publish_acked(&Sample::topic(&struck_vin), &payload(seq), id);
    }
    until("an empty spool", MINUTE, || appliance.count("points.in_spool") == 0);
    until("every line in the store", MINUTE, || store.lines().len() == 3 + 9);
}

/// A CONNECT of a persistent session.
fn lasting(version: Version, client: &str) -> Vec<u8> {
    let mut packet = connect_packet(version, client, 60, &[0x11, 0, 0, 0x0e, 0x10]);
    packet[9] &= !2;
    packet
}

#[test]
fn a_failed_fsync_of_the_journal_halts_persistent_sessions_and_nothing_else() {
    let Some(strace) = program("bad_disk, journal", "FLEETLINE_TEST_STRACE") else { return };
    let store = StandIn::start(Answer::Accept);
    let mut appliance = Setup::new().store2(&store.url(), "token").start();
    let greet = |appliance: &Appliance, version, client: &str| {
        let mut vehicle = Vehicle::dial(appliance.mqtt(), version).unwrap();
        let Packet::Whole(0x20, body) = vehicle.greet(&lasting(version, client)) else {
            panic!("no CONNACK")
        };
        assert_eq!(body[1], 0, "{body:02x?}");
        (vehicle, body)
    };
    let subscribe = |vehicle: &mut Vehicle| {
        let filter = [&[0, 9][..], &text("a"), &[1]].concat();
        vehicle.send(&packet(0x82, &filter));
    };
    let (mut away, _) = greet(&appliance, Version::V3, "away");
    subscribe(&mut away);
    assert_eq!(away.expect(), Packet::Whole(0x90, vec![0, 9, 1]));
    drop(away);
    let mut publisher = Vehicle::connect(appliance.mqtt(), Version::V3, "publisher");
    publisher.publish_acked("a", b"1", 1);

    let file = appliance.journal();
    let failing = FaultyFile::attach(&strace, &appliance, &file, "fsync,fdatasync", "error=EIO");
    publisher.publish("a", b"2", 1, 2);
    until("an appliance that is not ready", MINUTE, || appliance.get("/readyz").0 == 503);
    drop(failing);
    assert!(appliance.get("/readyz").1.contains("sessions"), "{}", appliance.get("/readyz").1);
    // Publishes that need the journal wait, others continue.
    let mut sound = Vehicle::connect(appliance.mqtt(), Version::V3, "sound");
    let payload = Sample { seq: 1 }.payload();
    sound.publish_acked(&Sample::topic("VIN"), &payload, 1);
    publisher.publish("a", b"3", 1, 3);
    assert_eq!(publisher.receive(Duration::from_secs(1)), Packet::Nothing, "not durable");
    publisher.ping();
    // No session is persistent: 5.0 clients are told so, 3.1.1 clients are served without one.
    let (_, connack) = greet(&appliance, Version::V5, "new");
    assert!(connack.windows(5).any(|five| five == [0x11, 0, 0, 0, 0]), "{connack:02x?}");
    let (mut served, connack) = greet(&appliance, Version::V3, "served");
    assert_eq!(connack[0], 0);
    subscribe(&mut served);
    assert_eq!(served.expect(), Packet::Whole(0x90, vec![0, 9, 1]));
    appliance.stats();

    appliance.kill_9();
    appliance.start_again();
    assert_eq!(appliance.get("/readyz").0, 200);
    let (mut away, connack) = greet(&appliance, Version::V3, "away");
    assert_eq!(connack[0], 1, "it is there as it was");
    let Packet::Whole(0x32 | 0x3a, body) = away.expect() else { panic!("nothing came") };
    assert_eq!(body.last(), Some(&b'1'), "what was acknowledged is there");
}

#[test]
fn a_full_disk_makes_the_journal_wait_until_there_is_room() {
    let Some(disk) = SmallDisk::mount("bad_disk, journal full") else { return };
    let store = StandIn::start(Answer::Accept);
    let appliance = Setup::new()
        .store2(&store.url(), "token")
        .set("spool.segment-size", "1MiB")
        .set("mqtt.sessions.max-size", "64MiB")
        .data_dir(&disk.path().join("data"))
        .start();
    let mut subscriber = Vehicle::dial(appliance.mqtt(), Version::V3).unwrap();
    subscriber.greet(&lasting(Version::V3, "subscriber"));
    subscriber.send(&packet(0x82, &[&[0, 9][..], &text("a"), &[1]].concat()));
    assert_eq!(subscriber.expect(), Packet::Whole(0x90, vec![0, 9, 1]));
    drop(subscriber);
    let ballast = disk.fill_but(1024 * 1024);
    let mut publisher = Vehicle::connect(appliance.mqtt(), Version::V3, "publisher");
    let mut acked = 0_u16;
    loop {
        publisher.publish("a", &[b'x'; 10_000], 1, acked + 1);
        match publisher.receive(Duration::from_secs(3)) {
            Packet::Whole(0x40, _) => acked += 1,
            other => break assert_eq!(other, Packet::Nothing),
        }
        assert!(acked < 2000, "the disk is not full");
    }
    publisher.ping();
    let (status, body) = appliance.get("/readyz");
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("no room for the session journal"), "{body}");
    fs::remove_file(ballast).unwrap();
    assert!(matches!(publisher.receive(MINUTE), Packet::Whole(0x40, _)), "without anybody's help");
    until("readiness", MINUTE, || appliance.get("/readyz").0 == 200);
    let mut subscriber = Vehicle::dial(appliance.mqtt(), Version::V3).unwrap();
    let greeted = subscriber.greet(&lasting(Version::V3, "subscriber"));
    assert_eq!(greeted, Packet::Whole(0x20, vec![1, 0]));
    for _ in 0..=acked {
        let packet = subscriber.expect();
        assert!(matches!(&packet, Packet::Whole(0x32, body) if body.len() > 10_000));
        let Packet::Whole(_, body) = packet else { unreachable!() };
        subscriber.send(&[0x40, 2, body[3], body[4]]);
    }
    appliance.stats();
}
