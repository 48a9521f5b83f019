//! The worker: what its sessions share, and its three tasks.
//!
//! Why cells: everything here is used by one thread only, by one task at a time, and never across
//! an await.

use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ntex::task::LocalWaker;
use ntex_io::types::PeerAddr;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::{
    Workers,
    deliver::Deliveries,
    early::GreetingTurns,
    mailbox::Mail,
    refusals::Refusals,
    slot::{Client, Hold, Moment, Slab, Slot, SlotKey, Socket},
    tell::Traffic,
};
use crate::{
    auth::Access,
    env::{Clock, Supervisor},
    model::{
        CommandTracker, Presence, SessionAnswer, SessionId, SessionQuestion, SilentPeers, UnixNanos,
    },
    mqtt::{
        clock::{TICK, Tick},
        commands::VehicleSessions,
        connect::Announced,
        lasting::{Lasting, Ticket},
        rate::RateLimits,
        registry::ClientRegistry,
        router::Router,
        session::SessionLimits,
        sys::SysTopics,
        vehicles::{NotKept, VehicleLimits},
    },
    sessions::{Change, Facts, OnAnswer, QueueOverflow, Sweep},
    telemetry::{DeliveryLedger, LogLimit, Metrics, ReasonLabel},
    uplink::{Answer, Intake, IntakeParts},
};

/// The limits of every connection of the edge.
#[derive(Debug)]
pub(in crate::mqtt) struct Limits {
    pub(in crate::mqtt) announced: Announced,
    /// Common to all sessions.
    pub(in crate::mqtt) session: Arc<SessionLimits>,
    pub(in crate::mqtt) vehicles: VehicleLimits,
    pub(in crate::mqtt) connect_bytes_max: usize,
    pub(in crate::mqtt) control_bytes_max: usize,
    pub(in crate::mqtt) packet_bytes_max: usize,
    pub(in crate::mqtt) connect_ticks: u32,
    pub(in crate::mqtt) connections_max: usize,
    /// The minimum time between two takeovers of a session.
    pub(in crate::mqtt) takeover_interval: Duration,
    pub(in crate::mqtt) queue_overflow: QueueOverflow,
    /// The publish rate limits of a client.
    pub(in crate::mqtt) rates: RateLimits,
    /// How long publishers wait for a full subscriber.
    pub(in crate::mqtt) queue_stall_ticks: u32,
    /// The maximum bytes that wait for subscribers, over all sessions.
    pub(in crate::mqtt) queue_memory_max: usize,
    /// The maximum bytes of one persistent session's queue in memory; the rest is only on disk.
    pub(in crate::mqtt) session_memory_max: usize,
}

/// The state that all workers share. Atomics, because each number is independent of the others.
#[derive(Debug)]
pub(in crate::mqtt) struct Shared {
    pub(in crate::mqtt) limits: Limits,
    pub(in crate::mqtt) metrics: Arc<Metrics>,
    pub(in crate::mqtt) clock: Arc<dyn Clock>,
    pub(in crate::mqtt) supervisor: Supervisor,
    /// Updated by the sessions.
    pub(in crate::mqtt) presence: Arc<Presence>,
    /// Decides what sessions may do.
    pub(in crate::mqtt) access: Arc<Access>,
    /// Which session has which client identifier.
    pub(in crate::mqtt) registry: ClientRegistry,
    /// Connections that have sent no complete packet yet.
    pub(in crate::mqtt) silent: SilentPeers<SessionId>,
    /// Connections that have started TLS and not sent their CONNECT.
    pub(in crate::mqtt) handshakes: SilentPeers<SessionId>,
    /// The mailboxes of the workers.
    pub(in crate::mqtt) workers: Arc<Workers>,
    /// Connections that are open, or whose will is not published yet.
    pub(in crate::mqtt) live: AtomicUsize,
    /// The number of assigned client identifiers.
    pub(in crate::mqtt) assigned: AtomicUsize,
    /// Finds the receivers of messages.
    pub(in crate::mqtt) router: Arc<Router>,
    /// The persistent sessions.
    pub(in crate::mqtt) lasting: Lasting,
    /// The sessions of each vehicle.
    pub(in crate::mqtt) vehicles: Arc<VehicleSessions>,
    /// Notified of commands and receipts.
    pub(in crate::mqtt) tracker: Arc<dyn CommandTracker>,
    /// Bytes that wait for subscribers, over all sessions.
    pub(in crate::mqtt) queued_bytes: AtomicUsize,
    /// How often `$SYS` is published; zero: never.
    pub(in crate::mqtt) sys_interval: Duration,
    /// The measurement of connects and disconnects.
    pub(in crate::mqtt) connectivity: Option<Box<str>>,
    /// When the edge started, on the monotonic clock.
    pub(in crate::mqtt) started: Duration,
}

