//! The journal against a naive reference, over random histories on a disk that forgets.
//!
//! A history follows from a seed: groups of changes, power cuts before and after their sync, faults
//! of the disk at any call, a full disk, restarts, fetched pieces of queues. The journal is tiny,
//! so that rotation, snapshots, moving and "full" happen all the time. After each group and each
//! restart the journal must hold exactly what the reference holds, including messages read from
//! disk; after a power cut, with or without each frame that was not synced (SE-1). A failure shows
//! its seed. `FLEETLINE_TEST_SESSION_SEEDS` sets the number of seeds.

use std::{collections::BTreeMap, io, sync::Arc};

use super::{
    super::{
        Change, Closing, Content, Delivery, Open, Publish, QueueOverflow, StoredMessage, Terms,
        WillFate,
        blocks::Blocks,
        table::{EntryState, parts},
    },
    reference::{Decided, Known, KnownWill, Reference, Step, is_command, seconds},
    rig::{OpenJournal, live, options, second},
};
use crate::{
    env::{
        disk::Disk,
        sim::{Call, Fault, SimDisk},
    },
    spool::Maintenance,
};

/// The number of seeds of an ordinary run.
const SEEDS: u64 = 300;
/// The number of steps in one history.
const STEPS: usize = 60;

/// Random numbers by seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}

