//! Random clients with persistent sessions, compared with a model of the specification, through
//! kills and time: expiring sessions and messages, wills with delays, retained messages, QoS 2
//! exchanges cut in both directions.
//!
//! Results that depend on the machine's speed (whether a second has passed yet) may be either,
//! until the second has certainly passed. `FLEETLINE_TEST_ROUNDS` sets the number of rounds; `SEED`
//! repeats one.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, mem,
    time::{Duration, Instant},
};

use super::{
    client::{MINUTE, MOMENT, start},
    model::matches,
};
use crate::harness::{
    Appliance, Dice, until,
    vehicle::{PATIENCE, Packet, Vehicle, Version, packet, publish_packet, text},
};

const TOPICS: [&str; 4] = ["a", "a/b", "b", "b/c"];
const FILTERS: [&str; 5] = ["a", "a/+", "#", "b/#", "+"];
const CLIENTS: usize = 4;
const STEPS: usize = 40;
/// Seconds that never pass in a test.
const LONG: u32 = 3600;
/// After this time a second has certainly passed: the appliance counts in ticks of half a second.
const A_SECOND: Duration = Duration::from_millis(2100);

/// A message that is due to a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Due {
    topic: &'static str,
    payload: String,
    qos: u8,
    retain: bool,
    /// It must be delivered; otherwise it may be.
    is_sure: bool,
    /// It expires in a second.
    expires: bool,
    /// It was received on this connection, and is not acknowledged.
    is_held: bool,
}

/// The state of a disconnected client.
#[derive(Clone, Debug, Default)]
struct Session {
    expiry: u32,
    subscriptions: BTreeMap<&'static str, u8>,
    due: Vec<Due>,
    /// Acknowledged at QoS 1 since the last kill: it may not have been durable.
    acknowledged: Vec<Due>,
    /// Identifiers of QoS 2 that were received and not released.
    received: BTreeSet<u16>,
    /// Received messages of QoS 2, and wills.
    once: BTreeSet<String>,
}

#[derive(Clone, Debug)]
struct Will {
    topic: &'static str,
    payload: String,
    delay: u32,
}

struct Client {
    name: String,
    version: Version,
    vehicle: Option<Vehicle>,
    will: Option<Will>,
    /// Its will before its DISCONNECT.
    goodbye: Option<String>,
    session: Option<Session>,
    /// It acknowledges nothing on this connection.
    is_lazy: bool,
    /// By topic, the last message that came for the first time on this connection.
    last: BTreeMap<String, u64>,
}

impl Session {
    /// Its deliveries of a message.
    fn gets(&mut self, is_here: bool, due: &Due) {
        let filters = self.subscriptions.iter().filter(|(filter, _)| matches(filter, due.topic));
        let Some(highest) = filters.map(|(_, qos)| *qos).max() else { return };
        let qos = due.qos.min(highest);
        if qos > 0 || is_here {
            self.due.push(Due { qos, ..due.clone() });
        }
    }
}

impl Client {
    /// Reads one packet, if there is one, and reacts like a client.
    fn read(&mut self, fired: &BTreeSet<String>, limit: Duration) -> Option<u8> {
        let vehicle = self.vehicle.as_mut().expect("it is connected");
        let packet = vehicle.receive(limit);
        let Packet::Whole(first, body) = &packet else {
            assert!(packet == Packet::Nothing, "{} was closed", self.name);
            return None;
        };
        match first >> 4 {
            3 => self.message(&packet, fired),
            6 => {
                let id = packet.id();
                self.session.as_mut().expect("it is there").received.remove(&id);
                self.answer(0x70, id);
            }
            4 | 5 | 7 | 9 | 11 | 13 => {}
            _ => panic!("{} got {first:02x} {body:02x?}", self.name),
        }
        Some(first >> 4)
    }

    fn answer(&mut self, first: u8, id: u16) {
        let [high, low] = id.to_be_bytes();
        self.vehicle.as_mut().expect("it is connected").send(&[first, 2, high, low]);
    }

