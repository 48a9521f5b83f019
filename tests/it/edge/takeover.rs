//! One client id, one session: a new connection takes it over.

use std::time::Duration;

use crate::harness::{
    Answer, Appliance, Packet, Sample, Setup, StandIn, Vehicle, Version, until,
    vehicle::connect_packet,
};

fn start() -> (StandIn, Appliance) {
    let store = StandIn::start(Answer::Accept);
    let appliance = Setup::new().store2(&store.url(), "token").start();
    (store, appliance)
}

fn open_sessions(appliance: &Appliance) -> f64 {
    appliance.metric("fleetline_mqtt_open_sessions").unwrap()
}

/// Sockets go to the workers in turn, so that an id is taken over within one and across two.
#[test]
fn a_new_connection_takes_its_client_id_over_from_any_worker() {
    let (_store, appliance) = start();
    let mut bystander = Vehicle::connect(appliance.mqtt(), Version::V5, "other");
    let mut holder = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    for round in 0..12 {
        // Sometimes an odd number of sockets between two owners.
        let between = (round % 3 == 0).then(|| Vehicle::dial(appliance.mqtt(), Version::V3));
        let version = if round % 2 == 0 { Version::V3 } else { Version::V5 };
        let next = Vehicle::connect(appliance.mqtt(), version, "v");
        let said = holder.expect_close();
        let reasons: Vec<_> = said.iter().map(Packet::reason).collect();
        // Owners alternate, 5.0 first; 3.1.1 has no packet for the reason.
        let expect: &[u8] = if round % 2 == 0 { &[0x8e] } else { &[] };
        assert_eq!(reasons, expect, "round {round}: {said:02x?}");
        holder = next;
        holder.ping();
        drop(between);
    }
    bystander.ping();
    until("the end of all others", Duration::from_secs(20), || open_sessions(&appliance) == 2.0);
    let count = appliance.metric("fleetline_mqtt_closed_connections_total{reason=\"taken-over\"}");
    assert_eq!(count, Some(12.0));
}

#[test]
fn a_disconnect_frees_the_id_and_the_end_of_the_old_connection_keeps_the_new_one() {
    let (_store, appliance) = start();
    let mut first = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    first.send(&[0xe0, 0]);
    assert_eq!(first.expect_close(), []);
    let mut second = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    let mut third = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    assert_eq!(second.expect_close().iter().map(Packet::reason).collect::<Vec<_>>(), [0x8e]);
    third.ping();
    // The third still holds the id after the second is gone.
    let mut fourth = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    assert_eq!(third.expect_close().iter().map(Packet::reason).collect::<Vec<_>>(), [0x8e]);
    fourth.ping();
}

#[test]
fn vehicles_without_an_id_are_not_each_other() {
    let (_store, appliance) = start();
    let mut vehicles: Vec<_> = [Version::V3, Version::V5, Version::V3, Version::V5]
        .map(|version| Vehicle::connect(appliance.mqtt(), version, ""))
        .into();
    vehicles.iter_mut().for_each(Vehicle::ping);
    assert_eq!(open_sessions(&appliance), 4.0);
}

/// The messages of the old connection are stored; the counters balance.
#[test]
fn messages_of_a_session_that_is_taken_over_are_stored() {
    let (store, appliance) = start();
    let topic = Sample::topic("VIN");
    let mut old = Vehicle::connect(appliance.mqtt(), Version::V3, "v");
    for seq in 0..50 {
        let id = u16::try_from(seq + 1).unwrap();
        old.publish(&topic, &Sample { seq }.payload(), 1, id);
    }
    // Everything was read when the ping is answered, but not everything need be acknowledged.
    old.send(&[0xc0, 0]);
    until("the answer to the ping", Duration::from_secs(20), || {
        matches!(old.receive(Duration::from_secs(20)), Packet::Whole(0xd0, _))
    });
    let mut new = Vehicle::dial(appliance.mqtt(), Version::V3).unwrap();
    let connack = new.greet(&connect_packet(Version::V3, "v", 60, &[]));
    assert_eq!(connack, Packet::Whole(0x20, vec![0, 0]));
    old.expect_close();
    assert_eq!(new.publish_acked(&topic, &Sample { seq: 50 }.payload(), 1).reason(), 0);
    until("the lines in the store", Duration::from_mins(1), || store.lines().len() == 51);
    until("the books", Duration::from_secs(20), || appliance.stats()["messages"]["spooled"] == 51);
}

/// Attack A10: two clients with one client identifier that reconnect at once do not disconnect each
/// other as fast as they can connect, and one of them is always connected.
#[test]
fn clients_that_take_an_id_from_each_other_are_slowed_down() {
    let store = StandIn::start(Answer::Accept);
    let setup = Setup::new().store2(&store.url(), "token");
    let appliance = setup.set("mqtt.admission.takeover-interval", "1m").start();
    let enter = |version| Vehicle::enter(appliance.mqtt(), version, "twin", None, None);
    let mut last = None;
    for number in 0..=10 {
        let (next, told) = enter(Version::V5);
        assert_eq!(told, 0, "{number}");
        if let Some(mut before) = last.replace(next) {
            let said: Vec<Packet> = before.expect_close();
            assert_eq!(said.last().map(Packet::reason), Some(0x8e));
        }
    }
    // The next one waits and gives up: the connected one stays.
    let mut waiting = Vehicle::dial(appliance.mqtt(), Version::V5).unwrap();
    waiting.send(&connect_packet(Version::V5, "twin", 60, &[]));
    assert_eq!(waiting.receive(Duration::from_millis(500)), Packet::Nothing);
    drop(waiting);
    let mut last = last.unwrap();
    last.ping();
    until("nobody waits any more", Duration::from_secs(20), || open_sessions(&appliance) == 1.0);
    // Other clients are not affected.
    Vehicle::connect(appliance.mqtt(), Version::V5, "other").ping();
}
