//! The embedded store in the whole appliance: new columns, retention, damaged files, a full disk.

use std::{
    fs,
    os::unix::fs::{FileExt, symlink},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::{
    harness::{
        Appliance, Database, Load, Sample, Setup, SmallDisk, Vehicle, Version, sqlite, until,
    },
    refusals::LINES,
};

const MINUTE: Duration = Duration::from_mins(1);
const DAY_NANOS: i64 = 86_400_000_000_000;

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

fn publish_line(appliance: &Appliance, line: &str) {
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "lines");
    assert_eq!(vehicle.publish_acked("vehicles/V/lines", line.as_bytes(), 1).reason(), 0, "{line}");
    settle(appliance);
}

fn settle(appliance: &Appliance) {
    until("an empty spool", MINUTE, || appliance.count("points.in_spool") == 0);
}

/// Rows and columns of an SQL query.
#[track_caller]
fn ask(appliance: &Appliance, text: &str) -> Value {
    let (status, body) = appliance.query("sql", text, &json!({}));
    assert_eq!(status, 200, "{text}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// Bytes of the files on disk, with SQLite's files beside them.
fn size(data: &Path) -> u64 {
    let mut bytes = 0;
    for folder in fs::read_dir(data.join("embedded")).unwrap() {
        for file in fs::read_dir(folder.unwrap().path()).unwrap() {
            bytes += file.unwrap().metadata().unwrap().len();
        }
    }
    bytes
}

#[test]
fn columns_come_as_fields_and_tags_appear_and_keep_their_types() {
    let mut appliance = Setup::new().schema("lines.toml", LINES).start();
    let at = now();
    publish_line(&appliance, &format!("m a=1 {at}"));
    publish_line(&appliance, &format!("m b=2i,c=\"x\" {}", at + 1));
    publish_line(&appliance, &format!("m,zone=n a=3,d=t {}", at + 2));
    let answer = ask(&appliance, "SELECT vin, zone, a, b, c, d FROM m ORDER BY time");
    let kinds: Vec<&str> = answer["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| column["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["string", "string", "float", "integer", "string", "boolean"]);
    let rows = json!([
        ["V", null, 1.0, null, null, null],
        ["V", null, null, 2, "x", null],
        ["V", "n", 3.0, null, null, true],
    ]);
    assert_eq!(answer["rows"], rows);

    // The same after an orderly stop, and the size on disk is reported.
    appliance.terminate(MINUTE);
    appliance.start_again();
    let again = ask(&appliance, "SELECT vin, zone, a, b, c, d FROM m ORDER BY time");
    assert_eq!(again, answer);
    let told = appliance.metric("fleetline_embedded_disk_bytes").unwrap();
    let bytes = size(appliance.setup().data());
    assert!(bytes > 4_096 && told > 4_096.0, "{told} of {bytes}");
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let bytes = bytes as f64;
    // Since then a query may have made SQLite create an empty log beside a file.
    assert!(told <= bytes && bytes - told <= 65_536.0, "{told} of {bytes}");
}

#[test]
fn past_the_retention_files_are_dropped_and_points_are_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let setup = || {
        let setup = Setup::new().data_dir(&folder.path().join("data"));
        setup.schema("lines.toml", LINES).set("store.partition", "day")
    };
    let at = now();
    let ago = |days: i64| at - days * DAY_NANOS;
    let mut appliance = setup().start();
    for days in [0, 5, 40, 100] {
        publish_line(&appliance, &format!("m a={days} {}", ago(days)));
    }
    appliance.terminate(MINUTE);
    let data = folder.path().join("data");
    assert_eq!(sqlite::files(&data, "m").len(), 4);

    let appliance = setup().set("store.retention", "30d").start();
    until("old files to go", MINUTE, || sqlite::files(&data, "m").len() == 2);
    let dropped = || appliance.metric("fleetline_embedded_expired_files_total");
    until("it to be told", MINUTE, || dropped() == Some(2.0));
    publish_line(&appliance, &format!("m a=41 {}", ago(41)));
    publish_line(&appliance, &format!("m a=1 {}", ago(1)));
    assert_eq!(appliance.count("points.dead_lettered"), 1);
    let listed = appliance.cli_ok(&["dead-letter", "list", "--json"]);
    let letter: Value = serde_json::from_str(listed.trim()).unwrap();
    assert_eq!(letter["cause"], "store-refused");
    assert_eq!(letter["answer"], "the point is past the retention");
    assert_eq!(letter["line"].as_str().unwrap().trim(), format!("m,vin=V a=41 {}", ago(41)));
    let answer = ask(&appliance, "SELECT a FROM m ORDER BY time");
    assert_eq!(answer["rows"], json!([[5.0], [1.0], [0.0]]));
}

/// A few thousand samples, so that a file has many pages.
fn load(appliance: &Appliance) {
    let load = Load::start(appliance.mqtt(), 8, Duration::from_millis(20));
    load.wait_for_acks(4_000, MINUTE);
    load.stop();
    settle(appliance);
}

/// Overwrites all but the first pages, as a failing disk might.
fn damage(file: &Path) {
    let bytes = fs::metadata(file).unwrap().len();
    assert!(bytes > 100_000, "only {bytes} bytes");
    let garbage = vec![0xa5; usize::try_from(bytes).unwrap() - 3 * 4_096];
    fs::OpenOptions::new().write(true).open(file).unwrap().write_at(&garbage, 3 * 4_096).unwrap();
}

#[test]
fn after_a_crash_an_intact_file_is_reported_and_a_damaged_one_set_aside() {
    let mut appliance = Setup::new().set("spool.shards", "1").start();
    load(&appliance);
    // Everything is moved into the file itself, and then a little is in its log.
    appliance.terminate(MINUTE);
    appliance.start_again();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    vehicle.publish_acked(&Sample::topic("VIN"), &Sample { seq: 1 }.payload(), 1);
    settle(&appliance);
    appliance.kill_9();
    appliance.start_again();
    until("the word that all is well", MINUTE, || {
        appliance.log().contains("whole after the crash")
    });
    assert_eq!(appliance.metric("fleetline_embedded_damaged_files_total"), Some(0.0));
    vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    vehicle.publish_acked(&Sample::topic("VIN"), &Sample { seq: 2 }.payload(), 1);
    settle(&appliance);

    appliance.kill_9();
    let files: Vec<PathBuf> = sqlite::files(appliance.setup().data(), "sample");
    assert_eq!(files.len(), 1, "all samples lie within a second: {files:?}");
    damage(&files[0]);
    appliance.start_again();
    let damaged = || appliance.metric("fleetline_embedded_damaged_files_total") == Some(1.0);
    until("the damage to be told", MINUTE, damaged);
    vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    for seq in 10..20 {
        let id = u16::try_from(seq).unwrap();
        vehicle.publish_acked(&Sample::topic("VIN"), &Sample { seq }.payload(), id);
    }
    let (status, body) = appliance.get("/readyz");
    assert_eq!(status, 200, "all goes on: {body}");
    assert!(body.contains(".sqlite.damaged-"), "it is not told which file: {body}");
    assert!(appliance.log().contains("nothing of it is deleted"));
    // No action is needed.
    settle(&appliance);
    assert_eq!(appliance.count("points.dead_lettered"), 0);
    let aside = fs::read_dir(files[0].parent().unwrap()).unwrap();
    let is_aside = |name: &str| name.contains(".sqlite.damaged-") && !name.ends_with("-shm");
    let aside = aside.filter(|file| is_aside(file.as_ref().unwrap().file_name().to_str().unwrap()));
    assert!(aside.count() >= 1, "it is deleted");
    let answer = ask(&appliance, "SELECT seq FROM sample WHERE seq >= 10 ORDER BY seq");
    let expected: Vec<Value> = (10..20).map(|seq| json!([seq])).collect();
    assert_eq!(answer["rows"], json!(expected));
    sqlite::check_integrity(appliance.setup().data());
}

#[test]
fn a_full_disk_of_the_embedded_store_makes_points_wait_in_the_spool_until_there_is_room() {
    let Some(disk) = SmallDisk::mount("embedded, full disk") else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    symlink(disk.path(), data.join("embedded")).unwrap();
    let mut appliance = Setup::new().data_dir(&data).start();
    let before = Load::start(appliance.mqtt(), 4, Duration::from_millis(20));
    before.wait_for_acks(500, MINUTE);
    let ballast = disk.fill_but(256 * 1024);
    // Vehicles are not affected: their messages are durable in the spool.
    until("a store that waits", MINUTE, || {
        appliance.get("/readyz").1.contains("database or disk is full")
    });
    before.wait_for_acks(1_000, MINUTE);
    assert_eq!(appliance.get("/readyz").0, 200);
    assert!(appliance.count("points.in_spool") > 500);
    appliance.stats();

    fs::remove_file(ballast).unwrap();
    let promised = before.stop();
    settle(&appliance);
    assert_eq!(appliance.count("points.dead_lettered"), 0);
    Database::Embedded.check_promises(&appliance, &promised);
    appliance.terminate(MINUTE);
    sqlite::check_integrity(&data);
}