struct World {
    dice: Dice,
    disk: SimDisk,
    options: super::super::Options,
    journal: OpenJournal,
    /// What is durable.
    durable: Reference,
    /// What was decided, durable or not.
    seen: Reference,
    /// The difference between them, frame by frame.
    pending: Vec<Vec<Decided>>,
    now: u64,
    next_message: u64,
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how many seeds is the caller's choice")]
fn the_journal_always_holds_what_was_answered_and_nothing_else() {
    let asked = std::env::var("FLEETLINE_TEST_SESSION_SEEDS").ok();
    let seeds = asked.and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    for seed in 0..seeds {
        let told = std::panic::catch_unwind(|| World::new(seed).run());
        assert!(told.is_ok(), "seed {seed}");
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let overflows =
            [QueueOverflow::Refuse, QueueOverflow::DropOldest, QueueOverflow::EndSession];
        let bytes_max = [64 << 10, 256 << 10][usize::try_from(dice.below(2)).unwrap()];
        let overflow = overflows[usize::try_from(dice.below(3)).unwrap()];
        let options = super::super::Options { overflow, ..options(bytes_max) };
        let disk = SimDisk::new();
        let journal = OpenJournal::begin(&disk, &options, second(1)).unwrap();
        let (durable, seen) = (Reference::default(), Reference::default());
        Self {
            dice,
            disk,
            options,
            journal,
            durable,
            seen,
            pending: Vec::new(),
            now: 1,
            next_message: 1,
        }
    }

    fn run(mut self) {
        for _ in 0..STEPS {
            self.now += self.dice.below(3);
            match self.dice.below(20) {
                0 => self.crash(),
                1 => self.restart(),
                2 => self.fault(),
                3 => {
                    let room =
                        self.dice.one_in(2).then(|| self.disk.used() + self.dice.below(9000));
                    self.disk.set_capacity(room);
                }
                4 => self.take_wills(),
                5 | 6 => self.fetch(),
                _ => self.group(),
            }
        }
        self.disk.set_capacity(None);
        self.crash();
        self.group();
    }

    /// Appends a few changes; usually they are synced and answered, sometimes the power is cut.
    fn group(&mut self) {
        let mut waits = false;
        for _ in 0..=self.dice.below(3) {
            let mut change = self.journal.change();
            let steps = self.steps();
            for (ticket, step) in (0..).zip(&steps) {
                write(&mut change, step, self.now, ticket);
            }
            match self.journal.has_room(&mut change) {
                Some(true) => {}
                // It waits; earlier changes are answered, and maintenance frees room.
                Some(false) => {
                    waits = true;
                    break;
                }
                None => return self.crash(),
            }
            let is_full = self.journal.shared.is_full();
            let is_appended = self.journal.append(&mut change);
            let mut frame = Vec::new();
            for (step, outcome) in steps.into_iter().zip(change.outcomes()) {
                let decided = self.seen.decided(step, self.now, outcome, &self.options, is_full);
                self.seen.apply(&decided);
                frame.push(decided);
            }
            self.pending.push(frame);
            if !is_appended {
                return self.crash();
            }
        }
        if self.dice.one_in(6) {
            return self.crash();
        }
        if self.journal.writer.sync().is_err() {
            return self.crash();
        }
        self.durable = self.seen.clone();
        self.pending.clear();
        if self.journal.maintenance.maintain(&mut self.journal.writer).is_err() {
            return self.crash();
        }
        // A comparison of everything takes longer than the rest of the test.
        if self.dice.one_in(4) {
            self.compare();
        }
        if waits && self.dice.one_in(2) {
            self.disk.set_capacity(None);
        }
    }

    fn crash(&mut self) {
        self.disk.crash(self.dice.next());
        self.begin();
    }

    /// Stops the process in order, or kills it.
    fn restart(&mut self) {
        if self.dice.one_in(2) {
            self.journal.maintenance.close(&mut self.journal.writer);
        }
        self.begin();
    }

    /// Opens the journal: it must have what was durable, and each later frame completely or not at
    /// all.
    fn begin(&mut self) {
        let fresh = SimDisk::new();
        let parked = OpenJournal::begin(&fresh, &self.options, second(1)).unwrap();
        drop(std::mem::replace(&mut self.journal, parked));
        self.disk.set_fault(None);
        // Without room the end of the connections is not recorded, and is decided again.
        self.disk.set_capacity(None);
        self.journal = OpenJournal::begin(&self.disk, &self.options, second(self.now)).unwrap();
        let found = self.look().normal(self.now);
        let pending = std::mem::take(&mut self.pending);
        let candidates = (0..1_u32 << pending.len()).map(|kept| {
            let mut candidate = self.durable.clone();
            for (place, frame) in pending.iter().enumerate() {
                if kept & (1 << place) != 0 {
                    frame.iter().for_each(|decided| candidate.apply(decided));
                }
            }
            candidate.restart(self.now);
            candidate
        });
        let candidates: Vec<Reference> = candidates.collect();
        let now = self.now;
        let normal = |candidate: &Reference| candidate.clone().normal(now);
        let matching = candidates.iter().find(|candidate| normal(candidate) == found);
        let Some(matching) = matching.cloned() else {
            let expected: Vec<Reference> = candidates.iter().map(normal).collect();
            panic!("SE-1: found {found:#?}\nnone of {expected:#?}\nafter {pending:#?}");
        };
        self.seen = matching.clone();
        self.durable = matching;
    }

    /// Makes one of the next disk operations fail.
    fn fault(&mut self) {
        let calls = [Call::WriteAllAt, Call::SyncData, Call::Create, Call::Rename, Call::SyncDir];
        let call = calls[usize::try_from(self.dice.below(calls.len() as u64)).unwrap()];
        self.disk.set_fault(Some(Fault {
            call: Some(call),
            nth: self.dice.below(6),
            error: io::ErrorKind::Other,
            is_permanent: self.dice.one_in(2),
        }));
    }

    fn take_wills(&mut self) {
        let mut blocks = Blocks::new(Arc::new(self.disk.clone()), &self.options.dir);
        let due = super::super::fetch::wills(&self.journal.shared, &mut blocks, second(self.now));
        for will in due {
            let known = &self.durable.wills[&will.will];
            assert!(known.due.is_some_and(|due| due <= self.now), "SE-5");
            for reference in [&mut self.durable, &mut self.seen] {
                reference.wills.get_mut(&will.will).unwrap().due = None;
            }
        }
    }

    /// Fetched pieces of a queue must have its content.
    fn fetch(&mut self) {
        let mut here = self.seen.sessions.iter().filter(|(_, known)| known.away_since.is_none());
        let Some((session, known)) = here.next_back() else { return };
        let (session, known) = (*session, known.clone());
        let mut from = 0;
        let mut found = BTreeMap::new();
        while from < known.next {
            let piece = self.journal.fetch(session, from, known.next, 100);
            assert!(piece.next > from);
            from = piece.next;
            for fetched in piece.entries {
                let message = match &fetched.content {
                    Content::Message(bytes) => Some(number_of(bytes)),
                    Content::Released(_) => None,
                    Content::Lost => panic!("nothing is damaged"),
                };
                found.insert(fetched.number, message);
            }
        }
        assert_eq!(found, known.queue);
    }

    fn compare(&self) {
        let found = self.look().normal(self.now);
        assert_eq!(found, self.seen.clone().normal(self.now));
    }

    /// The whole content of the journal.
    fn look(&self) -> Reference {
        // The disk's fault is meant for the journal, and not for this comparison.
        let disk: Arc<dyn Disk> = Arc::new(self.disk.copy());
        let mut blocks = Blocks::new(disk, &self.options.dir);
        let table = self.journal.shared.table();
        let mut read =
            |message: u32| number_of(&blocks.read(table.messages.block(message)).unwrap());
        let mut found = Reference::default();
        for (id, session) in table.each_session() {
            let facts = table.facts(id).unwrap();
            let queue = session.queued(0).map(|queued| {
                let is_open = queued.state == EntryState::Open;
                (queued.number, is_open.then(|| read(queued.message)))
            });
            let queue: BTreeMap<u64, Option<u64>> = queue.collect();
            assert_eq!(queue.len() as u64, facts.queued);
            let subscriptions = session.subscriptions().iter();
            found.sessions.insert(
                id,
                Known {
                    key: facts.client_id.parse().unwrap(),
                    epoch: session.epoch,
                    expiry: session.expiry,
                    away_since: facts.live.err().map(seconds),
                    subscriptions: subscriptions
                        .map(|(filter, terms)| (filter.parse().unwrap(), terms.options))
                        .collect(),
                    received: session.received().collect(),
                    will: session.will,
                    next: session.next,
                    sent: session.sent(),
                    queue,
                },
            );
        }
        for (topic, number, message) in table.retained() {
            found.retained.insert(topic.parse().unwrap(), (number, read(message)));
        }
        for (id, message, delay, due, key) in table.each_will() {
            assert!(parts(key).1.parse::<u8>().is_ok());
            let message = read(message);
            found.wills.insert(id, KnownWill { message, delay, due: due.map(seconds) });
        }
        let queued: u64 = found.sessions.values().map(|known| known.queue.len() as u64).sum();
        assert_eq!(table.counts(), (found.sessions.len(), queued));
        found
    }

    /// A few steps, most of them about existing sessions and messages.
    fn steps(&mut self) -> Vec<Step> {
        // Each is made for the state before all of them: those that do not fit any more do nothing.
        (0..=self.dice.below(4)).map(|_| self.step()).collect()
    }

    fn session(&mut self) -> (u64, Option<Known>) {
        let count = self.seen.sessions.len() as u64;
        if count == 0 || self.dice.one_in(20) {
            return (self.dice.below(5), None);
        }
        let place = usize::try_from(self.dice.below(count)).unwrap();
        let (id, known) = self.seen.sessions.iter().nth(place).unwrap();
        (*id, Some(known.clone()))
    }

    fn message(&mut self) -> u64 {
        self.next_message += 1;
        self.next_message
    }

    fn step(&mut self) -> Step {
        let (session, known) = self.session();
        let filter = u8::try_from(self.dice.below(4)).unwrap();
        match self.dice.below(24) {
            0..=2 => {
                let message = self.message();
                let delay = u32::try_from(self.dice.below(8)).unwrap();
                Step::Open {
                    key: u8::try_from(self.dice.below(6)).unwrap(),
                    is_clean: self.dice.one_in(4),
                    expiry: u32::try_from(self.dice.below(60)).unwrap(),
                    will: self.dice.one_in(2).then_some((message, delay)),
                }
            }
            3 | 4 => {
                let (epoch, next) = known.map_or((0, 0), |known| (known.epoch, known.next));
                Step::Close {
                    session,
                    epoch: epoch - u64::from(epoch > 0 && self.dice.one_in(10)),
                    expiry: u32::try_from(self.dice.below(60)).unwrap(),
                    with_will: self.dice.one_in(2),
                    sent: self.dice.below(next + 1),
                }
            }
            5 if self.dice.one_in(3) => Step::End { session },
            5 | 6 => Step::Subscribe {
                session,
                filter,
                options: u8::try_from(self.dice.below(3)).unwrap(),
            },
            7 => Step::Unsubscribe { session, filter },
            8..=13 => self.publish(),
            14 => {
                Step::Completed { session, packet_id: u16::try_from(self.dice.below(5)).unwrap() }
            }
            15 => Step::Forget { topic: filter, number: self.next_message },
            16 | 17 => Step::Released { session, number: self.number(known.as_ref()) },
            _ => Step::Done { session, number: self.number(known.as_ref()) },
        }
    }

    fn number(&mut self, known: Option<&Known>) -> u64 {
        let Some(known) = known else { return self.dice.below(3) };
        let numbers: Vec<u64> = known.queue.keys().copied().collect();
        if numbers.is_empty() {
            return known.next;
        }
        numbers[usize::try_from(self.dice.below(numbers.len().min(3) as u64)).unwrap()]
    }

    fn publish(&mut self) -> Step {
        let message = self.message();
        let mut to = Vec::new();
        for _ in 0..self.dice.below(5) {
            let (session, _) = self.session();
            if !to.iter().any(|(known, _)| *known == session) {
                to.push((session, self.dice.one_in(2)));
            }
        }
        let (from, _) = self.session();
        let topic = u8::try_from(self.dice.below(4)).unwrap();
        let wills: Vec<u64> = self.seen.wills.keys().copied().collect();
        let packet_id = u16::try_from(1 + self.dice.below(4)).unwrap();
        Step::Publish {
            message,
            retained: self.dice.one_in(4).then_some((topic, message)),
            received: self.dice.one_in(4).then_some((from, packet_id)),
            will: if self.dice.one_in(4) { wills.first().copied().unwrap_or(0) } else { 0 },
            to,
        }
    }
}

fn stored(topic: &str, payload: &[u8]) -> StoredMessage<'static> {
    let (topic, payload) = (topic.to_owned().leak(), payload.to_vec().leak());
    StoredMessage { qos: 1, retain: false, expires: None, topic, properties: b"", payload }
}

