//! Random clients, compared with a simple model of the specification that searches lists. Each
//! client must get exactly the messages that the model says.
//!
//! `FLEETLINE_TEST_ROUNDS` sets the number of rounds; `SEED` repeats one.

use std::{collections::BTreeMap, env, net::SocketAddr, time::Duration};

use super::client::{MOMENT, start};
use crate::harness::{
    Dice,
    vehicle::{PATIENCE, Packet, Vehicle, Version, packet, publish_packet, text},
};

const TOPICS: [&str; 7] = ["a", "a/b", "a/c", "b", "/a", "$x/a", "a/b/c"];
const FILTERS: [&str; 12] =
    ["a", "a/b", "a/+", "+", "#", "+/b", "a/#", "/+", "+/+", "$x/#", "+/a", "a/+/c"];
const CLIENTS: usize = 4;
const STEPS: usize = 150;

/// One subscription of a client, in the model.
#[derive(Clone, Debug)]
struct Subscription {
    filter: &'static str,
    qos: u8,
    no_local: bool,
    retain_as_published: bool,
    id: Option<u8>,
}

/// A message received by a client.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Got {
    topic: String,
    payload: String,
    qos: u8,
    retain: bool,
    ids: Vec<u8>,
}

/// What is retained: payload and QoS.
type Retained = BTreeMap<&'static str, (String, u8)>;

/// Section 4.7, level by level.
pub(super) fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let filter: Vec<&str> = filter.split('/').collect();
    let topic: Vec<&str> = topic.split('/').collect();
    for (at, level) in filter.iter().enumerate() {
        match *level {
            "#" => return topic.len() + 1 > at,
            "+" if at < topic.len() => {}
            level if topic.get(at) == Some(&level) => {}
            _ => return false,
        }
    }
    filter.len() == topic.len()
}

