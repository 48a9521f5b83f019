//! Admission: bounds on connections and rates, and attacks from the catalogue.

use std::{
    fs,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use super::identity::add;
use crate::harness::{
    Authority, PATIENCE, Packet, Secured, Setup, Vehicle, Version, packet, say_hello, secure, text,
    until,
};

/// Subscribes to one filter; returns its reason code.
#[track_caller]
fn subscribe(vehicle: &mut Vehicle, filter: &str) -> u8 {
    let body = [&[0, 1, 0][..], &text(filter), &[1]].concat();
    vehicle.send(&packet(0x82, &body));
    loop {
        match vehicle.expect() {
            Packet::Whole(0x90, body) => return *body.last().unwrap(),
            // Messages of a shared subscription's former member, or messages published meanwhile.
            Packet::Whole(first, _) if first >> 4 == 3 => {}
            other => panic!("no SUBACK: {other:02x?}"),
        }
    }
}

/// Attacks A9 and A11, `f11-rules-that-change`: names that look like filters give no access, and a
/// filter that is wider than the rule is refused, shared or not.
#[test]
fn names_and_filters_give_access_only_to_ones_own_topics() {
    let setup = Setup::new();
    add(&setup, "V1", "secret");
    let appliance = setup.set("auth.users", "users").start();
    for id in ["#", "+", "a/b", "V2", "$SYS", "{vehicle}"] {
        let (mut vehicle, told) =
            Vehicle::enter(appliance.mqtt(), Version::V5, id, Some("V1"), Some("secret"));
        assert_eq!(told, 0, "any client identifier may come");
        for (filter, reason) in [
            ("vehicles/V1/#", 1),
            ("vehicles/V1/+/x", 1),
            ("$share/g/vehicles/V1/#", 1),
            ("#", 0x87),
            ("+/V1/commands/#", 0x87),
            ("vehicles/+/x", 0x87),
            ("vehicles/V2/#", 0x87),
            ("vehicles/#", 0x87),
            ("$share/g/#", 0x87),
            ("$share/g/vehicles/#", 0x87),
            ("$SYS/#", 0x87),
            ("vehicles/{vehicle}/#", 0x87),
        ] {
            assert_eq!(subscribe(&mut vehicle, filter), reason, "{id}: {filter}");
        }
        for (topic, reason) in [("vehicles/V1/x", 0), ("vehicles/V2/x", 0x87), ("$SYS/x", 0x87)] {
            vehicle.publish(topic, b"{}", 1, 9);
            let answer = loop {
                let packet = vehicle.expect();
                if matches!(packet, Packet::Whole(0x40, _)) {
                    break packet;
                }
            };
            assert_eq!(answer.reason(), reason, "{id}: {topic}");
        }
    }
    for name in ["#", "+", "a/b", "V2"] {
        let (_, told) =
            Vehicle::enter(appliance.mqtt(), Version::V5, "c", Some(name), Some("secret"));
        assert_eq!(told, 0x86, "{name}");
    }
    let refused = |name: &str| appliance.metric(name).unwrap_or_default();
    assert!(refused("fleetline_auth_refused_operations_total") >= 60.0);
    assert!(refused("fleetline_auth_refused_connects_total") >= 4.0);
    let log = appliance.log();
    assert!(
        log.contains("the access rules refuse to subscribe") && log.contains("a client is refused")
    );
}

/// A will is checked at CONNECT: a client that may not publish there is refused. A will for the
/// server's own topics is accepted, but not published.
#[test]
fn a_will_is_checked_against_the_rules_at_connect() {
    let setup = Setup::new();
    add(&setup, "V1", "secret");
    let appliance = setup.set("auth.users", "users").start();
    for (topic, expect) in
        [("vehicles/V1/gone", 0), ("$SYS/broker/gone", 0), ("vehicles/V2/gone", 5), ("gone", 5)]
    {
        let mut body = [&text("MQTT")[..], &[4, 0xc6, 0, 60], &text("c")].concat();
        for part in [topic, "bye", "V1", "secret"] {
            body.extend(text(part));
        }
        let mut vehicle = Vehicle::dial(appliance.mqtt(), Version::V3).unwrap();
        let answer = vehicle.greet(&packet(0x10, &body));
        assert_eq!(answer, Packet::Whole(0x20, vec![0, expect]), "{topic}");
    }
}

/// Attack A15: wrong passwords from one address, as fast as possible, delay an honest vehicle from
/// another address by a bounded time, and do not affect a vehicle whose password is cached.
#[test]
fn a_storm_of_wrong_passwords_delays_an_honest_vehicle_a_little() {
    let setup = Setup::new();
    add(&setup, "V1", "secret");
    add(&setup, "V2", "other");
    let appliance = setup
        .set("mqtt.listen", r#"["127.0.0.1:0"]"#)
        .set("mqtt.proxy-protocol.from", r#"["127.0.0.0/8"]"#)
        .set("auth.users", "users")
        .start();
    let address = appliance.mqtt();
    // Each sends its address in a PROXY header, as a balancer would.
    let enter = move |from: &str, id: &str, username: &str, password: &str| {
        let mut vehicle = Vehicle::dial(address, Version::V5).unwrap();
        vehicle.send(format!("PROXY TCP4 {from} 127.0.0.1 4711 1883\r\n").as_bytes());
        vehicle.send(&crate::harness::connect_as(Version::V5, id, Some(username), Some(password)));
        vehicle
    };
    let reason = |vehicle: &mut Vehicle| match vehicle.receive(PATIENCE) {
        Packet::Whole(0x20, body) => body[1],
        other => panic!("no CONNACK: {other:02x?}"),
    };
    assert_eq!(reason(&mut enter("192.0.2.2", "known", "V2", "other")), 0);
    // Two hundred guesses are more than any core verifies within the time allowed below.
    let mut guesses: Vec<Vehicle> = (0..200)
        .map(|n| enter("192.0.2.66", &format!("g{n}"), &format!("guess{n}"), "wrong"))
        .collect();
    guesses.extend((0..8).map(|n| enter("192.0.2.66", &format!("h{n}"), "V1", "wrong")));
    until("they wait", PATIENCE, || {
        appliance.metric("fleetline_auth_waiting_verifications").unwrap_or_default() > 50.0
    });
    let began = Instant::now();
    assert_eq!(reason(&mut enter("192.0.2.2", "again", "V2", "other")), 0);
    let known = began.elapsed();
    assert_eq!(reason(&mut enter("192.0.2.1", "new", "V1", "secret")), 0);
    let honest = began.elapsed();
    let waiting = appliance.metric("fleetline_auth_waiting_verifications").unwrap_or_default();
    assert!(waiting > 10.0, "the storm still waits: {waiting}, after {honest:?}");
    assert!(known < Duration::from_secs(2), "no password was verified for it: {known:?}");
    drop(guesses);
    // A client that has disconnected is not verified.
    until("nobody waits", PATIENCE, || {
        appliance.metric("fleetline_auth_waiting_verifications") == Some(0.0)
    });
}

/// A client over its rate is read no faster, and loses nothing.
#[test]
fn a_client_over_its_rate_is_slowed_and_loses_nothing() {
    let appliance = Setup::new().set("mqtt.rates.messages-per-second", "20").start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "V1");
    let began = Instant::now();
    for id in 1..=60 {
        vehicle.publish("x", b"{}", 1, id);
    }
    for id in 1..=60 {
        let answer = vehicle.expect();
        assert_eq!((answer.id(), answer.reason()), (id, 0x10));
    }
    // Twenty at once, forty at twenty a second.
    assert!(began.elapsed() > Duration::from_millis(1400), "{:?}", began.elapsed());
    assert!(appliance.metric("fleetline_mqtt_slowed_reads_total").unwrap() >= 1.0);
    let mut other = Vehicle::connect(appliance.mqtt(), Version::V5, "V2");
    let began = Instant::now();
    other.publish_acked("x", b"{}", 1);
    assert!(began.elapsed() < Duration::from_secs(2), "others are not slowed");
}

/// Connections past the rate wait for their turn; those that would wait too long are closed.
#[test]
fn connections_past_the_rate_wait_or_are_closed() {
    let appliance = Setup::new().set("mqtt.admission.accepts-per-second", "10").start();
    let address = appliance.mqtt();
    let came: Vec<bool> = (0..40)
        .map(|n| {
            thread::spawn(move || {
                Vehicle::try_connect(address, Version::V5, &format!("c{n}")).is_some()
            })
        })
        .collect::<Vec<_>>()
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    let in_time = came.iter().filter(|came| **came).count();
    assert!((2..40).contains(&in_time), "{in_time} of 40");
    let (_, metrics) = appliance.get("/metrics");
    assert!(
        metrics.contains("fleetline_mqtt_closed_connections_total{reason=\"accepts-per-second\"}")
    );
}

/// Attack C7: a ClientHello in single bytes is assembled; one that never ends is closed in time,
/// even if bytes still arrive; a close_notify and garbage end only that connection.
#[test]
fn broken_handshakes_end_alone_and_in_time() {
    let authority = Authority::new("Fleet CA");
    let setup = Setup::new();
    let appliance = setup.tls(&authority).set("mqtt.connect-timeout", "2s").start();
    let address = appliance.listener("mqtts");
    let mut drip = TcpStream::connect(address).unwrap();
    drip.set_read_timeout(Some(PATIENCE)).unwrap();
    // A handshake record of 16,000 bytes, of which one byte is sent now and then.
    drip.write_all(b"\x16\x03\x01\x3e\x80\x01\x00\x3e\x7c").unwrap();
    let began = Instant::now();
    let mut writer = drip.try_clone().unwrap();
    let dripping = thread::spawn(move || {
        while writer.write_all(&[0]).is_ok() && began.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(100));
        }
    });
    let mut rest = Vec::new();
    // A reset also counts as closed.
    drop(drip.read_to_end(&mut rest));
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    drip.shutdown(std::net::Shutdown::Both).unwrap_or_default();
    dripping.join().unwrap();
    for garbage in [
        &b"\x15\x03\x03\x00\x02\x01\x00"[..],
        b"\x16\x03\x01\x00\x00\x16\x03\x01\x00\x00",
        b"\x80\x2e\x01\x00\x02",
        b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x02V1",
    ] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(garbage).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap_or_default();
        drop(stream.read_to_end(&mut Vec::new()));
    }
    assert!(secure(address, &authority, None).is_ok(), "others come in");
}

