//! MQTT over TCP, TLS and WebSocket, behind a load balancer, and with changing certificates.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
};

use crate::harness::{
    Appliance, Authority, Certified, PATIENCE, Secured, Setup, Version, connect_packet, secure,
    skip, until,
};

const YEARS: (i32, i32) = (2020, 2090);

/// An appliance with a listener of each kind, and more settings.
fn start(authority: &Authority, settings: &[(&str, &str)]) -> Appliance {
    let mut setup = Setup::new();
    let server = authority.certify("server", 1, YEARS);
    let (certificate, key) = server.write(setup.home(), "server");
    setup = setup
        .set(
            "mqtt.listen",
            r#"["127.0.0.1:0", "mqtts://127.0.0.1:0", "ws://127.0.0.1:0", "wss://127.0.0.1:0"]"#,
        )
        .set("mqtt.tls.certificate", certificate.to_str().unwrap())
        .set("mqtt.tls.key", key.to_str().unwrap());
    for (key, value) in settings {
        setup = setup.set(key, value);
    }
    setup.start()
}

pub(super) fn dial(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Whether a CONNECT on the stream is accepted; an error means that the connection was closed.
fn is_greeted(stream: &mut (impl Read + Write)) -> bool {
    is_greeted_as(stream, "V1")
}

fn is_greeted_as(stream: &mut (impl Read + Write), client_id: &str) -> bool {
    let packet = connect_packet(Version::V3, client_id, 60, &[]);
    let mut answer = [0; 4];
    let answered = stream.write_all(&packet).and_then(|()| stream.read_exact(&mut answer));
    answered.is_ok() && answer == [0x20, 2, 0, 0]
}

pub(super) fn handshake(path: &str, headers: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: fleet\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
}

pub(super) const MQTT: &str = "Sec-WebSocket-Protocol: mqtt\r\n";

/// The head of the answer to an upgrade.
pub(super) fn upgrade(stream: &mut (impl Read + Write), request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).unwrap();
    let mut bytes = vec![first, 0x80 | len, 1, 2, 3, 4];
    bytes.extend(payload.iter().zip([1, 2, 3, 4].iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

/// The next frame of the server.
pub(super) fn next(stream: &mut impl Read) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    let mut payload = vec![0; head[1].into()];
    stream.read_exact(&mut payload).unwrap();
    (head[0], payload)
}

/// `f13-websocket`: a CONNECT over three frames, a ping between, two packets in one frame, text.
fn check_web(stream: &mut (impl Read + Write)) {
    let answer = upgrade(stream, &handshake("/mqtt?token=x", MQTT));
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    let packet = connect_packet(Version::V3, "V1", 60, &[]);
    let (first, rest) = packet.split_at(3);
    let (second, third) = rest.split_at(4);
    stream.write_all(&frame(0x02, first)).unwrap();
    stream.write_all(&frame(0x89, b"hello")).unwrap();
    assert_eq!(next(stream), (0x8a, b"hello".to_vec()));
    stream.write_all(&frame(0x00, second)).unwrap();
    stream.write_all(&frame(0x80, third)).unwrap();
    assert_eq!(next(stream), (0x82, vec![0x20, 2, 0, 0]));
    stream.write_all(&frame(0x82, b"\xc0\x00\xc0\x00")).unwrap();
    let mut answers = Vec::new();
    while answers.len() < 4 {
        answers.extend(next(stream).1);
    }
    assert_eq!(answers, b"\xd0\x00\xd0\x00");
    stream.write_all(&frame(0x81, b"text")).unwrap();
    assert_eq!(next(stream), (0x88, 1003_u16.to_be_bytes().to_vec()));
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "it is closed");
}

#[test]
fn mqtt_works_over_every_transport() {
    let authority = Authority::new("Fleet CA");
    let appliance = start(&authority, &[]);
    assert!(is_greeted(&mut dial(appliance.mqtt())));
    assert!(is_greeted(&mut secure(appliance.listener("mqtts"), &authority, None).unwrap()));
    check_web(&mut dial(appliance.listener("ws")));
    check_web(&mut secure(appliance.listener("wss"), &authority, None).unwrap());
    let left = appliance.metric("fleetline_auth_certificate_left_seconds");
    until("the certificate's age is told", PATIENCE, || {
        left.or_else(|| appliance.metric("fleetline_auth_certificate_left_seconds")).is_some()
    });
}

/// `f13-websocket`: the table of upgrades that are refused.
#[test]
fn a_refused_upgrade_has_the_reason() {
    let appliance = start(&Authority::new("Fleet CA"), &[]);
    for (path, headers, status) in [
        ("/mqtt", "", "400"),
        ("/mqtt", "Sec-WebSocket-Protocol: mqttv5\r\n", "400"),
        ("/elsewhere", MQTT, "404"),
        ("/mqtt", "Sec-WebSocket-Protocol: mqtt\r\nOrigin: https://evil.example\r\n", "403"),
    ] {
        let answer = upgrade(&mut dial(appliance.listener("ws")), &handshake(path, headers));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path} {headers}: {answer}");
    }
}

