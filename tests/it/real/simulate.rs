//! The product's own fleet, replaying the recorded drives and proving by query that all of it is
//! stored.

use std::fs;

use crate::harness::{Influx, Kind, Setup, twizy};

#[test]
fn a_replay_of_the_drives_verifies_itself_against_the_database() {
    let Some(influx) = Influx::start("real::simulate", Kind::Two) else { return };
    let drives = tempfile::tempdir().unwrap();
    twizy::unpack(drives.path());
    let schemas = fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas")).unwrap();
    let setup = influx.serves(Setup::new()).set("schemas.dir", schemas.to_str().unwrap());
    let appliance = setup.start();
    let target = format!("mqtt://{}", appliance.mqtt());
    let url = appliance.url();
    let output = appliance.cli(&[
        "simulate",
        "--replay",
        drives.path().to_str().unwrap(),
        "--format",
        "protobuf",
        "--target",
        &target,
        "--verify",
        &url,
    ]);
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    // Counted by another program than the one that sent it.
    assert_eq!(influx.count("telemetry", "soc"), 42_886, "{said}\n{complained}");
    assert_eq!(appliance.count("points.stored"), 42_886);
}