/// One client: its connection, and its state in the model.
struct Client {
    name: String,
    version: Version,
    vehicle: Vehicle,
    subscriptions: Vec<Subscription>,
    /// Topic, payload and QoS.
    will: Option<(&'static str, String, u8)>,
    /// Messages that it must get and has not got.
    due: Vec<Got>,
}

impl Client {
    fn connect(
        address: SocketAddr,
        name: &str,
        version: Version,
        will: Option<(&'static str, String, u8)>,
    ) -> Self {
        let is_v5 = version == Version::V5;
        let mut body = text("MQTT");
        let flags = 0x02 | will.as_ref().map_or(0, |(_, _, qos)| 0x04 | (qos << 3));
        body.extend([if is_v5 { 5 } else { 4 }, flags, 0, 0]);
        body.extend(is_v5.then_some(0));
        body.extend(text(name));
        if let Some((topic, payload, _)) = &will {
            body.extend(is_v5.then_some(0));
            body.extend(text(topic));
            body.extend(text(payload));
        }
        let mut vehicle = Vehicle::dial(address, version).unwrap();
        let answer = vehicle.greet(&packet(0x10, &body));
        assert!(matches!(&answer, Packet::Whole(0x20, body) if body[..2] == [0, 0]), "{answer:?}");
        let (name, subscriptions, due) = (name.to_owned(), Vec::new(), Vec::new());
        Self { name, version, vehicle, subscriptions, will, due }
    }

    /// The client's deliveries of a message; 3.3.1.3, 3.3.5 and 3.8.3.1 of 5.0.
    fn gets(&self, topic: &str, payload: &str, qos: u8, retain: bool, is_own: bool) -> Option<Got> {
        let all: Vec<&Subscription> = self
            .subscriptions
            .iter()
            .filter(|it| matches(it.filter, topic) && !(it.no_local && is_own))
            .collect();
        let highest = all.iter().map(|it| it.qos).max()?;
        let mut ids: Vec<u8> = all.iter().filter_map(|it| it.id).collect();
        ids.sort_unstable();
        Some(Got {
            topic: topic.to_owned(),
            payload: payload.to_owned(),
            qos: qos.min(highest),
            retain: retain && all.iter().any(|it| it.retain_as_published),
            ids,
        })
    }

    /// Reads one packet; a message is completely acknowledged and removed from what is due.
    fn read(&mut self, limit: Duration) -> Option<Packet> {
        let packet = self.vehicle.receive(limit);
        let Packet::Whole(first, body) = &packet else {
            assert!(packet == Packet::Nothing, "{} was closed", self.name);
            return None;
        };
        if first >> 4 != 3 {
            return Some(packet);
        }
        let got = self.message(*first, body);
        let place = self.due.iter().position(|due| *due == got);
        let place = place.unwrap_or_else(|| {
            panic!("{} got {got:?}; due was {:?}", self.name, self.due);
        });
        self.due.remove(place);
        Some(packet)
    }

    fn message(&mut self, first: u8, body: &[u8]) -> Got {
        let len = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let topic = String::from_utf8(body[2..2 + len].to_vec()).unwrap();
        let qos = (first >> 1) & 3;
        let mut rest = &body[2 + len..];
        if qos > 0 {
            let id = [rest[0], rest[1]];
            rest = &rest[2..];
            self.vehicle.send(&[if qos == 1 { 0x40 } else { 0x50 }, 2, id[0], id[1]]);
        }
        let mut ids = Vec::new();
        if self.version == Version::V5 {
            let (block, after) = rest[1..].split_at(usize::from(rest[0]));
            rest = after;
            // Only subscription identifiers, each of one byte.
            ids = block.chunks(2).map(|pair| pair[1]).collect();
            assert!(block.iter().step_by(2).all(|kind| *kind == 0x0b), "{block:02x?}");
            ids.sort_unstable();
        }
        let payload = String::from_utf8(rest.to_vec()).unwrap();
        Got { topic, payload, qos, retain: first & 1 == 1, ids }
    }

    /// Reads until a packet of a type arrives, and returns it.
    fn until(&mut self, kind: u8) -> Vec<u8> {
        loop {
            match self.read(PATIENCE) {
                Some(Packet::Whole(first, body)) if first >> 4 == kind => return body,
                Some(Packet::Whole(first, body)) => self.answer(first, &body),
                _ => panic!("{}: no packet {kind}", self.name),
            }
        }
    }

    /// PUBREL is answered; any other packet is an error.
    fn answer(&mut self, first: u8, body: &[u8]) {
        match first >> 4 {
            3 => {}
            6 => self.vehicle.send(&[0x70, 2, body[0], body[1]]),
            _ => panic!("{} got {first:02x} {body:02x?}", self.name),
        }
    }

    /// Waits until everything that is due has arrived, and nothing else.
    fn settle(&mut self) {
        while !self.due.is_empty() {
            match self.read(PATIENCE) {
                Some(Packet::Whole(first, body)) => self.answer(first, &body),
                _ => panic!("{} did not get {:?}", self.name, self.due),
            }
        }
        self.vehicle.send(&[0xc0, 0]);
        self.until(13);
    }
}

struct World {
    address: SocketAddr,
    clients: Vec<Client>,
    retained: Retained,
    number: u64,
    dice: Dice,
}

impl World {
    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.dice.below(of.len() as u64)).unwrap()]
    }

    fn coin(&mut self) -> bool {
        self.dice.below(2) == 1
    }

    fn payload(&mut self) -> String {
        self.number += 1;
        format!("message {}", self.number)
    }

    /// The deliveries of a message to all clients, in the model.
    fn route(
        &mut self,
        from: Option<usize>,
        topic: &'static str,
        payload: &str,
        qos: u8,
        retain: bool,
    ) {
        if retain && payload.is_empty() {
            self.retained.remove(topic);
        } else if retain {
            self.retained.insert(topic, (payload.to_owned(), qos));
        }
        for (at, client) in self.clients.iter_mut().enumerate() {
            let got = client.gets(topic, payload, qos, retain, from == Some(at));
            client.due.extend(got);
        }
    }

    fn publish(&mut self, at: usize) {
        let topic = self.one(&TOPICS);
        let qos = self.one(&[0, 1, 2]);
        let retain = self.dice.below(4) == 0;
        let payload = if retain && self.coin() { String::new() } else { self.payload() };
        self.route(Some(at), topic, &payload, qos, retain);
        let client = &mut self.clients[at];
        let mut bytes = publish_packet(client.version, topic, payload.as_bytes(), qos, 7, &[]);
        bytes[0] |= u8::from(retain);
        client.vehicle.send(&bytes);
        match qos {
            0 => {}
            1 => drop(client.until(4)),
            _ => {
                client.until(5);
                client.vehicle.send(&[0x62, 2, 0, 7]);
                client.until(7);
            }
        }
    }

    fn subscribe(&mut self, at: usize) {
        let filter = self.one(&FILTERS);
        let is_v5 = self.clients[at].version == Version::V5;
        let qos = self.one(&[0, 1, 2]);
        let (no_local, retain_as_published) = (is_v5 && self.coin(), is_v5 && self.coin());
        let handling = if is_v5 { self.one(&[0_u8, 1, 2]) } else { 0 };
        let id = (is_v5 && self.coin()).then(|| u8::try_from(1 + self.dice.below(100)).unwrap());
        let client = &mut self.clients[at];
        let known = client.subscriptions.iter().position(|it| it.filter == filter);
        known.map(|place| client.subscriptions.remove(place));
        client.subscriptions.push(Subscription { filter, qos, no_local, retain_as_published, id });
        if handling == 0 || (handling == 1 && known.is_none()) {
            for (topic, (payload, of)) in &self.retained {
                if matches(filter, topic) {
                    let (topic, payload) = ((*topic).to_owned(), payload.clone());
                    let ids = id.into_iter().collect();
                    let qos = (*of).min(qos);
                    client.due.push(Got { topic, payload, qos, retain: true, ids });
                }
            }
        }
        let mut body = vec![0, 9];
        match id {
            Some(id) => body.extend([2, 0x0b, id]),
            None => body.extend(is_v5.then_some(0)),
        }
        body.extend(text(filter));
        let flags = (u8::from(no_local) << 2) | (u8::from(retain_as_published) << 3);
        body.push(qos | flags | (handling << 4));
        client.vehicle.send(&packet(0x82, &body));
        assert_eq!(client.until(9).last(), Some(&qos));
    }

    fn unsubscribe(&mut self, at: usize) {
        let filter = self.one(&FILTERS);
        let client = &mut self.clients[at];
        let known = client.subscriptions.iter().position(|it| it.filter == filter);
        known.map(|place| client.subscriptions.remove(place));
        let is_v5 = client.version == Version::V5;
        let mut body = vec![0, 9];
        body.extend(is_v5.then_some(0));
        body.extend(text(filter));
        client.vehicle.send(&packet(0xa2, &body));
        let answer = client.until(11);
        if is_v5 {
            assert_eq!(answer.last(), Some(&if known.is_some() { 0 } else { 0x11 }), "{filter}");
        }
    }

    /// A client disconnects, with DISCONNECT or without, or another one takes its identifier over.
    fn come_again(&mut self, at: usize) {
        let how = self.dice.below(3);
        let mut gone = self.clients.remove(at);
        let (name, will) = (gone.name.clone(), gone.will.take());
        if how == 0 {
            gone.vehicle.send(&[0xe0, 0]);
            gone.vehicle.expect_close();
        } else if let Some((topic, payload, qos)) = will {
            self.route(None, topic, &payload, qos, false);
        }
        let before = (how == 2).then_some(gone);
        let has_will = self.coin();
        let will = (self.one(&TOPICS), self.payload(), self.one(&[0, 1, 2]));
        let will = has_will.then_some(will);
        let version = self.one(&[Version::V3, Version::V5]);
        self.clients.insert(at, Client::connect(self.address, &name, version, will));
        drop(before);
    }

    fn step(&mut self) {
        let at = usize::try_from(self.dice.below(CLIENTS as u64)).unwrap();
        match self.dice.below(10) {
            0..5 => self.publish(at),
            5..8 => self.subscribe(at),
            8 => self.unsubscribe(at),
            _ => self.come_again(at),
        }
        self.clients.iter_mut().for_each(Client::settle);
    }
}

#[test]
fn random_clients_get_what_the_specification_says() {
    let rounds = env::var("FLEETLINE_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    for _ in 0..rounds.unwrap_or(3) {
        let dice = Dice::new();
        let (_store, appliance) = start(|setup| setup.set("telemetry.sys-interval", "0s"));
        let address = appliance.mqtt();
        let versions = [Version::V3, Version::V5, Version::V5, Version::V3];
        let connect = |(at, version): (usize, &Version)| {
            Client::connect(address, &format!("client-{at}"), *version, None)
        };
        let clients = versions.iter().enumerate().map(connect).collect();
        let mut world = World { address, clients, retained: BTreeMap::new(), number: 0, dice };
        for _ in 0..STEPS {
            world.step();
        }
        // Duplicates and wrong deliveries would arrive now.
        for client in &mut world.clients {
            assert!(client.read(MOMENT).is_none(), "{} got more", client.name);
        }
    }
}