/// Client certificates: none, of another authority, expired, not yet valid, revoked; and a second
/// authority without a revocation list.
#[test]
fn client_certificates_are_checked_and_lists_apply_to_their_own_authority() {
    let (ours, other, foreign) =
        (Authority::new("Fleet CA"), Authority::new("Other CA"), Authority::new("Foreign CA"));
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(file("ca.pem"), format!("{}{}", ours.pem(), other.pem())).unwrap();
    fs::write(file("list.pem"), ours.revoke(&[7], 2090)).unwrap();
    let appliance = start(
        &ours,
        &[
            ("mqtt.tls.client-certificate", "required"),
            ("mqtt.tls.client-ca", &file("ca.pem")),
            ("mqtt.tls.client-crl", &format!("[{:?}]", file("list.pem"))),
        ],
    );
    let enters = |client: Option<&Certified>| {
        let address = appliance.listener("mqtts");
        secure(address, &ours, client).is_ok_and(|mut secured: Secured| is_greeted(&mut secured))
    };
    let good = ours.certify("V1", 5, YEARS);
    assert!(enters(Some(&good)));
    assert!(enters(Some(&other.certify("V1", 7, YEARS))), "it has no list");
    assert!(!enters(None));
    assert!(!enters(Some(&foreign.certify("V1", 5, YEARS))));
    assert!(!enters(Some(&ours.certify("V1", 5, (2020, 2021)))), "expired");
    assert!(!enters(Some(&ours.certify("V1", 5, (2080, 2090)))), "not yet in force");
    assert!(!enters(Some(&ours.certify("V7", 7, YEARS))), "revoked");
    assert!(appliance.log().contains("V7"), "the log says whose it was");

    fs::write(file("list.pem"), ours.revoke(&[], 2021)).unwrap();
    appliance.signal("HUP");
    until("the list is read", PATIENCE, || appliance.log().contains("certificates loaded anew"));
    assert!(!enters(Some(&good)), "nobody knows who was revoked since the list expired");
    assert!(enters(Some(&other.certify("V1", 7, YEARS))));
    assert!(appliance.log().contains("has expired at"));
}

/// Open connections stay, new ones get the new certificate; a wrong one changes nothing.
#[test]
fn certificates_change_without_losing_a_connection() {
    let (old, new) = (Authority::new("Old CA"), Authority::new("New CA"));
    let appliance = start(&old, &[]);
    let address = appliance.listener("mqtts");
    let mut stays = secure(address, &old, None).unwrap();
    assert!(is_greeted_as(&mut stays, "stays"));
    let dir = appliance.setup().home().to_owned();
    let server = new.certify("server", 1, YEARS);
    fs::write(dir.join("server.pem"), &server.certificate).unwrap();
    appliance.signal("HUP");
    until("it is told", PATIENCE, || appliance.log().contains("is not the certificate of the key"));
    assert!(is_greeted(&mut secure(address, &old, None).unwrap()));
    fs::write(dir.join("server.key"), &server.key).unwrap();
    appliance.signal("HUP");
    until("it is read", PATIENCE, || appliance.log().contains("certificates loaded anew"));
    assert!(is_greeted(&mut secure(address, &new, None).unwrap()));
    assert!(secure(address, &old, None).is_err());
    stays.write_all(b"\xc0\x00").unwrap();
    let mut pong = [0; 2];
    stays.read_exact(&mut pong).unwrap();
    assert_eq!(pong, *b"\xd0\x00");
}

