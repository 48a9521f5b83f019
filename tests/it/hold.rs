//! A store that loses confirmed points, like one without a synced log at a power cut: held segments
//! (`store.hold`) are sent again (faults 18 and 22 of the test plan).

use std::time::Duration;

use crate::harness::{Answer, Sample, Setup, StandIn, Vehicle, Version, until};

const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn points_that_a_store_confirmed_and_lost_are_sent_again_from_a_time_on() {
    let store = StandIn::start(Answer::Accept);
    let setup = Setup::new().store2(&store.url(), "token").set("store.hold", "1h");
    let mut appliance = setup.set("spool.segment-size", "4KiB").start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    let mut publish = |from: u64, to: u64| {
        for seq in from..to {
            let id = u16::try_from(seq + 1).unwrap();
            vehicle.publish_acked(&Sample::topic("VIN"), &Sample { seq }.payload(), id);
        }
    };
    publish(0, 200);
    until("all in the store", MINUTE, || store.lines().len() == 200);
    until("held files", MINUTE, || {
        appliance.metric("fleetline_spool_held_bytes").is_some_and(|bytes| bytes > 0.0)
    });
    let running = appliance.cli(&["spool", "replay", "--from", "1h"]);
    assert!(!running.status.success(), "it is in use");
    assert!(String::from_utf8_lossy(&running.stderr).contains("in use"), "{running:?}");
    assert!(appliance.terminate(MINUTE).0.success());

    let before = store.lines();
    store.forget();
    let told = appliance.cli_ok(&["spool", "replay", "--from", "1h", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["points"], 200, "{told}");
    appliance.start_again();
    assert_eq!(appliance.count("points.recovered"), 200);
    until("all in the store again", MINUTE, || store.lines().len() == 200);
    assert_eq!(store.lines(), before, "byte for byte");
    until("an empty spool", MINUTE, || appliance.count("points.in_spool") == 0);
}
