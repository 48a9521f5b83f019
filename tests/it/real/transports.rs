//! Paho for Python and MQTT.js over TCP, TLS and both WebSockets, with a password, a certificate
//! and a token; and HAProxy in front, where TLS ends.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::clients::{check, play, script};
use crate::harness::{
    Appliance, Authority, PATIENCE, Secured, Setup, Version, connect_as, jwt, packet, program,
    secure, text, until_some,
};

const RULES: &str = "[[rule]]\nallow = [\"publish\", \"subscribe\"]\n\
                     topics = [\"clients/{vehicle}/#\", \"vehicles/{vehicle}/#\"]\n";
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const LISTENERS: &str =
    r#"["127.0.0.1:0", "mqtts://127.0.0.1:0", "ws://127.0.0.1:0", "wss://127.0.0.1:0"]"#;

/// An appliance that knows a user, its certificate and its tokens, on every transport.
fn start(authority: &Authority, name: &str) -> Appliance {
    let setup = Setup::new();
    let home = setup.home();
    for (serial, of) in [(1, "server"), (2, name)] {
        authority.certify(of, serial, (2020, 2090)).write(home, of);
    }
    fs::write(home.join("ca.pem"), authority.pem()).unwrap();
    fs::write(home.join("rules.toml"), RULES).unwrap();
    fs::write(home.join("keys.json"), jwt::keys("1", SECRET)).unwrap();
    fs::write(home.join("password"), "secret").unwrap();
    let mut add = setup.command(&["user", "add", name, "--file", "users"]);
    assert!(add.args(["--password-file", "password"]).status().unwrap().success());
    setup
        .set("mqtt.listen", LISTENERS)
        .set("mqtt.tls.certificate", "server.pem")
        .set("mqtt.tls.key", "server.key")
        .set("mqtt.tls.client-certificate", "optional")
        .set("mqtt.tls.client-ca", "ca.pem")
        .set("auth.users", "users")
        .set("auth.jwt.keys", "keys.json")
        .set("auth.rules", "rules.toml")
        .start()
}

/// Plays the scenario over every transport, with each kind of credentials.
fn play_all(name: &str, command: impl Fn() -> Command) {
    let authority = Authority::new("Fleet CA");
    let appliance = start(&authority, name);
    let home = appliance.setup().home();
    let claims = serde_json::json!({ "sub": name, "exp": jwt::in_seconds(3600) });
    let token = jwt::token(&claims, SECRET);
    for scheme in ["mqtt", "mqtts", "ws", "wss"] {
        let path = if scheme.starts_with("ws") { "/mqtt" } else { "" };
        let url = format!("{scheme}://localhost:{}{path}", appliance.listener(scheme).port());
        for brings in ["password", "token", "certificate"] {
            let is_secure = matches!(scheme, "mqtts" | "wss");
            for version in ["3.1.1", "5"] {
                let mut command = command();
                if is_secure {
                    command.env("MQTT_CA", home.join("ca.pem"));
                }
                match brings {
                    "password" => command.env("MQTT_USER", name).env("MQTT_PASSWORD", "secret"),
                    "token" => command.env("MQTT_USER", name).env("MQTT_PASSWORD", &token),
                    _ if is_secure => command
                        .env("MQTT_CERT", home.join(format!("{name}.pem")))
                        .env("MQTT_KEY", home.join(format!("{name}.key"))),
                    _ => continue,
                };
                let said = play(&mut command, &url, version, name);
                check(version, name, &format!("{said}\n# {scheme}, {brings}"));
            }
        }
    }
}

#[test]
fn paho_for_python_logs_in_over_every_transport() {
    let Some(_module) = program("real::transports (paho)", "FLEETLINE_TEST_PAHO") else { return };
    play_all("paho", || script("paho", Path::new("")));
}

#[test]
fn mqtt_js_logs_in_over_every_transport() {
    let test = "real::transports (MQTT.js)";
    let Some(module) = program(test, "FLEETLINE_TEST_MQTTJS") else { return };
    play_all("mqttjs", || script("mqttjs", &module));
}

