//! Access rules: checked at each publish, changed by a reload, explained by `check --rules`.

use std::fs;

use crate::harness::{PATIENCE, Setup, Vehicle, Version, until};

const OWN: &str = r#"
[[rule]]
allow = ["publish", "subscribe"]
topics = ["vehicles/{vehicle}/#"]
"#;

/// The reason code with which a publish of vehicle `V1` is acknowledged.
#[track_caller]
fn reason(vehicle: &mut Vehicle, topic: &str, id: u16) -> u8 {
    vehicle.publish(topic, b"{}", 1, id);
    let answer = vehicle.expect();
    assert_eq!(answer.id(), id);
    answer.reason()
}

/// `f11-rules-that-change`: publishing for another vehicle is answered with 0x87 (and a plain
/// PUBACK in 3.1.1, which has no reason codes) and counted as refused; a wrong reload changes
/// nothing, a good one takes effect at once.
#[test]
fn a_publish_is_checked_against_the_rules_of_the_last_good_reload() {
    let setup = Setup::new();
    let file = setup.home().join("rules.toml");
    fs::write(&file, OWN).unwrap();
    let appliance = setup.set("auth.rules", file.to_str().unwrap()).start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "V1");
    assert_eq!(reason(&mut vehicle, "vehicles/V1/unmapped", 1), 0x10);
    assert_eq!(reason(&mut vehicle, "vehicles/V2/unmapped", 2), 0x87);
    let mut old = Vehicle::connect(appliance.mqtt(), Version::V3, "V3");
    assert_eq!(reason(&mut old, "vehicles/V2/unmapped", 3), 0);
    until("two are refused", PATIENCE, || appliance.count("messages.refused") == 2);

    let reload = |text: &str, told: &str| {
        let before = appliance.log().matches(told).count();
        fs::write(&file, text).unwrap();
        appliance.signal("HUP");
        until(told, PATIENCE, || appliance.log().matches(told).count() > before);
    };
    // Attack A12: an empty file, and one that is wrong, change nothing.
    for wrong in ["", "[[rule]]\nallow = [\"publish\"]\ntopics = [\"a/{vin}\"]"] {
        reload(wrong, "files of [auth] not loaded");
        assert_eq!(reason(&mut vehicle, "vehicles/V1/unmapped", 4), 0x10);
        assert_eq!(reason(&mut vehicle, "vehicles/V2/unmapped", 5), 0x87);
    }
    assert!(appliance.log().contains("rules.toml:3: topics: `{vin}` is no placeholder"));
    reload(&OWN.replace("{vehicle}", "V2"), "files of [auth] loaded anew");
    assert_eq!(reason(&mut vehicle, "vehicles/V1/unmapped", 6), 0x87);
    assert_eq!(reason(&mut vehicle, "vehicles/V2/unmapped", 7), 0x10);
}

#[test]
fn check_says_what_is_wrong_with_rules_and_which_one_decides() {
    let setup = Setup::new().set("store.kind", "embedded");
    let file = setup.home().join("rules.toml");
    let setup = setup.set("auth.rules", "rules.toml");
    let check = |arguments: &[&str]| {
        let output = setup.command(arguments).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let rules = |user, action, topic| {
        let (code, out, _) = check(&["check", "--rules", user, action, topic]);
        (code, out.trim_end().to_owned())
    };
    fs::write(&file, "[[rule]]\nallow = [\"publish\"]\ntopics = [\"a/#/b\"]\n").unwrap();
    let (code, _, told) = check(&["check"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("rules.toml:3: topics: `#` may only be"), "{told}");
    let (code, _, told) = check(&["serve"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("rules.toml:3: topics: `#` may only be"), "{told}");
    fs::write(&file, OWN).unwrap();
    let allowed = (Some(0), "allowed: rules.toml:2".to_owned());
    assert_eq!(rules("V1", "publish", "vehicles/V1/x"), allowed);
    assert_eq!(rules("-", "publish", "vehicles/-/x"), allowed);
    let refused = (Some(1), "refused: rules.toml: no rule covers it".to_owned());
    assert_eq!(rules("V1", "subscribe", "#"), refused);
    let (code, out, _) = check(&["check", "--json", "--rules", "V1", "publish", "vehicles/V1/x"]);
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &answer["allowed"]), (Some(0), &true.into()));
    assert_eq!(answer["decided-by"], "rules.toml:2");
    let (code, _, told) = check(&["check", "--rules", "V1", "write", "x"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("neither publish nor subscribe"), "{told}");
}