    fn message(&mut self, packet: &Packet, fired: &BTreeSet<String>) {
        let Packet::Whole(first, body) = packet else { unreachable!() };
        let len = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let topic = String::from_utf8(body[2..2 + len].to_vec()).unwrap();
        let qos = (first >> 1) & 3;
        let id = if qos > 0 { read_id(body, 2 + len) } else { 0 };
        let payload = self.payload(&body[2 + len + if qos > 0 { 2 } else { 0 }..]);
        let session = self.session.as_mut().expect("it is there");
        if qos == 2 && session.received.contains(&id) {
            self.answer(0x50, id);
            return;
        }
        let retain = first & 1 == 1;
        let is_it =
            |due: &Due| (due.topic, &*due.payload, due.retain) == (&*topic, &*payload, retain);
        // Of equal ones, the first that must be delivered.
        let places = session.due.iter().enumerate().filter(|(_, due)| is_it(due) && !due.is_held);
        let place = places.rev().max_by_key(|(_, due)| due.is_sure).map(|(place, _)| place);
        let Some(place) = place else {
            // A will that was published between a restart and its subscription.
            let is_late = fired.contains(&payload) && session.once.insert(payload.clone());
            assert!(is_late, "{} got {payload}; due was {:#?}", self.name, session.due);
            let topic = *TOPICS.iter().find(|known| **known == topic).expect("it is one of them");
            let due = Due { topic, payload, qos, retain, is_sure: false, ..Due::default() };
            session.acknowledged.extend((qos == 1).then_some(due));
            return self.acknowledge(qos, id);
        };
        if qos > 0 && number(&payload).is_some() {
            // A retained message may also arrive before messages that were published after the
            // subscription.
            let mut before = session.due[..place].iter();
            let is_sure = |due: &Due| due.is_sure && !due.is_held && number(&due.payload).is_some();
            let is_passed_by = |due: &&Due| due.topic == topic && due.qos > 0 && is_sure(due);
            let passed_by = before.find(is_passed_by);
            assert_eq!(passed_by, None, "{}: {payload} came before it", self.name);
        }
        let due = &mut session.due[place];
        assert_eq!(due.qos, qos, "{payload}");
        if !due.retain
            && let Some(number) = number(&payload).filter(|_| qos > 0)
        {
            let last = self.last.insert(topic, number).unwrap_or(0);
            assert!(last <= number, "{}: {number} came behind {last}", self.name);
        }
        if self.is_lazy && qos > 0 {
            due.is_held = true;
            return;
        }
        let due = session.due.remove(place);
        match qos {
            1 => session.acknowledged.push(due),
            2 => {
                session.received.insert(id);
                let is_other = due.retain || payload.is_empty() || session.once.insert(payload);
                assert!(is_other, "{}: {due:?} came twice", self.name);
            }
            _ => {}
        }
        self.acknowledge(qos, id);
    }

    fn acknowledge(&mut self, qos: u8, id: u16) {
        match qos {
            0 => {}
            1 => self.answer(0x40, id),
            _ => self.answer(0x50, id),
        }
    }

    /// Behind the properties, which are none but what is left of an expiry.
    fn payload(&self, rest: &[u8]) -> String {
        let skip = if self.version == Version::V5 { 1 + usize::from(rest[0]) } else { 0 };
        String::from_utf8(rest[skip..].to_vec()).unwrap()
    }

    /// Reads until a packet of a type arrives.
    fn until(&mut self, fired: &BTreeSet<String>, kind: u8) {
        while self.read(fired, PATIENCE).unwrap_or_else(|| panic!("{}: no {kind}", self.name))
            != kind
        {}
    }

    /// Waits until everything that must be delivered has arrived.
    fn settle(&mut self, fired: &BTreeSet<String>) {
        let is_missing = |due: &Due| due.is_sure && !due.is_held;
        while self.session.as_ref().is_some_and(|it| it.due.iter().any(is_missing)) {
            let due = || format!("{} did not get {:#?}", self.name, self.session);
            let due = due();
            assert!(self.read(fired, PATIENCE).is_some(), "{due}");
        }
        self.vehicle.as_mut().expect("it is connected").send(&[0xc0, 0]);
        self.until(fired, 13);
    }

    /// The connection has ended.
    fn left(&mut self) {
        self.vehicle = None;
        self.last.clear();
        self.session = self.session.take().filter(|session| session.expiry > 0);
        for due in self.session.iter_mut().flat_map(|session| &mut session.due) {
            due.is_held = false;
        }
        if let Some(session) = &mut self.session {
            session.due.retain(|due| due.qos > 0);
        }
    }
}

fn is_copy(due: &Due, of: &Due) -> bool {
    (due.topic, &due.payload, due.retain) == (of.topic, &of.payload, of.retain)
}

fn read_id(body: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([body[at], body[at + 1]])
}

/// The number of a message that is not a will.
fn number(payload: &str) -> Option<u64> {
    payload.strip_prefix("message ")?.parse().ok()
}

struct World {
    appliance: Appliance,
    clients: Vec<Client>,
    retained: BTreeMap<&'static str, (String, u8)>,
    /// Wills that were published.
    fired: BTreeSet<String>,
    number: u64,
    dice: Dice,
}