/// Users as the real `mosquitto_passwd` writes them, in each of the kinds of hash that it knows.
#[test]
fn files_of_mosquitto_passwd_are_read() {
    let test = "real::transports (mosquitto_passwd)";
    let Some(passwd) = program(test, "FLEETLINE_TEST_MOSQUITTO_PASSWD") else { return };
    let setup = Setup::new();
    let file = setup.home().join("users");
    let mut kinds = 0;
    // Older versions know fewer kinds, and write the one that they know without the option.
    for (name, kind) in [("V0", None), ("V5", Some("sha512")), ("V7", Some("sha512-pbkdf2"))] {
        let mut command = Command::new(&passwd);
        if !file.exists() {
            command.arg("-c");
        }
        command.args(kind.map(|kind| ["-H", kind]).into_iter().flatten());
        let made = command.arg("-b").arg(&file).args([name, "secret"]).output().unwrap();
        kinds += usize::from(made.status.success());
    }
    assert!(kinds > 0 && file.exists());
    let text = fs::read_to_string(&file).unwrap();
    let appliance = setup.set("auth.users", "users").start();
    for line in text.lines() {
        let name = line.split(':').next().unwrap();
        for (password, expect) in [("secret", 0), ("Secret", 4)] {
            let (_, told) = crate::harness::Vehicle::enter(
                appliance.mqtt(),
                Version::V3,
                name,
                Some(name),
                Some(password),
            );
            assert_eq!(told, expect, "{line}");
        }
    }
}

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The packet of one CONNACK or PUBACK in 5.0, and its reason.
fn reason(stream: &mut Secured, sent: &[u8], reason_at: usize) -> Option<u8> {
    use std::io::{Read, Write};
    stream.write_all(sent).ok()?;
    let mut head = [0; 2];
    stream.read_exact(&mut head).ok()?;
    let mut body = vec![0; head[1].into()];
    stream.read_exact(&mut body).ok()?;
    Some(body.get(reason_at).copied().unwrap_or(0))
}

/// HAProxy terminates TLS, and its PROXY v2 header names the client's address and certificate.
#[test]
fn a_certificate_that_haproxy_has_checked_names_the_vehicle() {
    let Some(haproxy) = program("real::transports (HAProxy)", "FLEETLINE_TEST_HAPROXY") else {
        return;
    };
    let authority = Authority::new("Fleet CA");
    let foreign = Authority::new("Foreign CA");
    let setup = Setup::new();
    let server = authority.certify("server", 1, (2020, 2090));
    server.write(setup.home(), "server");
    fs::write(setup.home().join("ca.pem"), authority.pem()).unwrap();
    let appliance = setup
        .set("mqtt.listen", r#"["127.0.0.1:0", "mqtts://127.0.0.1:0"]"#)
        .set("mqtt.tls.certificate", "server.pem")
        .set("mqtt.tls.key", "server.key")
        .set("mqtt.tls.client-certificate", "optional")
        .set("mqtt.tls.client-ca", "ca.pem")
        .set("mqtt.proxy-protocol.from", r#"["127.0.0.1"]"#)
        .start();
    let home = appliance.setup().home();
    fs::write(home.join("both.pem"), format!("{}{}", server.certificate, server.key)).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "defaults\n mode tcp\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n\
         frontend vehicles\n bind 127.0.0.1:{port} ssl crt both.pem ca-file ca.pem verify \
         optional\n default_backend appliances\n\
         backend appliances\n server one {} send-proxy-v2-ssl-cn\n",
        appliance.mqtt()
    );
    fs::write(home.join("haproxy.cfg"), config).unwrap();
    let mut command = Command::new(haproxy);
    command.args(["-db", "-f", "haproxy.cfg"]).current_dir(home);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let _running = Running(child);
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let open = |client| secure(address, &authority, client);
    let connect = connect_as(Version::V5, "c", None, None);
    let vehicle = authority.certify("V7", 7, (2020, 2090));
    let mut stream = until_some("HAProxy is there", PATIENCE, || open(Some(&vehicle)).ok());
    assert_eq!(reason(&mut stream, &connect, 1), Some(0));
    for (topic, expect) in [("vehicles/V7/x", 0x10), ("vehicles/c/x", 0x87)] {
        let publish = packet(0x32, &[&text(topic)[..], &[0, 1, 0], b"{}"].concat());
        assert_eq!(reason(&mut stream, &publish, 2), Some(expect), "{topic}");
    }
    // The client has its own address, not the load balancer's.
    let own = stream.sock.local_addr().unwrap().to_string();
    let sessions = appliance.get("/api/v1/sessions/c").1;
    assert!(sessions.contains(&own), "{own}: {sessions}");
    // Without a certificate the client has no identity; HAProxy stops a foreign certificate.
    let mut nobody = open(None).unwrap();
    assert_eq!(reason(&mut nobody, &connect, 1), Some(0x87));
    let foreign = foreign.certify("V7", 7, (2020, 2090));
    let refused = open(Some(&foreign)).ok().and_then(|mut it| reason(&mut it, &connect, 1));
    assert_eq!(refused, None);
    // No other address may send such a header, and HAProxy must send one.
    let direct = std::net::TcpStream::connect(appliance.mqtt()).unwrap();
    direct.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut direct = direct;
    std::io::Write::write_all(&mut direct, &connect).unwrap();
    let mut answer = Vec::new();
    drop(std::io::Read::read_to_end(&mut direct, &mut answer));
    assert_eq!(answer, b"");
}
