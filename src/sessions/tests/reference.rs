//! A simple implementation of the table without a disk: the reference for the journal.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{Opened, Outcome, QueueOverflow, options::Options},
    rig::second,
};

/// One change of a test; messages are numbers, which are also in their payloads.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Open {
        key: u8,
        is_clean: bool,
        expiry: u32,
        will: Option<(u64, u32)>,
    },
    Close {
        session: u64,
        epoch: u64,
        expiry: u32,
        with_will: bool,
        sent: u64,
    },
    End {
        session: u64,
    },
    Subscribe {
        session: u64,
        filter: u8,
        options: u8,
    },
    Unsubscribe {
        session: u64,
        filter: u8,
    },
    Publish {
        message: u64,
        retained: Option<(u8, u64)>,
        received: Option<(u64, u16)>,
        will: u64,
        to: Vec<(u64, bool)>,
    },
    Done {
        session: u64,
        number: u64,
    },
    Released {
        session: u64,
        number: u64,
    },
    Completed {
        session: u64,
        packet_id: u16,
    },
    Forget {
        topic: u8,
        number: u64,
    },
}

/// A step and what the table decided about it.
#[derive(Clone, Debug)]
pub(super) struct Decided {
    pub(super) step: Step,
    pub(super) at: u64,
    pub(super) opened: Opened,
    /// For each delivery: its number, and that of the displaced message.
    pub(super) numbers: Vec<(Option<u64>, Option<u64>)>,
    pub(super) ended: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) key: u8,
    pub(super) epoch: u64,
    pub(super) expiry: u32,
    /// `None` while it is connected.
    pub(super) away_since: Option<u64>,
    pub(super) subscriptions: BTreeMap<u8, u8>,
    pub(super) received: BTreeSet<u16>,
    pub(super) will: u64,
    pub(super) next: u64,
    pub(super) sent: u64,
    /// By number: the message, or `None` after its PUBREC.
    pub(super) queue: BTreeMap<u64, Option<u64>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KnownWill {
    pub(super) message: u64,
    pub(super) delay: u32,
    pub(super) due: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) sessions: BTreeMap<u64, Known>,
    pub(super) retained: BTreeMap<u8, (u64, u64)>,
    pub(super) wills: BTreeMap<u64, KnownWill>,
}

impl Reference {
    /// Checks a decision of the table.
    pub(super) fn decided(
        &self,
        step: Step,
        at: u64,
        outcome: &Outcome,
        options: &Options,
        is_full: bool,
    ) -> Decided {
        let mut decided =
            Decided { step, at, opened: Opened::default(), numbers: Vec::new(), ended: Vec::new() };
        match outcome {
            Outcome::Opened(opened) => decided.opened = (**opened).clone(),
            Outcome::Published(published) => {
                let Step::Publish { to, message, .. } = &decided.step else {
                    panic!("{decided:?}")
                };
                assert_eq!(published.deliveries.len(), to.len());
                let mut so_far = self.clone();
                decided.ended = published.ended.iter().map(|ended| ended.session).collect();
                for (placed, (session, may_wait)) in published.deliveries.iter().zip(to) {
                    assert_eq!(placed.session, *session);
                    so_far.check(placed.number, (*session, *message), *may_wait, options, is_full);
                    let overtaken = placed.overtaken.inspect(|overtaken| {
                        let known = &so_far.sessions[session];
                        let mut waiting = known.queue.range(known.first_waiting()..);
                        let may_go = |queued: Option<u64>| queued.is_some_and(|it| !is_command(it));
                        let oldest = waiting.find(|(_, queued)| may_go(**queued)).unwrap().0;
                        assert_eq!(oldest, overtaken);
                    });
                    let known = so_far.sessions.get_mut(session);
                    if let (Some(known), Some(number)) = (known, placed.number) {
                        assert_eq!(number, known.next, "SE-2");
                        overtaken.map(|number| known.queue.remove(&number));
                        known.queue.insert(number, Some(*message));
                        known.next += 1;
                    }
                    if decided.ended.contains(session) {
                        so_far.sessions.remove(session);
                    }
                    decided.numbers.push((placed.number, overtaken));
                }
            }
            Outcome::Done | Outcome::Ended(_) => {}
        }
        decided
    }

