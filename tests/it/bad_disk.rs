//! A disk that is full, and one whose fsync fails: nobody is told a lie (UP-1), nobody is thrown
//! out, and what is not concerned goes on.

use std::{fs, num::NonZeroU16, time::Duration};

use fleetline::model::{ShardCount, ShardId};

use crate::harness::{
    Answer, FaultyFile, Packet, Sample, Setup, SmallDisk, StandIn, Vehicle, Version, program, until,
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
    // Those that waited, without anybody's help.
    for _ in acked..sent {
        assert!(matches!(vehicle.receive(MINUTE), Packet::Whole(0x40, _)));
    }
    until("readiness", MINUTE, || appliance.get("/readyz").0 == 200);
    store.answers(Answer::Accept);
    until("an empty spool", MINUTE, || appliance.count("points.in_spool") == 0);
    assert_eq!(store.lines().len() as u64, sent);
}

/// A vehicle of a shard, of two.
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

    // The disk is well again, but what it did meanwhile is unknown: the shard stays halted.
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

    // Until restart. The vehicle sends again what it has no acknowledgement for.
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