/// Attack C10: a header is accepted only from configured addresses, and required there.
#[test]
fn a_proxy_header_is_taken_from_named_addresses_only() {
    let authority = Authority::new("Fleet CA");
    let behind = start(&authority, &[("mqtt.proxy-protocol.from", r#"["127.0.0.0/8"]"#)]);
    let v1 = b"PROXY TCP4 192.0.2.7 127.0.0.1 4711 1883\r\n";
    let v2 =
        b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\x7f\x00\x00\x01\x12\x67\x07\x5b";
    for header in [&v1[..], v2] {
        let mut stream = dial(behind.mqtt());
        stream.write_all(header).unwrap();
        assert!(is_greeted(&mut stream));
    }
    let mut stream = dial(behind.listener("ws"));
    stream.write_all(v2).unwrap();
    check_web(&mut stream);
    assert!(!is_greeted(&mut dial(behind.mqtt())), "a header is due");

    let alone = start(&authority, &[("mqtt.proxy-protocol.from", r#"["192.0.2.0/24"]"#)]);
    let mut stream = dial(alone.mqtt());
    stream.write_all(v1).unwrap();
    assert!(!is_greeted(&mut stream), "nobody else may send one");
    assert!(is_greeted(&mut dial(alone.mqtt())));
}

#[test]
fn old_versions_of_tls_are_refused() {
    if Command::new("openssl").arg("version").output().is_err() {
        return skip("old_versions_of_tls_are_refused", "there is no openssl");
    }
    let appliance = start(&Authority::new("Fleet CA"), &[]);
    let address = appliance.listener("mqtts").to_string();
    let speaks = |arguments: &[&str]| {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-connect", &address, "-brief"]).args(arguments);
        command.stdin(Stdio::null()).output().unwrap().status.success()
    };
    assert!(speaks(&["-tls1_3"]) && speaks(&["-tls1_2"]));
    let weak = ["-cipher", "ALL:@SECLEVEL=0"];
    assert!(!speaks(&[&["-tls1_1"], &weak[..]].concat()));
    assert!(!speaks(&[&["-tls1"], &weak[..]].concat()));
    assert!(!speaks(&["-tls1_2", "-cipher", "AES128-SHA:AES128-GCM-SHA256:@SECLEVEL=0"]));
}

/// `f07-tls-certificates`: certificates as created by guides on the web, as the server's own.
#[test]
fn certificates_from_guides_are_used_or_refused_by_name() {
    if Command::new("openssl").arg("version").output().is_err() {
        return skip("certificates_from_guides_are_used_or_refused_by_name", "there is no openssl");
    }
    let folder = tempfile::tempdir().unwrap();
    let script =
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/f07-tls-certificates/make-certs.sh");
    let made = Command::new("sh").arg(script).arg(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let setup = |certificate: &str, key: &str| {
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        Setup::new()
            .set("mqtt.listen", r#"["127.0.0.1:0", "mqtts://127.0.0.1:0"]"#)
            .set("mqtt.tls.certificate", &path(certificate))
            .set("mqtt.tls.key", &path(key))
    };
    for (certificate, key) in [
        ("v1.crt", "v1.key"),
        ("self.crt", "self.key"),
        ("cn.crt", "cn.key"),
        ("v1.crt", "pkcs1.key"),
    ] {
        let appliance = setup(certificate, key).start();
        let address = appliance.listener("mqtts").to_string();
        let mut command = Command::new("openssl");
        command.args(["s_client", "-connect", &address, "-brief"]).stdin(Stdio::null());
        assert!(command.output().unwrap().status.success(), "{certificate} {key}");
    }
    for (certificate, key, told) in [
        ("v1.crt", "encrypted.key", "encrypted.key: the key is encrypted"),
        ("weak.crt", "weak.key", "weak.key: the key cannot be used"),
        ("v1.crt", "cn.key", "v1.crt: is not the certificate of the key"),
        ("v1.crt", "ec-with-params.key", "v1.crt: is not the certificate of the key"),
        ("v1.key", "v1.key", "v1.key: holds no certificate in PEM"),
        ("v1.crt", "v1.crt", "v1.crt: holds no private key in PEM"),
        ("none.crt", "v1.key", "none.crt: cannot be read"),
    ] {
        for command in [&["check"][..], &["serve"]] {
            let output = setup(certificate, key).command(command).output().unwrap();
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{certificate} {key}: {error}");
            assert!(error.contains(told), "{error}");
        }
    }
}

#[test]
fn the_http_server_uses_tls_if_configured() {
    let authority = Authority::new("Fleet CA");
    let setup = Setup::new();
    let (certificate, key) = authority.certify("server", 1, YEARS).write(setup.home(), "http");
    let appliance = setup
        .set("http.tls.certificate", certificate.to_str().unwrap())
        .set("http.tls.key", key.to_str().unwrap())
        .start();
    let address = appliance.url().trim_start_matches("http://").parse().unwrap();
    let ask = |stream: &mut dyn ReadWrite| {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).map(|()| answer)
    };
    let answer = ask(&mut secure(address, &authority, None).unwrap());
    assert_eq!(answer.unwrap(), *b"HTTP/1.1 200");
    assert!(ask(&mut dial(address)).map_or(true, |answer| answer != *b"HTTP/1.1 200"));
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}