    /// A delivery is refused only because of a bound, and accepted only within it or if the
    /// publisher waits.
    fn check(
        &self,
        number: Option<u64>,
        (session, message): (u64, u64),
        may_wait: bool,
        options: &Options,
        is_full: bool,
    ) {
        let Some(known) = self.sessions.get(&session) else {
            assert_eq!(number, None, "there is no such session");
            return;
        };
        let within = known.queue.len() < options.queue_messages_max;
        if number.is_some() {
            let waits = may_wait && known.away_since.is_none();
            let makes_room = options.overflow == QueueOverflow::DropOldest;
            assert!(!is_full && (within || waits || makes_room || is_command(message)));
        } else {
            // Bytes are also bounded, far above the size of these messages.
            assert!(is_full || !within && !is_command(message), "refused without a reason");
        }
    }

    /// Applies a step as it was decided.
    pub(super) fn apply(&mut self, decided: &Decided) {
        let at = decided.at;
        match &decided.step {
            Step::Open { key, expiry, will, .. } => self.open(*key, *expiry, *will, decided),
            Step::Close { session, epoch, expiry, with_will, sent } => {
                self.close((*session, *epoch), *expiry, *with_will, *sent, at);
            }
            Step::End { session } => self.end(*session, at),
            Step::Subscribe { session, filter, options } => {
                if let Some(known) = self.sessions.get_mut(session) {
                    known.subscriptions.insert(*filter, *options);
                }
            }
            Step::Unsubscribe { session, filter } => {
                if let Some(known) = self.sessions.get_mut(session) {
                    known.subscriptions.remove(filter);
                }
            }
            Step::Publish { message, retained, received, will, to } => {
                if let Some((session, packet_id)) = received
                    && let Some(known) = self.sessions.get_mut(session)
                {
                    known.received.insert(*packet_id);
                }
                self.wills.remove(will);
                if let Some((topic, number)) = retained {
                    self.retain(*topic, Some(*message), *number);
                }
                for ((session, _), (number, overtaken)) in to.iter().zip(&decided.numbers) {
                    if let (Some(number), Some(known)) = (number, self.sessions.get_mut(session)) {
                        overtaken.map(|number| known.queue.remove(&number));
                        if known.queue.is_empty() {
                            known.sent = *number;
                        }
                        known.queue.insert(*number, Some(*message));
                        known.next = number + 1;
                    } else if decided.ended.contains(session) && number.is_none() {
                        let at = self.sessions.get(session).and_then(|known| known.away_since);
                        self.end(*session, at.unwrap_or(0));
                    }
                }
            }
            Step::Done { session, number } => {
                if let Some(known) = self.sessions.get_mut(session) {
                    known.queue.remove(number);
                }
            }
            Step::Released { session, number } => {
                if let Some(known) = self.sessions.get_mut(session) {
                    known.queue.entry(*number).and_modify(|message| *message = None);
                }
            }
            Step::Completed { session, packet_id } => {
                if let Some(known) = self.sessions.get_mut(session) {
                    known.received.remove(packet_id);
                }
            }
            Step::Forget { topic, number } => self.retain(*topic, None, *number),
        }
    }

    fn retain(&mut self, topic: u8, message: Option<u64>, number: u64) {
        if self.retained.get(&topic).is_some_and(|(known, _)| *known > number) {
            return;
        }
        match message {
            Some(message) => self.retained.insert(topic, (number, message)),
            None => self.retained.remove(&topic),
        };
    }

