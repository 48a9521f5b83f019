//! Helpers for tests of subscribers: an appliance, SUBSCRIBE, and received messages.

use std::time::Duration;

use crate::harness::{
    Answer, Appliance, Setup, StandIn,
    vehicle::{Packet, Vehicle, Version, packet, text},
};

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const MOMENT: Duration = Duration::from_millis(300);

pub(super) fn start(configure: impl FnOnce(Setup) -> Setup) -> (StandIn, Appliance) {
    let store = StandIn::start(Answer::Accept);
    let appliance = configure(Setup::new().store2(&store.url(), "token")).start();
    (store, appliance)
}

/// Subscribes to one filter; returns its reason code.
pub(super) fn subscribe(client: &mut Vehicle, version: Version, filter: &str, options: u8) -> u8 {
    subscribe_as(client, version, filter, options, &[])
}

pub(super) fn subscribe_as(
    client: &mut Vehicle,
    version: Version,
    filter: &str,
    options: u8,
    properties: &[u8],
) -> u8 {
    let mut body = vec![0, 9];
    if version == Version::V5 {
        body.push(u8::try_from(properties.len()).unwrap());
        body.extend(properties);
    }
    body.extend(text(filter));
    body.push(options);
    client.send(&packet(0x82, &body));
    let Packet::Whole(0x90, body) = client.expect() else { panic!("no SUBACK") };
    body[body.len() - 1]
}

/// The next packet, which must be a PUBLISH of 3.1.1 at QoS 0: its flags, topic and payload.
pub(super) fn message(client: &mut Vehicle) -> (u8, String, String) {
    let Packet::Whole(first, body) = client.expect() else { panic!("nothing came") };
    assert_eq!(first >> 4, 3, "{first:02x} {body:02x?}");
    let len = usize::from(u16::from_be_bytes([body[0], body[1]]));
    let at = 2 + len + if first & 6 == 0 { 0 } else { 2 };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (first & 0x0f, text(&body[2..2 + len]), text(&body[at..]))
}