/// The state of one worker.
pub(in crate::mqtt) struct Worker {
    pub(super) shared: Arc<Shared>,
    /// Its number among the workers.
    number: u16,
    pub(in crate::mqtt) slots: RefCell<Slots>,
    pub(in crate::mqtt) intake: RefCell<Intake<SlotKey>>,
    pub(super) deliveries: Deliveries,
    pub(super) delivery_ledger: Arc<DeliveryLedger>,
    /// A message was accepted since the end of the last turn.
    pub(super) dirty: Cell<bool>,
    pub(super) flush: LocalWaker,
    pub(super) draining: Cell<bool>,
    pub(super) now: Cell<Tick>,
    /// The time of day at that tick.
    pub(super) wall: Cell<UnixNanos>,
    /// The monotonic clock at that tick.
    pub(super) monotonic: Cell<Duration>,
    /// The access rules at the last check of the subscriptions.
    pub(super) rules_generation: Cell<u64>,
    /// Last lines that were not kept since the last tick, in the order of [`NotKept::ALL`].
    pub(super) not_kept: Cell<[u64; NotKept::ALL.len()]>,
    pub(super) refusals: Refusals,
    /// For retained messages without room.
    pub(super) retained_full: RefCell<LogLimit>,
    /// Bytes read and written since the last tick.
    pub(super) read: Cell<u64>,
    pub(super) written: Cell<u64>,
    /// Packets since the last tick.
    pub(super) traffic: Cell<Traffic>,
    /// The number of full queues at the last count.
    pub(super) full_queues: Cell<i64>,
    /// The topics that the first worker publishes for all workers.
    pub(super) sys: RefCell<SysTopics>,
    /// A buffer for answers on their way into a write buffer; kept for reuse.
    scratch: Cell<Vec<u8>>,
    /// Records for the journal, until the end of the turn.
    pub(super) change: Cell<Option<Box<Change<Ticket>>>>,
    /// Called with the results of the records.
    pub(super) told: OnAnswer<Ticket>,
    /// The first worker's progress in the search for expired sessions.
    pub(super) sweep: RefCell<Sweep>,
    /// The session after which the search for sessions of removed users continues.
    pub(super) unknown: RefCell<Option<Option<Facts>>>,
    /// Gives live connections precedence over greetings.
    pub(super) greeting_turns: GreetingTurns,
    /// Letters to itself, for its next turn.
    pub(super) mail: UnboundedSender<Mail>,
}

/// The sessions of a worker.
#[derive(Debug, Default)]
pub(in crate::mqtt) struct Slots {
    pub(super) slab: Slab,
    /// Sockets that are not read because of missing memory, the longest waiting first.
    pub(super) held: Vec<SlotKey>,
}

impl Slots {
    pub(in crate::mqtt) fn get_mut(&mut self, key: SlotKey) -> Option<&mut Slot> {
        self.slab.get_mut(key)
    }

    /// Pauses a socket until there is memory.
    pub(in crate::mqtt) fn hold(&mut self, key: SlotKey) {
        self.held.push(key);
    }
}