    fn open(&mut self, key: u8, expiry: u32, will: Option<(u64, u32)>, decided: &Decided) {
        let (at, opened) = (decided.at, &decided.opened);
        if let Some(ended) = &opened.ended {
            self.end(ended.session, at);
        }
        let id = opened.session;
        if id == 0 {
            return;
        }
        // The frame that ended another session with this key may be lost.
        let same = self.sessions.iter().find(|(known, other)| **known != id && other.key == key);
        if let Some(other) = same.map(|(other, _)| *other) {
            self.end(other, at);
        }
        let known = self.sessions.entry(id).or_insert_with(|| Known {
            key,
            epoch: 0,
            expiry,
            away_since: None,
            subscriptions: BTreeMap::new(),
            received: BTreeSet::new(),
            will: 0,
            next: 1,
            sent: 1,
            queue: BTreeMap::new(),
        });
        (known.epoch, known.expiry, known.away_since) = (opened.epoch, expiry, None);
        let old = std::mem::replace(&mut known.will, opened.will);
        if self.wills.get(&old).is_some_and(|will| will.due.is_some_and(|due| due > at)) {
            self.wills.remove(&old);
        }
        if let Some((message, delay)) = will {
            self.wills.insert(opened.will, KnownWill { message, delay, due: None });
        }
    }

    fn close(
        &mut self,
        (session, epoch): (u64, u64),
        expiry: u32,
        with_will: bool,
        sent: u64,
        at: u64,
    ) {
        let Some(known) = self.sessions.get_mut(&session).filter(|known| known.epoch == epoch)
        else {
            return;
        };
        known.away_since = Some(at);
        known.expiry = expiry;
        let first = known.queue.keys().next().copied().unwrap_or(known.next);
        known.sent = sent.clamp(first, known.next);
        let will = known.will;
        if with_will {
            if let Some(will) = self.wills.get_mut(&will) {
                will.due = Some(at + u64::from(will.delay.min(expiry)));
            }
        } else {
            self.wills.remove(&will);
        }
        if expiry == 0 {
            self.end(session, at);
        }
    }

    fn end(&mut self, session: u64, at: u64) {
        let Some(known) = self.sessions.remove(&session) else { return };
        if let Some(will) = self.wills.get_mut(&known.will) {
            will.due = Some(will.due.map_or(at, |due| due.min(at)));
        }
    }

    /// The process has ended, and another one has started.
    pub(super) fn restart(&mut self, at: u64) {
        let live: Vec<(u64, u64, u32, u64)> = self
            .sessions
            .iter()
            .filter(|(_, known)| known.away_since.is_none())
            .map(|(id, known)| (*id, known.epoch, known.expiry, known.next))
            .collect();
        for (id, epoch, expiry, next) in live {
            self.close((id, epoch), expiry, true, next, at);
        }
        for will in self.wills.values_mut() {
            will.due.get_or_insert(at);
        }
    }

    /// The state on which later behaviour depends.
    pub(super) fn normal(mut self, now: u64) -> Self {
        let live: BTreeSet<u64> = self
            .sessions
            .values()
            .filter(|known| known.away_since.is_none())
            .map(|known| known.will)
            .collect();
        for (id, will) in &mut self.wills {
            if live.contains(id) {
                will.due = None;
            } else if will.due.is_none_or(|due| due <= now) {
                will.due = Some(now);
            }
        }
        for known in self.sessions.values_mut() {
            // The sent number is compared only for disconnected sessions and existing messages.
            let first = known.queue.keys().next().copied().unwrap_or(known.next);
            known.sent = match known.away_since {
                Some(_) => known.sent.clamp(first, known.next),
                None => 0,
            };
        }
        self
    }
}

/// Whether a message is a command: its queue always takes it.
pub(super) fn is_command(message: u64) -> bool {
    message.is_multiple_of(4)
}

impl Known {
    /// The first number that was not sent.
    fn first_waiting(&self) -> u64 {
        let first = self.queue.keys().next().copied().unwrap_or(self.next);
        match self.away_since {
            Some(_) => self.sent.max(first),
            None => self.sent.max(first + 1024),
        }
    }
}

/// A time in seconds, to compare.
pub(super) fn seconds(at: crate::model::UnixNanos) -> u64 {
    (0..).find(|number| second(*number) >= at).unwrap()
}