impl World {
    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.dice.below(of.len() as u64)).unwrap()]
    }

    fn due(&mut self, kind: &str) -> Due {
        self.number += 1;
        Due {
            topic: self.one(&TOPICS),
            payload: format!("{kind} {}", self.number),
            qos: self.one(&[0, 1, 1, 2, 2]),
            retain: false,
            is_sure: true,
            expires: false,
            is_held: false,
        }
    }

    fn route(&mut self, due: &Due) {
        for client in &mut self.clients {
            let is_here = client.vehicle.is_some();
            if let Some(session) = &mut client.session {
                session.gets(is_here, due);
            }
        }
    }

    fn publish(&mut self, at: usize, may_cut: bool) {
        let mut due = self.due("message");
        let is_v5 = self.clients[at].version == Version::V5;
        let retain = due.qos > 0 && self.dice.below(4) == 0;
        due.expires = !retain && is_v5 && self.dice.below(5) == 0;
        due.is_sure = !due.expires;
        if retain && self.dice.below(3) == 0 {
            due.payload.clear();
            self.retained.remove(due.topic);
        } else if retain {
            self.retained.insert(due.topic, (due.payload.clone(), due.qos));
        }
        let expiry: &[u8] = if due.expires { &[2, 0, 0, 0, 1] } else { &[] };
        let version = self.clients[at].version;
        let payload = due.payload.as_bytes();
        let mut bytes = publish_packet(version, due.topic, payload, due.qos, 7, expiry);
        bytes[0] |= u8::from(retain);
        // It may arrive before its PUBACK.
        self.route(&due);
        let may_cut =
            may_cut && due.qos > 0 && self.clients[at].session.as_ref().unwrap().expiry == LONG;
        if may_cut && self.dice.below(4) == 0 {
            return self.cut(at, &due, bytes);
        }
        let client = &mut self.clients[at];
        client.vehicle.as_mut().unwrap().send(&bytes);
        match due.qos {
            0 => {}
            1 => client.until(&self.fired, 4),
            _ => {
                client.until(&self.fired, 5);
                client.answer(0x62, 7);
                client.until(&self.fired, 7);
            }
        }
    }

    /// A kill in the middle of a publish, which continues afterwards.
    fn cut(&mut self, at: usize, due: &Due, mut bytes: Vec<u8>) {
        let is_recorded = due.qos == 2 && self.dice.below(2) == 0;
        self.clients[at].vehicle.as_mut().unwrap().send(&bytes);
        if is_recorded {
            self.clients[at].until(&self.fired, 5);
        }
        let again = Due { is_sure: false, ..due.clone() };
        if due.qos == 1 {
            // The first one may also have been accepted.
            self.route(&again);
        }
        if !is_recorded {
            self.copies(due, |copy| copy.is_sure = false);
        }
        self.kill();
        self.connect(at, false);
        if let Some(session) = &mut self.clients[at].session {
            // A repeated publish is another chance for receivers at QoS 0.
            let before = session.due.len();
            session.gets(true, &again);
            let is_new = session.due.last().is_some_and(|due| due.qos == 0);
            session.due.truncate(if is_new { before + 1 } else { before });
        }
        bytes[0] |= 8;
        let client = &mut self.clients[at];
        if is_recorded {
            client.answer(0x62, 7);
            return client.until(&self.fired, 7);
        }
        client.vehicle.as_mut().unwrap().send(&bytes);
        client.until(&self.fired, if due.qos == 1 { 4 } else { 5 });
        if due.qos == 2 {
            client.answer(0x62, 7);
            client.until(&self.fired, 7);
        }
        // Of two copies one must be delivered, if none was.
        let most = if due.qos == 1 { 2 } else { 1 };
        for client in &mut self.clients {
            let mut left = client.session.iter_mut().flat_map(|session| &mut session.due);
            let mut left: Vec<&mut Due> =
                left.by_ref().filter(|it| it.qos > 0 && is_copy(it, due)).collect();
            if left.len() == most {
                // A held message was received, and is sent again.
                let place = left.iter().position(|copy| copy.is_held).unwrap_or(0);
                left[place].is_sure = due.is_sure;
            }
        }
    }

    /// Changes the due deliveries of a message.
    fn copies(&mut self, of: &Due, change: impl Fn(&mut Due)) {
        let sessions = self.clients.iter_mut().filter_map(|client| client.session.as_mut());
        let due = sessions.flat_map(|session| &mut session.due);
        due.filter(|due| is_copy(due, of)).for_each(change);
    }

    fn subscribe(&mut self, at: usize) {
        let (filter, qos) = (self.one(&FILTERS), self.one(&[0, 1, 2, 2]));
        let is_ending = self.dice.below(4) == 0;
        let client = &mut self.clients[at];
        let session = client.session.as_mut().unwrap();
        let mut body = vec![0, 9];
        body.extend((client.version == Version::V5).then_some(0));
        body.extend(text(filter));
        if is_ending {
            session.subscriptions.remove(filter);
            client.vehicle.as_mut().unwrap().send(&packet(0xa2, &body));
            return client.until(&self.fired, 11);
        }
        session.subscriptions.insert(filter, qos);
        for (topic, (payload, of)) in self.retained.iter().filter(|(it, _)| matches(filter, it)) {
            session.due.push(Due {
                topic,
                payload: payload.clone(),
                qos: qos.min(*of),
                retain: true,
                is_sure: true,
                expires: false,
                is_held: false,
            });
        }
        body.push(qos);
        client.vehicle.as_mut().unwrap().send(&packet(0x82, &body));
        client.until(&self.fired, 9);
    }

    /// A client connects; its session must be as it left it.
    fn connect(&mut self, at: usize, may_be_clean: bool) {
        let is_clean = may_be_clean && self.dice.below(5) == 0;
        let version = self.clients[at].version;
        let expiry = match version {
            Version::V3 if is_clean => 0,
            Version::V3 => LONG,
            Version::V5 if may_be_clean => self.one(&[0, 1, LONG, LONG]),
            Version::V5 => LONG,
        };
        let delays: &[u32] = if version == Version::V5 { &[0, 1, LONG] } else { &[0] };
        let (due, delay, has_will) = (self.due("will"), self.one(delays), self.dice.below(2) == 0);
        let will = Will { topic: due.topic, payload: due.payload, delay };
        let name = self.clients[at].name.clone();
        let bytes = connect(version, &name, is_clean, expiry, has_will.then_some(&will));
        if is_clean {
            self.end_session(at);
        }
        let is_lazy = self.dice.below(4) == 0;
        let mut vehicle = Vehicle::dial(self.appliance.mqtt(), version).unwrap();
        let Packet::Whole(0x20, connack) = vehicle.greet(&bytes) else { panic!("no CONNACK") };
        let client = &mut self.clients[at];
        let is_present = connack[0] == 1;
        let may_be_over = client.session.as_ref().is_some_and(|it| it.expiry == 1);
        if !(is_present || may_be_over) {
            assert!(client.session.is_none(), "the session of {name} is lost");
        }
        assert!(!is_present || client.session.is_some(), "{name} should find nothing");
        if !is_present && client.session.is_some() {
            // The session has ended, and its will was due then.
            self.end_session(at);
        }
        let client = &mut self.clients[at];
        client.session.get_or_insert_default().expiry = expiry;
        client.vehicle = Some(vehicle);
        client.will = has_will.then_some(will);
        client.goodbye = None;
        client.is_lazy = is_lazy;
        client.settle(&self.fired);
    }

    /// A disconnected session ends now: a delayed will is published.
    fn end_session(&mut self, at: usize) {
        self.clients[at].session = None;
        if let Some(will) = self.clients[at].will.take() {
            self.fire(&will);
        }
    }

    fn fire(&mut self, will: &Will) {
        self.fired.insert(will.payload.clone());
        self.route(&Due {
            topic: will.topic,
            payload: will.payload.clone(),
            qos: 1,
            retain: false,
            is_sure: true,
            expires: false,
            is_held: false,
        });
    }

    /// A connection ends, with DISCONNECT or without.
    fn leave(&mut self, at: usize) {
        let says_goodbye = self.dice.below(2) == 0;
        let client = &mut self.clients[at];
        let mut vehicle = client.vehicle.take().unwrap();
        client.left();
        if says_goodbye {
            client.goodbye = client.will.take().map(|will| will.payload);
            vehicle.send(&[0xe0, 0]);
            vehicle.expect_close();
            return;
        }
        let name = client.name.clone();
        drop(vehicle);
        let listed = || self.appliance.cli_ok(&["session", "list", "--connected"]);
        until("its connection has ended", MINUTE, || !listed().contains(&name));
        self.wills_of(&[at]);
    }

    /// Connections have ended without DISCONNECT: their wills are due, now or later.
    fn wills_of(&mut self, left: &[usize]) {
        let mut is_short = false;
        for at in left {
            let client = &mut self.clients[*at];
            let expiry = client.session.as_ref().map_or(0, |session| session.expiry);
            let Some(will) = client.will.take() else { continue };
            match will.delay.min(expiry) {
                0 => self.fire(&will),
                1 => {
                    is_short = true;
                    self.fire(&will);
                }
                _ => client.will = Some(will),
            }
        }
        if is_short {
            self.pass_a_second();
        }
    }

    /// The process is killed and started again: sessions that are not persistent are gone.
    fn kill(&mut self) {
        self.appliance.kill_9();
        let mut left = Vec::new();
        for (at, client) in self.clients.iter_mut().enumerate() {
            let was_here = client.vehicle.is_some();
            client.left();
            // A DISCONNECT has no answer that could wait for the disk, so the will may be
            // published.
            self.fired.extend(client.goodbye.take());
            match &mut client.session {
                // Nothing of it was on disk, unless its session was persistent before: then its
                // will was on disk, and may be published.
                None => self.fired.extend(client.will.take().map(|will| will.payload)),
                Some(session) => {
                    left.extend(was_here.then_some(at));
                    let again = mem::take(&mut session.acknowledged).into_iter();
                    let again = again.map(|due| Due { is_sure: false, ..due });
                    session.due.extend(again);
                }
            }
        }
        self.appliance.start_again();
        self.wills_of(&left);
    }

    /// Lets a second pass.
    fn pass_a_second(&mut self) {
        let begun = Instant::now();
        until("a second has passed", MINUTE, || begun.elapsed() > A_SECOND);
        for at in 0..self.clients.len() {
            let client = &mut self.clients[at];
            let is_away = client.vehicle.is_none();
            let Some(session) = &mut client.session else { continue };
            // A message that was received once may be sent again: its delivery has begun.
            session.due.retain(|due| !due.expires || due.is_held);
            if is_away && session.expiry == 1 {
                self.end_session(at);
            }
        }
    }

    fn step(&mut self) {
        let at = usize::try_from(self.dice.below(CLIENTS as u64)).unwrap();
        match (self.dice.below(20), self.clients[at].vehicle.is_some()) {
            (0, _) => self.kill(),
            (1, _) => self.pass_a_second(),
            (2..14, false) => self.connect(at, true),
            (2..10, true) => self.publish(at, true),
            (10..14, true) => {
                self.subscribe(at);
                // Others publish while retained messages are being sent.
                for other in 0..CLIENTS {
                    if self.clients[other].vehicle.is_some() && self.dice.below(2) == 0 {
                        self.publish(other, false);
                    }
                }
            }
            (14..17, true) => self.leave(at),
            _ => {}
        }
        for client in self.clients.iter_mut().filter(|client| client.vehicle.is_some()) {
            client.settle(&self.fired);
        }
    }
}

