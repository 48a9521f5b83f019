//! Names in certificates, verified by Fleetline or by a load balancer.

use std::{
    fs,
    io::{Read, Write},
    process::{Command, Stdio},
};

use rcgen::{
    CertificateParams, DnType, DnValue, SanType,
    string::{BmpString, TeletexString},
};

use crate::harness::{
    Appliance, Authority, Certified, PATIENCE, Packet, Setup, Vehicle, Version, connect_as, secure,
    until,
};

/// An appliance where certificates name the client.
fn start(authority: &Authority, settings: &[(&str, &str)]) -> Appliance {
    let mut setup = Setup::new().tls(authority).client_certificates("optional", &[authority]);
    for (key, value) in settings {
        setup = setup.set(key, value);
    }
    setup.start()
}

/// The 3.1.1 return code for a client with this certificate.
fn enter(appliance: &Appliance, authority: &Authority, client: &Certified) -> u8 {
    let mut stream = secure(appliance.listener("mqtts"), authority, Some(client)).unwrap();
    stream.write_all(&connect_as(Version::V3, "c", None, None)).unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).unwrap();
    answer[3]
}

/// `f09-identity-from-certificates`: encodings, lengths, no name, and several names.
#[test]
fn a_name_must_be_unambiguous_text_and_occur_once() {
    let authority = Authority::new("Fleet CA");
    let appliance = start(&authority, &[("uplink.tag-bytes-max", "256B")]);
    let named = |value: DnValue| {
        let mut params = CertificateParams::new(vec!["V1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, value);
        authority.sign(&params)
    };
    let none = {
        let mut params = CertificateParams::new(vec!["V1".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Fleet");
        authority.sign(&params)
    };
    for (client, expect, what) in [
        (named(DnValue::Utf8String("Grün".to_owned())), 0, "UTF8String"),
        (named(DnValue::BmpString(BmpString::try_from("Grün").unwrap())), 5, "BMPString"),
        (named(DnValue::TeletexString(TeletexString::try_from("V1").unwrap())), 5, "T61String"),
        (named(DnValue::Utf8String("V".repeat(64))), 0, "64 characters"),
        (named(DnValue::Utf8String("V".repeat(300))), 5, "300 characters"),
        (none, 5, "no name at all, which the alternative one does not stand in for"),
    ] {
        assert_eq!(enter(&appliance, &authority, &client), expect, "{what}");
    }
    let log = appliance.log();
    assert!(
        log.contains("a client is refused") && log.contains("name in the certificate"),
        "{log}"
    );
}

#[test]
fn alternative_names_are_used_if_configured() {
    let authority = Authority::new("Fleet CA");
    let with = |names: &[SanType]| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "V9");
        params.subject_alt_names = names.to_vec();
        authority.sign(&params)
    };
    let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
    let uri = |name: &str| SanType::URI(name.try_into().unwrap());
    let appliance = start(&authority, &[("auth.certificate.vehicle", "san-dns")]);
    assert_eq!(enter(&appliance, &authority, &with(&[dns("v1.example"), uri("urn:x")])), 0);
    assert_eq!(enter(&appliance, &authority, &with(&[dns("v1"), dns("v2")])), 5, "two");
    assert_eq!(enter(&appliance, &authority, &with(&[uri("urn:x")])), 5, "none");
    let appliance = start(&authority, &[("auth.certificate.vehicle", "san-uri")]);
    assert_eq!(enter(&appliance, &authority, &with(&[dns("v1"), uri("urn:vin:V1")])), 0);
    assert_eq!(enter(&appliance, &authority, &with(&[uri("spiffe://fleet/V1")])), 5, "slashes");
}

/// `f09-identity-from-certificates`: two common names give no identity. `f07-tls-certificates`: a
/// client certificate of version 1 is reported with its subject.
#[test]
fn two_common_names_and_version_1_give_no_identity() {
    if Command::new("openssl").arg("version").output().is_err() {
        return crate::harness::skip(
            "two_common_names_and_version_1_give_no_identity",
            "no openssl",
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        let output =
            command.args(arguments.split(' ')).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 3650 -subj /CN=Openssl"));
    for (name, subject) in [("two", "/CN=V1/CN=V2"), ("old", "/CN=V1")] {
        openssl(&format!("req -new {key} -keyout {name}.key -out {name}.csr -subj {subject}"));
        let sign = format!("x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial");
        match name {
            "two" => {
                fs::write(folder.path().join("v3"), "subjectAltName=DNS:v1\n").unwrap();
                openssl(&format!("{sign} -out {name}.pem -days 3650 -extfile v3"));
            }
            _ => openssl(&format!("{sign} -out {name}.pem -days 3650")),
        }
    }
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let certified = |name: &str| Certified {
        certificate: read(&format!("{name}.pem")),
        key: read(&format!("{name}.key")),
    };
    let authority = Authority::new("Fleet CA");
    let appliance = start(
        &authority,
        &[("mqtt.tls.client-ca", folder.path().join("ca.pem").to_str().unwrap())],
    );
    assert_eq!(enter(&appliance, &authority, &certified("two")), 5);
    let openssl = |arguments: &[&str]| {
        let mut command = Command::new("openssl");
        command.args(arguments).current_dir(folder.path()).stdin(Stdio::null());
        String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
    };
    // Newer versions of OpenSSL always write version 3.
    if openssl(&["x509", "-noout", "-text", "-in", "old.pem"]).contains("Version: 1") {
        let address = appliance.listener("mqtts").to_string();
        openssl(&["s_client", "-connect", &address, "-cert", "old.pem", "-key", "old.key"]);
        until("it is told with its subject", PATIENCE, || {
            let log = appliance.log();
            log.lines().any(|line| line.contains("X.509 version 1") && line.contains("CN=V1"))
        });
    }
}

/// The name in a PROXY header counts only with its client flag, a successful verification, and from
/// a configured balancer.
#[test]
fn a_balancer_that_terminates_tls_sends_the_name_of_the_certificate() {
    let authority = Authority::new("Fleet CA");
    let appliance = start(&authority, &[("mqtt.proxy-protocol.from", r#"["127.0.0.0/8"]"#)]);
    let header = |client: u8, verify: u32, name: &str| {
        let mut ssl = vec![client];
        ssl.extend(verify.to_be_bytes());
        ssl.push(0x22);
        ssl.extend(u16::try_from(name.len()).unwrap().to_be_bytes());
        ssl.extend(name.as_bytes());
        let mut body = vec![192, 0, 2, 7, 127, 0, 0, 1, 0x12, 0x67, 7, 0x5b, 0x20];
        body.extend(u16::try_from(ssl.len()).unwrap().to_be_bytes());
        body.extend(ssl);
        let mut bytes = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11".to_vec();
        bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        bytes.extend(body);
        bytes
    };
    let enter = |header: &[u8], username| {
        let mut vehicle = Vehicle::dial(appliance.mqtt(), Version::V5).unwrap();
        vehicle.send(header);
        match vehicle.greet(&connect_as(Version::V5, "c", username, None)) {
            Packet::Whole(0x20, body) => (vehicle, body[1]),
            other => panic!("no CONNACK: {other:02x?}"),
        }
    };
    let (mut vehicle, told) = enter(&header(0x07, 0, "V7"), None);
    assert_eq!(told, 0);
    for (topic, reason) in [("vehicles/V7/x", 0x10), ("vehicles/c/x", 0x87)] {
        vehicle.publish(topic, b"{}", 1, 1);
        assert_eq!(vehicle.expect().reason(), reason, "{topic}");
    }
    assert_eq!(enter(&header(0x07, 0, "V7"), Some("V8")).1, 0x87, "another user name");
    assert_eq!(enter(&header(0x07, 1, "V7"), None).1, 0x87, "not verified");
    assert_eq!(enter(&header(0x01, 0, "V7"), None).1, 0x87, "no certificate was brought");
    assert_eq!(enter(&header(0x07, 0, "+"), None).1, 0x87, "no level of a topic");
}