/// A client that begins a TLS handshake is not silent, even if many of one address do so at once;
/// and past `handshakes-max` the oldest one is closed, never the newcomer.
#[test]
fn a_fleet_in_tls_handshakes_from_one_address_is_not_silent() {
    let authority = Authority::new("Fleet CA");
    let setup = Setup::new();
    let appliance = setup
        .tls(&authority)
        .set("mqtt.admission.silent-per-address-max", "10")
        .set("mqtt.admission.handshakes-max", "60")
        .set("mqtt.connect-timeout", "10m")
        .start();
    let address = appliance.listener("mqtts");
    let closed = |reason: &str| {
        let name = format!("fleetline_mqtt_closed_connections_total{{reason=\"{reason}\"}}");
        appliance.metric(&name).unwrap_or_default()
    };
    let fleet: Vec<_> =
        (0..50).map(|_| say_hello(address, &authority, None).expect("a socket")).collect();
    // Ten silent peers may stay: the others have exceeded their time.
    let silent: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut peer = TcpStream::connect(address).unwrap();
            peer.write_all(b"\x16\x03\x01\x02\x00").unwrap();
            peer
        })
        .collect();
    until("ten silent ones are closed", PATIENCE, || closed("silent-max") >= 10.0);
    let greet = |mut stream: Secured| {
        stream.write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x0a\x00\x01p").unwrap();
        let mut connack = [0; 4];
        stream.read_exact(&mut connack).map(|()| connack)
    };
    for hello in fleet {
        let stream = hello.finish().expect("nobody was closed who had said hello");
        assert_eq!(greet(stream).expect("a CONNACK"), [0x20, 2, 0, 0]);
    }
    let stuck: Vec<_> =
        (0..100).map(|_| say_hello(address, &authority, None).expect("a socket")).collect();
    until("forty are closed", PATIENCE, || closed("handshakes-max") >= 40.0);
    let newcomer = secure(address, &authority, None).expect("a newcomer has its place");
    assert_eq!(greet(newcomer).expect("a CONNACK"), [0x20, 2, 0, 0]);
    assert_eq!((closed("silent-max"), closed("handshakes-max")), (10.0, 40.0));
    drop((silent, stuck));
}

