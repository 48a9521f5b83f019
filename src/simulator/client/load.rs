//! The loop: phases, deadlines, and which connections are served next.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mio::{Events, Poll};
use thiserror::Error;

use super::{
    super::{Logins, drive::Chance, obey::Repertoire, script::Script},
    AckLog, AudienceOptions, Counts, Latencies, Outcome, Pace,
    audience::Audience,
    link::{Link, Sources, State, raise_descriptor_limit},
    pace::Slots,
    stream::Layers,
};
use crate::{
    env::Clock,
    mqtt::wire::{Qos, Version},
};

/// Events of one turn.
const EVENTS_MAX: usize = 1024;
/// The maximum wait of a turn, so that a stop is noticed.
const TURN_MAX: Duration = Duration::from_millis(100);
/// Slots assigned in one turn; if the loop is behind schedule, it reads answers in between.
const SLOTS_A_TURN: usize = 4096;
/// The maximum time of a handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Bytes of one read; the largest packet to a subscriber is smaller.
pub(super) const INPUT_BYTES: usize = 64 * 1024;
/// Deliveries that are missing this long after the last one count as lost.
const SETTLED_AFTER: Duration = Duration::from_secs(2);
/// File descriptors that are not connections.
const DESCRIPTORS_SPARE: u64 = 64;

/// What to publish, and where.
#[derive(Clone, Debug)]
pub(crate) struct LoadOptions {
    pub(crate) target: SocketAddr,
    pub(crate) version: Version,
    pub(crate) qos: Qos,
    /// Messages of one vehicle that may be unacknowledged.
    pub(crate) window: usize,
    pub(crate) pace: Pace,
    /// How long new messages are sent; `None`: until the script ends.
    pub(crate) duration: Option<Duration>,
    /// New connections a second, including reconnects.
    pub(crate) connect_rate: f64,
    /// The additional time for the fleet to connect, over the time from the connect rate.
    pub(crate) connect_max: Duration,
    /// The maximum wait for the last acknowledgements.
    pub(crate) drain_max: Duration,
    pub(crate) keep_alive_secs: u16,
    pub(crate) logins: Logins,
    /// The layers over TCP.
    pub(crate) layers: Layers,
    pub(crate) seed: u64,
    /// Messages of each vehicle that are due before those of the rate: its history.
    pub(crate) backlog: u64,
    /// The subscribers, if any.
    pub(crate) audience: Option<AudienceOptions>,
    /// What vehicles do with commands; `None`: they do not subscribe to them.
    pub(crate) commands: Option<Arc<Repertoire>>,
}

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Connecting,
    Publishing,
    Draining,
}

/// Observes a run.
pub(crate) trait Watch {
    /// A phase begins.
    fn phase(&mut self, phase: Phase, counts: &Counts);
    /// About ten times a second.
    fn tick(&mut self, counts: &Counts, latencies: &Latencies);
}

/// Why a run could not continue.
#[derive(Debug, Error)]
pub(crate) enum LoadError {
    /// The system gave no epoll instance.
    #[error("cannot wait for connections")]
    Poll(#[source] io::Error),
    /// More vehicles and subscribers than descriptors. Raise the limit (`ulimit -n`) or start
    /// several sources.
    #[error("{connections} connections need more descriptors than the {limit} that are allowed")]
    Descriptors { connections: usize, limit: u64 },
    /// No vehicle could connect. Check the address, and that the server runs.
    #[error("no vehicle could connect to {target}: {trouble}")]
    NobodyConnected { target: SocketAddr, trouble: String },
    /// The file of acknowledgements cannot be written.
    #[error("cannot write the acknowledgement log")]
    AckLog(#[source] io::Error),
}

/// A running fleet.
#[derive(Debug)]
pub(crate) struct Load<'a> {
    pub(super) options: LoadOptions,
    pub(super) script: &'a dyn Script,
    pub(super) clock: &'a dyn Clock,
    pub(super) poll: Poll,
    /// The vehicles' links, then those of the audience.
    pub(super) links: Vec<Link>,
    pub(super) audience: Option<Audience>,
    pub(super) sources: Sources,
    pub(super) counts: Counts,
    pub(super) latencies: Latencies,
    pub(super) ack_log: Option<AckLog>,
    pub(super) phase: Phase,
    /// When publishing began.
    pub(super) started: u64,
    slots: Slots,
    /// The times at which vehicles will connect.
    pub(super) calls: BinaryHeap<Reverse<(u64, usize)>>,
    /// The times at which vehicles complete a command.
    pub(super) errands: BinaryHeap<Reverse<(u64, usize)>>,
    /// How many connections may be started now, with a fraction.
    credit: f64,
    credited: u64,
    /// Vehicles that stopped because of the size of a write, not for lack of messages.
    pub(super) unfinished: Vec<usize>,
    pub(super) tried: usize,
    pub(super) late_max: u64,
    pub(super) chance: Chance,
    pub(super) trouble: Option<String>,
    pub(super) input: Vec<u8>,
    pub(super) output: Vec<u8>,
    swept: u64,
    ticked: u64,
}

impl<'a> Load<'a> {
    pub(crate) fn new(
        options: LoadOptions,
        script: &'a dyn Script,
        ack_log: Option<AckLog>,
        clock: &'a dyn Clock,
    ) -> Result<Self, LoadError> {
        let vehicles = script.parts().len();
        let audience = options.audience.clone();
        let is_unasked = options.qos == Qos::AtMostOnce;
        let audience = audience.map(|who| Audience::new(who, script.parts(), is_unasked));
        let connections = vehicles + audience.as_ref().map_or(0, Audience::subscribers);
        let limit = raise_descriptor_limit();
        let needed = u64::try_from(connections).unwrap_or(u64::MAX);
        if needed.saturating_add(DESCRIPTORS_SPARE) > limit {
            return Err(LoadError::Descriptors { connections, limit });
        }
        let rate = if let Pace::Rate(rate) = options.pace { rate } else { 0.0 };
        Ok(Self {
            poll: Poll::new().map_err(LoadError::Poll)?,
            links: (0..connections).map(|_| Link::new(options.qos)).collect(),
            audience,
            sources: Sources::for_target(options.target, connections),
            counts: Counts::default(),
            latencies: Latencies::new(),
            ack_log,
            phase: Phase::Connecting,
            started: 0,
            slots: Slots::new(vehicles, rate),
            calls: (0..connections).map(|vehicle| Reverse((0, vehicle))).collect(),
            errands: BinaryHeap::new(),
            credit: 1.0,
            credited: 0,
            unfinished: Vec::new(),
            tried: 0,
            late_max: 0,
            chance: Chance::new(options.seed, 1 << 63),
            trouble: None,
            input: vec![0; INPUT_BYTES],
            output: Vec::with_capacity(64 * 1024),
            swept: 0,
            ticked: 0,
            options,
            script,
            clock,
        })
    }

