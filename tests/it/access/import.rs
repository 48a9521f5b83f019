//! Users and rules of other brokers: imported, and then applied.

use std::{fs, process::Command};

use crate::harness::{Setup, Vehicle, Version};

const ACL: &str = "\
user ops
topic read #
user V1
topic deny vehicles/V1/secret
pattern readwrite vehicles/%u/#
";

#[test]
fn files_of_mosquitto_are_imported_and_applied() {
    let setup = Setup::new();
    let folder = setup.home().join("mosquitto");
    fs::create_dir(&folder).unwrap();
    let conf = "listener 1883 127.0.0.1\nallow_anonymous false\npassword_file passwd\nacl_file acl\n\
                max_queued_messages 10\n";
    fs::write(folder.join("mosquitto.conf"), conf).unwrap();
    fs::write(folder.join("acl"), ACL).unwrap();
    let passwords = folder.join("passwd");
    // By mosquitto itself, if it is installed.
    let made = {
        let mut command = Command::new("mosquitto_passwd");
        command.arg("-c").arg("-b").arg(&passwords).args(["V1", "secret"]);
        command.status().is_ok_and(|status| status.success())
    };
    if !made {
        let file = ["--file", passwords.to_str().unwrap()];
        let add = ["user", "add", "V1", "--password-file", "p"];
        fs::write(setup.home().join("p"), "secret\n").unwrap();
        assert!(setup.command(&[&add[..], &file].concat()).status().unwrap().success());
    }
    let import = || setup.command(&["import", "mosquitto", "mosquitto"]).output().unwrap();
    let output = import();
    let (out, error) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{error}");
    assert!(error.contains("mosquitto.conf:5: not carried over: `max_queued_messages`"), "{error}");
    assert!(out.contains("mqtt.listen = [\"mqtt://127.0.0.1:1883\"]"), "{out}");
    let again = import();
    assert_eq!(again.status.code(), Some(1), "what is there is not replaced");
    let appliance = setup.set("auth.users", "users").set("auth.rules", "rules.toml").start();
    let (mut vehicle, told) =
        Vehicle::enter(appliance.mqtt(), Version::V5, "c", Some("V1"), Some("secret"));
    assert_eq!(told, 0);
    for (topic, reason) in
        [("vehicles/V1/x", 0x10), ("vehicles/V1/secret", 0x87), ("vehicles/V2/x", 0x87)]
    {
        vehicle.publish(topic, b"{}", 1, 1);
        assert_eq!(vehicle.expect().reason(), reason, "{topic}");
    }
}

#[test]
fn rules_of_emqx_are_imported_and_unsupported_ones_reported() {
    let setup = Setup::new();
    let text = "{deny, {user, \"bad\"}, all, [\"#\"]}.\n{allow, all, all, [\"cars/${username}/#\"]}.\n\
                {deny, all, subscribe, [{eq, \"#\"}]}.\n{allow, all}.\n";
    fs::write(setup.home().join("acl.conf"), text).unwrap();
    let output = setup.command(&["import", "emqx-acl", "acl.conf"]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "a deny is lost: {error}");
    assert!(error.contains("acl.conf:3: not carried over: a deny is lost: "), "{error}");
    let setup = setup.set("auth.rules", "rules.toml");
    let may = |user: &str, topic: &str| {
        let words = ["check", "--rules", user, "publish", topic];
        setup.command(&words).output().unwrap().status.code()
    };
    assert_eq!((may("V1", "cars/V1/x"), may("V1", "else")), (Some(0), Some(0)));
    assert_eq!(may("bad", "cars/bad/x"), Some(1));
}
