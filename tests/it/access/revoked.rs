//! Certificates that are revoked, or whose authority is removed, while their sessions are open.

use std::{
    fs,
    io::{Read, Write},
};

use crate::harness::{
    Authority, Certified, PATIENCE, Secured, Setup, Version, connect_as, secure, until,
};

/// Connects in 5.0; the reason of the CONNACK.
fn enter(stream: &mut Secured, client_id: &str) -> u8 {
    stream.write_all(&connect_as(Version::V5, client_id, None, None)).unwrap();
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    let mut rest = vec![0; head[1].into()];
    stream.read_exact(&mut rest).unwrap();
    rest[1]
}

fn is_alive(stream: &mut Secured) -> bool {
    let mut pong = [0; 2];
    stream.write_all(b"\xc0\x00").is_ok() && stream.read_exact(&mut pong).is_ok() && pong[0] == 0xd0
}

/// `f07-tls-certificates`: a reloaded list ends the sessions of its certificates, of its own
/// authority, and no others.
#[test]
fn sessions_of_a_certificate_end_when_it_is_revoked() {
    let (ours, other) = (Authority::new("Fleet CA"), Authority::new("Other CA"));
    let setup = Setup::new();
    let list = setup.home().join("list.pem");
    fs::write(&list, ours.revoke(&[9], 2090)).unwrap();
    let appliance = setup
        .tls(&ours)
        .client_certificates("required", &[&ours, &other])
        .set("mqtt.tls.client-crl", "[\"list.pem\"]")
        .start();
    let open = |client: &Certified, id: &str| {
        let mut stream = secure(appliance.listener("mqtts"), &ours, Some(client)).unwrap();
        assert_eq!(enter(&mut stream, id), 0);
        stream
    };
    let (revoked, good) =
        (ours.certify("V7", 7, (2020, 2090)), ours.certify("V8", 8, (2020, 2090)));
    // An equal serial number of another authority.
    let foreign = other.certify("V9", 7, (2020, 2090));
    let mut ends = open(&revoked, "a");
    let (mut stays, mut theirs) = (open(&good, "b"), open(&foreign, "c"));
    fs::write(&list, ours.revoke(&[7, 9], 2090)).unwrap();
    appliance.signal("HUP");
    let mut last = Vec::new();
    // A reset also counts as closed.
    drop(ends.read_to_end(&mut last));
    assert!(last.starts_with(&[0xe0]) && last.contains(&0x87), "{last:02x?}");
    assert!(is_alive(&mut stays) && is_alive(&mut theirs));
    let again = secure(appliance.listener("mqtts"), &ours, Some(&revoked));
    assert!(again.map_or(true, |mut stream| !is_alive(&mut stream)), "it does not come back");

    // A list that cannot be read changes nothing.
    fs::write(&list, "nothing").unwrap();
    appliance.signal("HUP");
    until("it is told", PATIENCE, || appliance.log().contains("the old ones stay"));
    assert!(is_alive(&mut stays) && is_alive(&mut theirs));
}

/// An authority that is not trusted any more ends its sessions, and no others.
#[test]
fn sessions_end_with_the_authority_of_their_certificate() {
    let (ours, other) = (Authority::new("Fleet CA"), Authority::new("Other CA"));
    let setup = Setup::new();
    let authorities = setup.home().join("ca.pem");
    let appliance = setup.tls(&ours).client_certificates("required", &[&ours, &other]).start();
    let open = |client: &Certified, id: &str| {
        let mut stream = secure(appliance.listener("mqtts"), &ours, Some(client)).unwrap();
        assert_eq!(enter(&mut stream, id), 0);
        stream
    };
    let mut stays = open(&ours.certify("V1", 2, (2020, 2090)), "a");
    let mut ends = open(&other.certify("V2", 2, (2020, 2090)), "b");
    appliance.signal("HUP");
    until("a reload", PATIENCE, || appliance.log().contains("certificates loaded anew"));
    assert!(is_alive(&mut stays) && is_alive(&mut ends), "nothing has changed");
    fs::write(&authorities, ours.pem()).unwrap();
    appliance.signal("HUP");
    let mut last = Vec::new();
    // A reset also counts as closed.
    drop(ends.read_to_end(&mut last));
    assert!(last.starts_with(&[0xe0]) && last.contains(&0x87), "{last:02x?}");
    assert!(is_alive(&mut stays));
}