    /// Runs until the script or the time ends, or `stop` is set.
    pub(crate) fn run(
        mut self,
        stop: &AtomicBool,
        watch: &mut dyn Watch,
    ) -> Result<Outcome, LoadError> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let begun = self.now();
        self.credited = begun;
        watch.phase(Phase::Connecting, &self.counts);
        while self.phase == Phase::Connecting && !stop.load(Ordering::Relaxed) {
            self.turn(&mut events, watch)?;
            let waited = self.now() - begun;
            if self.tried == self.links.len() || waited > self.connect_nanos_max() {
                break;
            }
        }
        if self.counts.connected == 0 && !stop.load(Ordering::Relaxed) {
            let trouble = self.trouble.take().unwrap_or_else(|| "no answer".to_owned());
            return Err(LoadError::NobodyConnected { target: self.options.target, trouble });
        }
        self.started = self.now();
        self.phase = Phase::Publishing;
        watch.phase(Phase::Publishing, &self.counts);
        for link in &mut self.links {
            link.owed = self.options.backlog;
        }
        self.unfinished.extend(0..self.links.len());
        let duration = self.options.duration.map_or(u64::MAX, nanos);
        while !stop.load(Ordering::Relaxed)
            && self.now() - self.started < duration
            && !self.is_finished()
        {
            self.turn(&mut events, watch)?;
        }
        let stopped = stop.load(Ordering::Relaxed);
        let ended = self.now();
        let acknowledged_in_time = self.counts.acknowledged;
        self.phase = Phase::Draining;
        watch.phase(Phase::Draining, &self.counts);
        let drain = nanos(self.options.drain_max);
        while !self.is_drained() && self.now() - ended < drain {
            self.turn(&mut events, watch)?;
        }
        let drained = self.now();
        let deliveries = self.audience.take().map(Audience::finish);
        self.say_goodbye();
        if let Some(log) = &mut self.ack_log {
            log.flush().map_err(LoadError::AckLog)?;
        }
        Ok(Outcome {
            counts: self.counts,
            latencies: self.latencies,
            connecting: Duration::from_nanos(self.started - begun),
            publishing: Duration::from_nanos(ended - self.started),
            draining: Duration::from_nanos(drained - ended),
            acknowledged_in_time,
            late_max: Duration::from_nanos(self.late_max),
            messages_max: self.links.iter().map(|link| link.session.begun()).max().unwrap_or(0),
            stopped,
            deliveries,
            last_trouble: self.trouble,
        })
    }

    pub(super) fn now(&self) -> u64 {
        nanos(self.clock.monotonic())
    }

    fn turn(&mut self, events: &mut Events, watch: &mut dyn Watch) -> Result<(), LoadError> {
        let now = self.now();
        self.connect_due(now);
        self.run_errands(now);
        self.publish_due(now)?;
        if now - self.swept >= 1_000_000_000 {
            self.swept = now;
            self.sweep(now);
        }
        if now - self.ticked >= 100_000_000 {
            self.ticked = now;
            watch.tick(&self.counts, &self.latencies);
        }
        let wait = self.wait(now);
        match self.poll.poll(events, Some(wait)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(LoadError::Poll(error)),
        }
        for event in &*events {
            self.on_event(event)?;
        }
        Ok(())
    }

