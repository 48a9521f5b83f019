//! Authentication by passwords and certificates, and the resulting identity.

use std::{
    fs,
    io::{Read, Write},
    process::{Output, Stdio},
};

use crate::harness::{Authority, PATIENCE, Setup, Vehicle, Version, connect_as, secure, until};

/// Runs `user …` with a password on standard input.
fn user(setup: &Setup, arguments: &[&str], password: &str) -> Output {
    let mut command = setup.command(&[&["user"], arguments].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may end before it has read the input.
    drop(child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()));
    child.wait_with_output().unwrap()
}

/// Adds a user with the product's own command.
#[track_caller]
pub(super) fn add(setup: &Setup, name: &str, password: &str) {
    let output = user(setup, &["add", name, "--file", "users"], password);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// `f11-rules-that-change`: a removed user loses its connection at the reload.
#[test]
fn a_password_names_the_vehicle_until_its_user_is_removed() {
    let setup = Setup::new();
    add(&setup, "V1", "secret");
    add(&setup, "V2", "other");
    let appliance = setup.set("auth.users", "users").start();
    let enter = |version, id: &str, username, password| {
        Vehicle::enter(appliance.mqtt(), version, id, username, password)
    };
    let (mut first, told) = enter(Version::V5, "c", Some("V1"), Some("secret"));
    assert_eq!(told, 0);
    for (username, password, v5, v3) in [
        (Some("V1"), Some("Secret"), 0x86, 4),
        (Some("nobody"), Some("secret"), 0x86, 4),
        (Some("V1"), None, 0x86, 4),
        (None, None, 0x87, 5),
    ] {
        assert_eq!(enter(Version::V5, "x", username, password).1, v5);
        assert_eq!(enter(Version::V3, "x", username, password).1, v3);
    }
    // Attack A10: an equal client identifier of another identity takes nothing over.
    let (mut second, told) = enter(Version::V5, "c", Some("V2"), Some("other"));
    assert_eq!(told, 0);
    first.publish("vehicles/V1/x", b"{}", 1, 1);
    assert_eq!(first.expect().reason(), 0x10);
    second.publish("vehicles/V1/x", b"{}", 1, 1);
    assert_eq!(second.expect().reason(), 0x87);
    // The same identity does, without another password verification.
    let (mut third, told) = enter(Version::V5, "c", Some("V2"), Some("other"));
    assert_eq!(told, 0);
    assert!(second.expect_close().iter().any(|told| told.reason() == 0x8e));
    let passwords = |reason: &str| {
        let name = format!("fleetline_auth_verified_passwords_total{{reason=\"{reason}\"}}");
        appliance.get("/metrics").1.lines().any(|line| line == format!("{name} 1"))
    };
    assert!(passwords("remembered"));
    let log = appliance.log();
    assert!(!log.contains("secret") && !log.contains("Secret"), "{log}");

    // The command makes the appliance reload its files.
    appliance.cli_ok(&["user", "remove", "V1", "--file", "users"]);
    assert_eq!(appliance.cli_ok(&["user", "list", "--file", "users"]), "V2\n");
    assert!(first.expect_close().iter().any(|told| told.reason() == 0x87));
    third.ping();
    assert_eq!(enter(Version::V5, "c", Some("V1"), Some("secret")).1, 0x86);

    // Attack A12: an empty file changes nothing.
    fs::write(appliance.setup().home().join("users"), "").unwrap();
    appliance.signal("HUP");
    until("it is told", PATIENCE, || appliance.log().contains("no user in it"));
    third.ping();
    assert_eq!(enter(Version::V5, "d", Some("V2"), Some("other")).1, 0);
}

/// `auth.anonymous` accepts clients without credentials, and refuses wrong credentials; without an
/// identity source every client on loopback is anonymous, with any credentials.
#[test]
fn clients_without_credentials_are_anonymous_if_that_is_configured() {
    let setup = Setup::new();
    add(&setup, "V1", "secret");
    let appliance = setup.set("auth.users", "users").set("auth.anonymous", "true").start();
    for (username, password, told) in [
        (None, None, 0),
        (Some("V1"), Some("secret"), 0),
        (Some("V1"), Some("wrong"), 4),
        (Some("V1"), None, 4),
    ] {
        let (_, reason) = Vehicle::enter(appliance.mqtt(), Version::V3, "c", username, password);
        assert_eq!(reason, told, "{username:?} {password:?}");
    }
    let open = Setup::new().start();
    let (_, reason) = Vehicle::enter(open.mqtt(), Version::V3, "c", Some("V1"), Some("x"));
    assert_eq!(reason, 0);
}

/// If the client identifier names the vehicle, it must be the verified name.
#[test]
fn a_client_identifier_names_the_vehicle_only_if_it_is_the_verified_name() {
    let setup = Setup::new();
    add(&setup, "V1", "secret");
    let appliance = setup.set("auth.users", "users").set("auth.vehicle", "client-id").start();
    let enter = |id| Vehicle::enter(appliance.mqtt(), Version::V5, id, Some("V1"), Some("secret"));
    assert_eq!(enter("V2").1, 0x87);
    let (mut vehicle, told) = enter("V1");
    assert_eq!(told, 0);
    vehicle.publish("vehicles/V1/x", b"{}", 1, 1);
    assert_eq!(vehicle.expect().reason(), 0x10);
}

/// The command reports errors, keeps comments and permissions, and prints no hash.
#[test]
fn users_are_added_changed_and_listed() {
    let setup = Setup::new();
    let file = setup.home().join("users");
    fs::write(&file, "# ours\nV0:$6$c2FsdA==$c2FsdA==\n").unwrap();
    add(&setup, "V1", "one");
    let before = fs::read_to_string(&file).unwrap();
    add(&setup, "V1", "two");
    let after = fs::read_to_string(&file).unwrap();
    assert!(before != after && after.lines().count() == 3 && after.starts_with("# ours\nV0:"));
    assert!(after.contains("V1:$argon2id$v=19$m=47104,t=1,p=1$"));
    let list = setup.command(&["user", "list", "--json", "--file", "users"]).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    assert_eq!(list, "{\"name\":\"V0\"}\n{\"name\":\"V1\"}\n");
    for (arguments, password, code, told) in [
        (&["add", "a/b", "--file", "users"][..], "x", 2, "a user name is not empty"),
        (&["add", "V2", "--file", "users"], "", 2, "the password is empty"),
        (&["add", "V2", "--long-secret", "--file", "users"], "short", 2, "a secret is long from"),
        (&["remove", "V9", "--file", "users"], "", 1, "there is no user `V9`"),
        (&["list"], "", 2, "no users file: name it with --file"),
        (
            &["add", "V2", "--password-file", "none", "--file", "users"],
            "",
            1,
            "password file `none`",
        ),
    ] {
        let output = user(&setup, arguments, password);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(told), "{error}");
    }
    let long = "0123456789012345678901234567890";
    assert!(
        user(&setup, &["add", "V3", "--long-secret", "--file", "users"], long).status.success()
    );
    assert!(fs::read_to_string(&file).unwrap().contains("V3:$6$"));
    let check = |text: &str| {
        fs::write(&file, text).unwrap();
        let output = setup.command(&["check", "--set", "auth.users=users"]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, told) = check("V1:clear");
    assert_eq!(code, Some(2));
    assert!(told.contains("users:1: the hash is of no kind") && !told.contains("clear:"), "{told}");
}

/// `f09-identity-from-certificates`.
#[test]
fn a_certificate_names_the_vehicle_or_the_client_is_refused() {
    let authority = Authority::new("Fleet CA");
    let setup = Setup::new().tls(&authority);
    let appliance = setup.client_certificates("optional", &[&authority]).start();
    let long = "V".repeat(64);
    for (name, username, expect) in [
        ("V1", None, 0),
        ("V1", Some("V1"), 0),
        ("V1", Some("V2"), 5),
        ("My Truck 7", None, 0),
        ("Grün", None, 0),
        (long.as_str(), None, 0),
        ("+", None, 5),
        ("#", None, 5),
        ("V1/../V2", None, 5),
        ("V1\0evil", None, 5),
    ] {
        let client = authority.certify(name, 2, (2020, 2090));
        let mut stream = secure(appliance.listener("mqtts"), &authority, Some(&client)).unwrap();
        stream.write_all(&connect_as(Version::V3, "c", username, None)).unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [0x20, 2, 0, expect], "{name:?} {username:?}");
    }
    let mut nobody = secure(appliance.listener("mqtts"), &authority, None).unwrap();
    nobody.write_all(&connect_as(Version::V3, "c", None, None)).unwrap();
    let mut answer = [0; 4];
    nobody.read_exact(&mut answer).unwrap();
    assert_eq!(answer, [0x20, 2, 0, 5]);
}