/// The log interval of a worker for missing room for retained messages.
const RETAINED_FULL_TOLD_EVERY: Duration = Duration::from_secs(10);

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Worker {
    /// A worker for the current thread, and its mail.
    pub(super) fn new(
        shared: Arc<Shared>,
        parts: &IntakeParts,
    ) -> (Rc<Self>, UnboundedReceiver<Mail>) {
        let (number, mail, received) = shared.workers.join();
        let answers = mail.clone();
        let intake = parts.open(Arc::new(move |answer| {
            // A worker that has ended acknowledges nothing any more.
            answers.send(Mail::Group(answer)).unwrap_or_default();
        }));
        let journaled = mail.clone();
        let told: OnAnswer<Ticket> = Arc::new(move |answered| {
            journaled.send(Mail::Journaled(answered)).unwrap_or_default();
        });
        let sys = SysTopics::new(shared.sys_interval);
        let worker = Rc::new(Self {
            number,
            wall: Cell::new(shared.clock.wall()),
            monotonic: Cell::new(shared.clock.monotonic()),
            rules_generation: Cell::new(shared.access.generation()),
            deliveries: Deliveries::default(),
            delivery_ledger: parts.metrics.ledgers().worker_deliveries(),
            retained_full: RefCell::new(LogLimit::new(RETAINED_FULL_TOLD_EVERY)),
            not_kept: Cell::default(),
            shared,
            slots: RefCell::default(),
            intake: RefCell::new(intake),
            dirty: Cell::new(false),
            flush: LocalWaker::new(),
            draining: Cell::new(false),
            now: Cell::new(Tick(0)),
            refusals: Refusals::default(),
            read: Cell::new(0),
            written: Cell::new(0),
            traffic: Cell::default(),
            full_queues: Cell::new(0),
            sys: RefCell::new(sys),
            scratch: Cell::default(),
            change: Cell::default(),
            told,
            sweep: RefCell::default(),
            // Users may have been removed while the appliance was not running.
            unknown: RefCell::new(Some(None)),
            greeting_turns: GreetingTurns::default(),
            mail,
        });
        (worker, received)
    }

    /// Its number among the workers.
    pub(super) fn number(&self) -> u16 {
        self.number
    }

    pub(in crate::mqtt) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(in crate::mqtt) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    pub(in crate::mqtt) fn tick(&self) -> Tick {
        self.now.get()
    }

    /// The time of day, with the precision of a tick.
    pub(in crate::mqtt) fn wall(&self) -> UnixNanos {
        self.wall.get()
    }

    /// The time of day at an earlier tick.
    pub(super) fn wall_at(&self, tick: Tick) -> UnixNanos {
        let nanos = i64::try_from(TICK.as_nanos()).unwrap_or(i64::MAX);
        let ago = nanos.saturating_mul(self.now.get().since(tick).into());
        self.wall.get().saturating_add(-ago)
    }

    /// The identifier of one of its sessions for others.
    pub(in crate::mqtt) fn session_id(&self, key: SlotKey) -> SessionId {
        SessionId { worker: self.number, number: key.number() }
    }

    pub(in crate::mqtt) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// A connection no longer counts as open, and its will is done.
    pub(super) fn left_open(&self) {
        self.shared.live.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts the cause of a closed connection.
    pub(in crate::mqtt) fn closing(&self, cause: &'static str) {
        let label = ReasonLabel { reason: cause };
        self.shared.metrics.mqtt_closed_connections.get_or_create_owned(&label).inc();
    }

    /// Counts bytes that were read.
    pub(in crate::mqtt) fn read(&self, bytes: usize) {
        self.read.set(self.read.get() + bytes as u64);
    }

    /// Writes to a socket, in one piece.
    pub(in crate::mqtt) fn write(&self, socket: &Socket, bytes: &[u8]) {
        // An error means that the connection is closing: there is no reader any more.
        if !bytes.is_empty() && socket.io.encode_slice(bytes).is_ok() {
            self.wrote(bytes.len());
        }
    }

    /// Counts bytes that were written.
    pub(in crate::mqtt) fn wrote(&self, bytes: usize) {
        self.written.set(self.written.get() + bytes as u64);
    }

    /// Provides a cleared buffer.
    pub(in crate::mqtt) fn with_scratch<R>(&self, fill: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let mut scratch = self.scratch.take();
        scratch.clear();
        let result = fill(&mut scratch);
        self.scratch.set(scratch);
        result
    }

    /// A message was accepted: the turn needs an end.
    pub(in crate::mqtt) fn dirty(&self) {
        if !self.dirty.replace(true) {
            self.flush.wake();
        }
    }

    /// Counts a last line that is not kept.
    #[cold]
    fn not_kept(&self, why: NotKept) {
        let mut not_kept = self.not_kept.get();
        not_kept[why as usize] += 1;
        self.not_kept.set(not_kept);
    }

    /// A group of this worker is durable, or never will be.
    pub(super) fn answered(&self, answer: Answer<SlotKey>) {
        let Answer { group, durable } = answer;
        let mut slots = self.slots.borrow_mut();
        let mut lines = group.last_lines().peekable();
        for (index, run) in group.runs().iter().enumerate() {
            let key = run.owner;
            let Some(slot) = slots.get_mut(key) else {
                debug_assert!(false, "a slot stays until its lanes have answered");
                continue;
            };
            let Some(client) = slot.client.as_mut() else { continue };
            if !durable {
                client.session.lost(run.count); // UP-2
            } else {
                let (session, now) = (self.session_id(key), self.wall.get());
                let is_gateway = self.shared.access.is_gateway(&client.identity);
                let tracker = is_gateway.then_some(&*self.shared.tracker);
                let moment = Moment { session, now, presence: &self.shared.presence, tracker };
                // Before the acknowledgement, so that a client that received it finds the line. A
                // vehicle whose connection has ended is not present any more, even if a message
                // still becomes durable.
                while let Some(last) = lines.next_if(|last| last.run == index) {
                    if slot.socket.is_some()
                        && let Err(why) = client.keep(last, &self.limits().vehicles, moment)
                    {
                        self.not_kept(why);
                    }
                }
                let mut intake = self.intake.borrow_mut();
                client.session.durable(run.first, run.count, |outcome| intake.finish(outcome));
                drop(intake);
                self.do_deferred(client);
            }
            match slot.socket.as_mut() {
                Some(socket) => self.acknowledge(client, socket),
                None => self.remove_if_done(key, &mut slots),
            }
        }
        drop(lines);
        self.intake.borrow_mut().reuse(group);
    }

    /// Writes the acknowledgements that are due, in one piece, and resumes reading if that made
    /// room.
    fn acknowledge(&self, client: &mut Client, socket: &mut Socket) {
        self.with_scratch(|out| {
            self.acknowledge_into(client, out);
            self.write(socket, out);
        });
        self.after_acknowledging(client, socket);
    }

    /// Appends the acknowledgements that are due.
    pub(super) fn acknowledge_into(&self, client: &mut Client, out: &mut Vec<u8>) {
        let count = client.session.acknowledge(out);
        self.traffic(|traffic| traffic.packets_written += count);
    }

    /// Resumes reading if acknowledgements made room.
    pub(super) fn after_acknowledging(&self, client: &Client, socket: &mut Socket) {
        if self.draining.get() {
            socket.resume.wake();
        }
        if socket.hold == Hold::Full && !client.session.is_full() {
            socket.hold = Hold::Nothing;
            socket.resume.wake();
        }
    }

    /// Resumes reading that was paused for missing memory, if there is memory now. Each takes its
    /// message in a separate turn, and is paused again if that was too early.
    pub(super) fn release_held(&self) {
        let mut slots = self.slots.borrow_mut();
        if slots.held.is_empty() || !self.intake.borrow().has_room() {
            return;
        }
        for key in std::mem::take(&mut slots.held) {
            let Some(slot) = slots.get_mut(key) else { continue };
            match (slot.socket.as_mut(), slot.client.as_mut()) {
                (Some(socket), _) if socket.hold == Hold::NoRoom => {
                    socket.hold = Hold::Nothing;
                    socket.resume.wake();
                }
                // Its connection has ended, and its will waits.
                (None, Some(client)) => {
                    if self.publish_will(key, client) {
                        self.remove_if_done(key, &mut slots);
                    } else {
                        slots.hold(key);
                    }
                }
                _ => {}
            }
        }
    }

    pub(super) fn answer(&self, question: &SessionQuestion) -> Option<SessionAnswer> {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get_mut(SlotKey::of(question.session.number))?;
        let (socket, client) = (slot.socket.as_ref()?, slot.client.as_ref()?);
        let address = socket.io.query::<PeerAddr>().get().map(PeerAddr::into_inner);
        client.answer(question, address, self.wall_at(client.session.heard()))
    }
}