    /// The time until the next event is due.
    fn wait(&self, now: u64) -> Duration {
        if !self.unfinished.is_empty() {
            return Duration::ZERO;
        }
        let mut due = now.saturating_add(nanos(TURN_MAX));
        if let Some(Reverse((at, _))) = self.calls.peek()
            && self.credit >= 1.0
        {
            due = due.min(*at);
        } else if !self.calls.is_empty() {
            due = due.min(now + 1_000_000);
        }
        if let Some(Reverse((at, _))) = self.errands.peek() {
            due = due.min(*at);
        }
        if self.phase == Phase::Publishing {
            match self.options.pace {
                Pace::Rate(_) => due = due.min(self.started.saturating_add(self.slots.due_at())),
                Pace::Recorded { .. } => due = due.min(now + 1_000_000),
                Pace::Window => {}
            }
            if let Some(duration) = self.options.duration {
                due = due.min(self.started.saturating_add(nanos(duration)));
            }
        }
        Duration::from_nanos(due.saturating_sub(now))
    }

    fn connect_due(&mut self, now: u64) {
        let rate = self.options.connect_rate;
        let earned = Duration::from_nanos(now - self.credited).as_secs_f64() * rate;
        self.credited = now;
        self.credit = (self.credit + earned).min((rate / 100.0).max(1.0));
        while let Some(&Reverse((at, vehicle))) = self.calls.peek() {
            if at > now || self.credit < 1.0 {
                return;
            }
            self.calls.pop();
            self.credit -= 1.0;
            self.connect(vehicle, now);
        }
    }

    fn publish_due(&mut self, now: u64) -> Result<(), LoadError> {
        if self.phase != Phase::Publishing {
            self.unfinished.clear();
            return Ok(());
        }
        for vehicle in std::mem::take(&mut self.unfinished) {
            self.publish(vehicle, now);
        }
        match self.options.pace {
            Pace::Window => {}
            Pace::Rate(_) => {
                for _ in 0..SLOTS_A_TURN {
                    let Some(vehicle) = self.slots.take(now - self.started) else { break };
                    self.links[vehicle].owed += 1;
                    self.publish(vehicle, now);
                }
            }
            Pace::Recorded { .. } => {
                for vehicle in 0..self.links.len() {
                    self.publish(vehicle, now);
                }
            }
        }
        Ok(())
    }

    /// Once a second: handshakes that take too long, and connections that were idle too long.
    fn sweep(&mut self, now: u64) {
        let quiet_max = u64::from(self.options.keep_alive_secs) * 600_000_000;
        for vehicle in 0..self.links.len() {
            let link = &self.links[vehicle];
            match link.state {
                State::Connecting { since } | State::Greeting { since }
                    if now - since > nanos(HANDSHAKE_MAX) =>
                {
                    self.lose(vehicle, "no answer to CONNECT", now);
                }
                State::Live if quiet_max > 0 && now - link.last_sent > quiet_max => {
                    self.ping(vehicle, now);
                }
                _ => {}
            }
        }
    }

    /// Whether the next message of a vehicle is due.
    pub(super) fn is_due(&self, vehicle: usize, now: u64) -> bool {
        let link = &self.links[vehicle];
        match self.options.pace {
            Pace::Window => true,
            Pace::Rate(_) => link.owed > 0,
            Pace::Recorded { speed } => {
                let at = self.script.recorded_at(vehicle, link.session.begun());
                at.is_some_and(|at| {
                    let at = Duration::from_nanos(at).as_secs_f64();
                    at <= Duration::from_nanos(now - self.started).as_secs_f64() * speed
                })
            }
        }
    }

    /// Records the delay of a message at a fixed rate.
    pub(super) fn note_late(&mut self, vehicle: usize, message: u64, now: u64) {
        if let Pace::Rate(_) = self.options.pace
            && let Some(of_rate) = message.checked_sub(self.options.backlog)
        {
            let due = self.started + self.slots.due_of(vehicle, of_rate);
            self.late_max = self.late_max.max(now.saturating_sub(due));
        }
    }

    /// Whether a finite script was published and acknowledged completely.
    fn is_finished(&self) -> bool {
        let Some(total) = self.script.total() else { return false };
        self.counts.published == total && self.is_drained()
    }

    fn is_drained(&self) -> bool {
        let is_settled =
            |audience: &Audience| audience.is_settled(self.now(), nanos(SETTLED_AFTER));
        self.counts.open == 0
            && self.links.iter().all(|link| !link.has_unsent() && !link.owes_receipts())
            && self.audience.as_ref().is_none_or(is_settled)
    }

    fn connect_nanos_max(&self) -> u64 {
        let vehicles = u32::try_from(self.links.len()).unwrap_or(u32::MAX);
        let needed = Duration::from_secs_f64(f64::from(vehicles) / self.options.connect_rate);
        nanos(self.options.connect_max.saturating_add(needed))
    }
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