/// Attack C6: the HTTP server supports only HTTP/1.1.
#[test]
fn the_http_server_has_no_http_2() {
    let appliance = Setup::new().start();
    let mut stream = TcpStream::connect(appliance.url().trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
        .unwrap();
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    let head = String::from_utf8_lossy(&answer).into_owned();
    assert!(head.is_empty() || head.starts_with("HTTP/1.1 4"), "{head:?}");
}

/// Attack A12: a reload without a descriptor, or whose file is a folder, changes nothing.
#[test]
fn a_reload_that_cannot_read_its_files_changes_nothing() {
    let setup = Setup::new();
    add(&setup, "V1", "secret");
    let appliance = setup.set("auth.users", "users").start();
    let (mut vehicle, _) =
        Vehicle::enter(appliance.mqtt(), Version::V5, "c", Some("V1"), Some("secret"));
    let reload = |told: &str| {
        let before = appliance.log().matches(told).count();
        appliance.signal("HUP");
        until(told, PATIENCE, || appliance.log().matches(told).count() > before);
    };
    let pid = Pid::from_raw(appliance.pid().try_into().unwrap()).unwrap();
    // The limit is below the number of open files: no more can be opened.
    let few = Rlimit { current: Some(3), maximum: getrlimit(Resource::Nofile).maximum };
    let before = prlimit(Some(pid), Resource::Nofile, few).unwrap();
    reload("Too many open files");
    vehicle.ping();
    prlimit(Some(pid), Resource::Nofile, before).unwrap();
    let enter =
        |id| Vehicle::enter(appliance.mqtt(), Version::V5, id, Some("V1"), Some("secret")).1;
    assert_eq!(enter("d"), 0, "the users are those of before");
    assert!(appliance.log().contains("not loaded"), "{}", appliance.log());
    let file = appliance.setup().home().join("users");
    let text = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    reload("users: cannot be read");
    vehicle.ping();
    fs::remove_dir(&file).unwrap();
    fs::write(&file, text).unwrap();
    assert_eq!(enter("e"), 0);
}

/// Guesses of one thread.
const GUESSES: u64 = 20_000;

/// Connects from a separate loopback address, so that many short connections do not use up the
/// ports of honest clients.
fn connect_from(here: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddr::from((here, 0)))?;
    connect(&socket, &to)?;
    Ok(TcpStream::from(socket))
}