fn number_of(bytes: &[u8]) -> u64 {
    let message = StoredMessage::read(bytes).expect("it is whole");
    u64::from_le_bytes(message.payload[..8].try_into().unwrap())
}

/// A payload with the message's number and a few more bytes.
fn payload(message: u64) -> Vec<u8> {
    let mut payload = message.to_le_bytes().to_vec();
    payload.resize(8 + usize::try_from(message % 60).unwrap(), b'x');
    payload
}

fn write(change: &mut Change<u32>, step: &Step, now: u64, ticket: u32) {
    let at = second(now);
    match step {
        Step::Open { key, is_clean, expiry, will } => {
            let client_id = key.to_string();
            let will = will.map(|(message, delay)| (stored("w", &payload(message)), delay));
            let open = Open {
                identity: ["", "a"][usize::from(*key % 2)],
                client_id: &client_id,
                is_clean: *is_clean,
                is_anonymous: key % 2 == 0,
                expiry: *expiry,
                at,
                live: live(now),
                will,
            };
            change.open(&open, ticket);
        }
        Step::Close { session, epoch, expiry, with_will, sent } => {
            let (session, epoch, expiry) = (*session, *epoch, *expiry);
            let (with_will, sent) = (*with_will, *sent);
            let will = if with_will { WillFate::Delayed } else { WillFate::Forgotten };
            change.close(&Closing { session, epoch, at, expiry, will, sent }, ticket);
        }
        Step::End { session } => change.end(*session, at, ticket),
        Step::Subscribe { session, filter, options } => {
            change.subscribe(*session, &filter.to_string(), Terms { options: *options, id: 0 });
        }
        Step::Unsubscribe { session, filter } => {
            change.unsubscribe(*session, &filter.to_string());
        }
        Step::Publish { message, retained, received, will, to } => {
            let deliveries: Vec<Delivery<'_>> = to
                .iter()
                .map(|(session, may_wait)| Delivery {
                    session: *session,
                    qos: 1,
                    retain: false,
                    may_wait: *may_wait,
                    is_command: is_command(*message),
                    ids: if message % 3 == 0 { &[7, 8] } else { &[] },
                })
                .collect();
            let topic = retained.map_or("t".to_owned(), |(topic, _)| topic.to_string());
            let payload = payload(*message);
            let message = Some(stored(&topic, &payload));
            let retained_as = retained.map_or(0, |(_, number)| number);
            let publish = Publish {
                message,
                retained_as,
                received: *received,
                will: *will,
                deliveries: &deliveries,
            };
            change.publish(&publish, Some(ticket));
        }
        Step::Done { session, number } => change.done(*session, *number),
        Step::Released { session, number } => change.released(*session, *number, ticket),
        Step::Completed { session, packet_id } => change.completed(*session, *packet_id, ticket),
        Step::Forget { topic, number } => change.forget(&topic.to_string(), *number),
    }
}