fn connect(
    version: Version,
    name: &str,
    is_clean: bool,
    expiry: u32,
    will: Option<&Will>,
) -> Vec<u8> {
    let is_v5 = version == Version::V5;
    let flags = u8::from(is_clean) << 1 | if will.is_some() { 0x0c } else { 0 };
    let mut body = [&text("MQTT")[..], &[if is_v5 { 5 } else { 4 }, flags, 0, 0]].concat();
    if is_v5 {
        body.extend([5, 0x11]);
        body.extend(expiry.to_be_bytes());
    }
    body.extend(text(name));
    if let Some(Will { topic, payload, delay }) = will {
        if is_v5 {
            body.extend([5, 0x18]);
            body.extend(delay.to_be_bytes());
        }
        body.extend(text(topic));
        body.extend(text(payload));
    }
    packet(0x10, &body)
}

#[test]
fn random_clients_find_what_they_left_through_kills_and_time() {
    let rounds = env::var("FLEETLINE_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    for _ in 0..rounds.unwrap_or(3) {
        let dice = Dice::new();
        let (_store, appliance) = start(|setup| setup.set("telemetry.sys-interval", "0s"));
        let client = |(at, version): (usize, &Version)| Client {
            name: format!("client-{at}"),
            version: *version,
            vehicle: None,
            will: None,
            goodbye: None,
            session: None,
            is_lazy: false,
            last: BTreeMap::new(),
        };
        let versions = [Version::V3, Version::V5, Version::V5, Version::V3];
        let clients = versions.iter().enumerate().map(client).collect();
        let (retained, fired) = (BTreeMap::new(), BTreeSet::new());
        let mut world = World { appliance, clients, retained, fired, number: 0, dice };
        for _ in 0..STEPS {
            world.step();
        }
        // Anything that should not be delivered would arrive now.
        for client in world.clients.iter_mut().filter(|client| client.vehicle.is_some()) {
            while client.read(&world.fired, MOMENT).is_some() {}
        }
        world.appliance.stats();
    }
}