/// Attack A15: guesses from many addresses, as fast as two threads can make them, without waiting
/// for answers. A connected vehicle continues, a vehicle with a cached password is accepted, and
/// another one is accepted when its address has its turn.
#[test]
fn a_flood_of_guesses_costs_honest_vehicles_a_bounded_delay() {
    let setup = Setup::new();
    add(&setup, "V1", "secret");
    add(&setup, "V2", "other");
    let appliance = setup
        .set("mqtt.proxy-protocol.from", r#"["127.0.0.0/8"]"#)
        .set("auth.users", "users")
        .start();
    let address = appliance.mqtt();
    let enter = |from: &str, id: &str, username: &str, password: &str| {
        let mut vehicle = Vehicle::dial(address, Version::V5).unwrap();
        vehicle.send(format!("PROXY TCP4 {from} 127.0.0.1 4711 1883\r\n").as_bytes());
        let connect = crate::harness::connect_as(Version::V5, id, Some(username), Some(password));
        match vehicle.greet(&connect) {
            Packet::Whole(0x20, body) => (vehicle, body[1]),
            other => panic!("no CONNACK: {other:02x?}"),
        }
    };
    let (mut steady, told) = enter("192.0.2.2", "steady", "V2", "other");
    assert_eq!(told, 0);
    let (stop, guesses) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for guesser in 0..2 {
            let (stop, guesses) = (&stop, &guesses);
            scope.spawn(move || {
                for number in 0..GUESSES {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let from = format!("198.51.{guesser}.{}", number % 250);
                    let here = Ipv4Addr::new(127, 1, guesser, number.to_be_bytes()[7]);
                    let Ok(mut stream) = connect_from(here, address) else { continue };
                    let mut bytes =
                        format!("PROXY TCP4 {from} 127.0.0.1 4711 1883\r\n").into_bytes();
                    let (id, name) = (format!("g{number}"), format!("guess{}", number % 7));
                    bytes.extend(crate::harness::connect_as(
                        Version::V5,
                        &id,
                        Some(&name),
                        Some("wrong"),
                    ));
                    if stream.write_all(&bytes).is_ok() {
                        guesses.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        until("the flood has begun", PATIENCE, || guesses.load(Ordering::Relaxed) > 500);
        // The duration depends on the machine, which also makes the guesses; the test only requires
        // an answer within its time-out.
        for id in 1..=5 {
            steady.publish_acked("vehicles/V2/x", b"{}", id);
        }
        assert_eq!(enter("192.0.2.3", "known", "V2", "other").1, 0);
        assert_eq!(enter("192.0.2.1", "new", "V1", "secret").1, 0);
        stop.store(true, Ordering::Relaxed);
    });
    // Disconnected clients are not verified; waiting ones get an answer, or "server busy".
    until("nobody waits", 3 * PATIENCE, || {
        appliance.metric("fleetline_auth_waiting_verifications") == Some(0.0)
    });
}
