//! Who may do what on which topic: a table for two rules files, checked with `check --rules` and
//! with the running appliance, and again after a reload.

use std::fs;

use super::identity::add;
use crate::harness::{PATIENCE, Packet, Setup, Vehicle, Version, packet, text, until};

const FIRST: &str = r##"
[[rule]]
deny = ["publish", "subscribe"]
topics = ["+/+/secret/#"]
[[rule]]
who = ["ops-*"]
allow = ["subscribe"]
topics = ["#"]
[[rule]]
who = ["V2"]
allow = ["publish"]
topics = ["shared/{username}"]
[[rule]]
allow = ["publish", "subscribe"]
topics = ["vehicles/{vehicle}/#", "clients/{client-id}/+"]
"##;

const SECOND: &str = r#"
[[rule]]
who = ["ops-a"]
allow = ["publish", "subscribe"]
topics = ["vehicles/+/down", "$SYS/broker/uptime"]
[[rule]]
allow = ["publish"]
topics = ["vehicles/{vehicle}/up"]
"#;

/// User, action, topic or filter, and whether it is allowed by the first file and by the second.
/// Every client identifier is `c`.
const TABLE: &[(&str, &str, &str, bool, bool)] = &[
    ("V1", "publish", "vehicles/V1/up", true, true),
    ("V1", "publish", "vehicles/V1/a/b", true, false),
    ("V1", "publish", "vehicles/V1", true, false),
    ("V1", "publish", "vehicles/V2/up", false, false),
    ("V1", "publish", "vehicles/V1/secret/x", false, false),
    ("V1", "publish", "vehicles/V1/up/secret", true, false),
    ("V1", "publish", "clients/c/x", true, false),
    ("V1", "publish", "clients/c/x/y", false, false),
    ("V1", "publish", "clients/V1/x", false, false),
    ("V1", "publish", "shared/V1", false, false),
    ("V2", "publish", "shared/V2", true, false),
    ("V2", "publish", "shared/V1", false, false),
    ("V2", "publish", "vehicles/V2/up", true, true),
    ("ops-a", "publish", "vehicles/V1/down", false, true),
    ("ops-a", "publish", "vehicles/ops-a/up", true, true),
    ("ops-a", "publish", "$SYS/broker/uptime", false, false),
    ("V1", "subscribe", "vehicles/V1/#", true, false),
    ("V1", "subscribe", "vehicles/V1/+/x", true, false),
    ("V1", "subscribe", "vehicles/+/up", false, false),
    ("V1", "subscribe", "#", false, false),
    ("V1", "subscribe", "clients/c/+", true, false),
    ("V1", "subscribe", "clients/c/#", false, false),
    ("V1", "subscribe", "$SYS/#", false, false),
    ("ops-a", "subscribe", "#", true, false),
    ("ops-a", "subscribe", "vehicles/+/down", true, true),
    ("ops-a", "subscribe", "vehicles/V1/down", true, true),
    ("ops-a", "subscribe", "vehicles/+/+", true, false),
    ("ops-a", "subscribe", "vehicles/+/secret/x", false, false),
    ("ops-a", "subscribe", "$SYS/broker/uptime", false, true),
    ("ops-a", "subscribe", "$SYS/#", false, false),
];

/// The next packet of one kind, skipping deliveries.
#[track_caller]
fn answer(vehicle: &mut Vehicle, first: u8) -> Packet {
    loop {
        match vehicle.expect() {
            packet @ Packet::Whole(kind, _) if kind == first => return packet,
            Packet::Whole(kind, _) if kind >> 4 == 3 => {}
            other => panic!("not {first:02x}: {other:02x?}"),
        }
    }
}

fn may(vehicle: &mut Vehicle, action: &str, topic: &str) -> bool {
    if action == "publish" {
        vehicle.publish(topic, b"{}", 1, 7);
        return answer(vehicle, 0x40).reason() != 0x87;
    }
    vehicle.send(&packet(0x82, &[&[0, 1, 0][..], &text(topic), &[1]].concat()));
    let Packet::Whole(_, body) = answer(vehicle, 0x90) else { panic!("no SUBACK") };
    // A granted subscription is ended, so that the next one is independent.
    vehicle.send(&packet(0xa2, &[&[0, 2, 0][..], &text(topic)].concat()));
    answer(vehicle, 0xb0);
    *body.last().unwrap() < 0x80
}

