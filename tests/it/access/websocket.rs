//! WebSockets as used by browsers and old libraries.

use std::io::{Read, Write};

use super::listeners::{MQTT, dial, frame, handshake, next, upgrade};
use crate::harness::{Packet, Setup, Vehicle, Version, connect_packet, packet, text};

/// `f13-websocket`: the chosen subprotocol is echoed, because browsers close without it.
#[test]
fn the_chosen_subprotocol_is_echoed() {
    let appliance =
        Setup::new().set("mqtt.listen", r#"["127.0.0.1:0", "ws://127.0.0.1:0"]"#).start();
    let address = appliance.listener("ws");
    let name = "Sec-WebSocket-Protocol";
    for (headers, chosen) in [
        (format!("{name}: mqtt\r\n"), &["mqtt"][..]),
        (format!("{name}: mqttv3.1\r\n"), &["mqttv3.1"]),
        (format!("{name}: mqttv3.1, mqtt\r\n"), &["mqtt", "mqttv3.1"]),
        (format!("{name}: mqttv3.1\r\n{name}: mqtt\r\n"), &["mqtt", "mqttv3.1"]),
        (format!("{name}: mqttv5, mqtt\r\n"), &["mqtt"]),
    ] {
        let answer = upgrade(&mut dial(address), &handshake("/mqtt", &headers));
        assert!(answer.starts_with("HTTP/1.1 101 "), "{headers}: {answer}");
        let said = answer.lines().filter_map(|line| {
            let (header, value) = line.split_once(':')?;
            header.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        });
        let said: Vec<String> = said.collect();
        assert!(said.len() == 1 && chosen.contains(&said[0].as_str()), "{headers}: {answer}");
    }
    // Compression is offered and not used, and everything works without it.
    let offer = format!("{MQTT}Sec-WebSocket-Extensions: permessage-deflate\r\n");
    let mut stream = dial(address);
    let answer = upgrade(&mut stream, &handshake("/mqtt", &offer)).to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 101 ") && !answer.contains("extensions"), "{answer}");
    stream.write_all(&frame(0x82, &connect_packet(Version::V3, "V1", 60, &[]))).unwrap();
    assert_eq!(next(&mut stream), (0x82, vec![0x20, 2, 0, 0]));
}

/// `f13-websocket`: empty frames are ignored, a frame without a mask ends the connection, and
/// closing without DISCONNECT publishes the will.
#[test]
fn empty_unmasked_and_closing_frames_do_what_they_should() {
    let appliance =
        Setup::new().set("mqtt.listen", r#"["127.0.0.1:0", "ws://127.0.0.1:0"]"#).start();
    let address = appliance.listener("ws");
    let mut listens = Vehicle::connect(appliance.mqtt(), Version::V3, "listens");
    listens.send(&packet(0x82, &[&[0, 1][..], &text("gone"), &[0]].concat()));
    assert!(matches!(listens.expect(), Packet::Whole(0x90, _)));

    let mut stream = dial(address);
    upgrade(&mut stream, &handshake("/mqtt", MQTT));
    let mut body = [&text("MQTT")[..], &[4, 6, 0, 60], &text("V1")].concat();
    body.extend(text("gone"));
    body.extend(text("bye"));
    stream.write_all(&frame(0x82, b"")).unwrap();
    stream.write_all(&frame(0x82, &packet(0x10, &body))).unwrap();
    assert_eq!(next(&mut stream), (0x82, vec![0x20, 2, 0, 0]));
    stream.write_all(&frame(0x02, b"")).unwrap();
    stream.write_all(&frame(0x80, b"\xc0\x00")).unwrap();
    assert_eq!(next(&mut stream), (0x82, vec![0xd0, 0]));
    stream.write_all(&frame(0x88, &1000_u16.to_be_bytes())).unwrap();
    assert_eq!(next(&mut stream), (0x88, 1000_u16.to_be_bytes().to_vec()));
    assert_eq!(listens.expect(), Packet::Whole(0x30, [&text("gone")[..], b"bye"].concat()));

    let mut stream = dial(address);
    upgrade(&mut stream, &handshake("/mqtt", MQTT));
    stream.write_all(b"\x82\x02\xc0\x00").unwrap();
    assert_eq!(next(&mut stream), (0x88, 1002_u16.to_be_bytes().to_vec()));
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "it is closed");
}