#[test]
fn the_access_table_holds_for_both_files_and_after_a_reload() {
    let setup = Setup::new();
    for name in ["V1", "V2", "ops-a"] {
        add(&setup, name, "secret");
    }
    let file = setup.home().join("rules.toml");
    fs::write(&file, FIRST).unwrap();
    let appliance = setup.set("auth.users", "users").set("auth.rules", "rules.toml").start();
    let mut vehicles: Vec<(&str, Vehicle)> = ["V1", "V2", "ops-a"]
        .into_iter()
        .map(|name| {
            let (address, version) = (appliance.mqtt(), Version::V5);
            let entered = Vehicle::enter(address, version, "c", Some(name), Some("secret"));
            assert_eq!(entered.1, 0);
            (name, entered.0)
        })
        .collect();
    for is_second in [false, true] {
        if is_second {
            fs::write(&file, SECOND).unwrap();
            appliance.signal("HUP");
            let told = "files of [auth] loaded anew";
            until(told, PATIENCE, || appliance.log().contains(told));
        }
        let mut wrong = Vec::new();
        for (user, action, topic, first, second) in TABLE {
            let expect = if is_second { *second } else { *first };
            let vehicle = &mut vehicles.iter_mut().find(|(name, _)| name == user).unwrap().1;
            if may(vehicle, action, topic) != expect {
                wrong.push(format!("live: {user} {action} {topic}: not {expect}"));
            }
            // It has no client identifier.
            if !topic.starts_with("clients/") {
                let asked = appliance.cli(&["check", "--rules", user, action, topic]);
                if asked.status.success() != expect {
                    wrong.push(format!("check: {user} {action} {topic}: not {expect}"));
                }
            }
        }
        assert!(wrong.is_empty(), "second file: {is_second}\n{}", wrong.join("\n"));
    }
}

/// Attack A11: subscriptions and retained messages that old rules allowed are not delivered under
/// new rules.
#[test]
fn nothing_leaks_to_clients_that_old_rules_allowed() {
    let setup = Setup::new();
    for name in ["V1", "ops-a"] {
        add(&setup, name, "secret");
    }
    let file = setup.home().join("rules.toml");
    fs::write(&file, FIRST).unwrap();
    let appliance = setup.set("auth.users", "users").set("auth.rules", "rules.toml").start();
    let enter = |name| {
        let entered =
            Vehicle::enter(appliance.mqtt(), Version::V5, "c", Some(name), Some("secret"));
        assert_eq!(entered.1, 0);
        entered.0
    };
    let (mut vehicle, mut ops) = (enter("V1"), enter("ops-a"));
    ops.send(&packet(0x82, &[&[0, 1, 0][..], &text("vehicles/#"), &[1]].concat()));
    answer(&mut ops, 0x90);
    let retained = packet(0x33, &[&text("vehicles/V1/up")[..], &[0, 1, 0], b"kept"].concat());
    vehicle.send(&retained);
    answer(&mut vehicle, 0x40);
    let came = ops.expect();
    assert!(matches!(&came, Packet::Whole(first, _) if first >> 4 == 3), "{came:02x?}");
    fs::write(&file, SECOND).unwrap();
    appliance.signal("HUP");
    until("the subscription has ended", PATIENCE, || {
        appliance.log().contains("subscriptions ended by the access rules")
    });
    vehicle.publish("vehicles/V1/up", b"later", 1, 2);
    answer(&mut vehicle, 0x40);
    assert!(!may(&mut ops, "subscribe", "vehicles/V1/up"), "its retained message is not for ops");
    ops.send(b"\xc0\x00");
    assert_eq!(ops.expect(), Packet::Whole(0xd0, Vec::new()), "nothing came meanwhile");
}
