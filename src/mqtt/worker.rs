//! One worker thread's share of the edge: its connections, its intake, its half-second clock.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    future::poll_fn,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use ntex::{task::LocalWaker, time::Millis};
use tokio::sync::{
    mpsc::{Receiver, UnboundedReceiver},
    watch,
};

use super::{
    Roster,
    carried::{CarriedLimits, Unkept},
    connection::{Connection, Owner},
    handshake::Announced,
    holders::Holders,
    roster::{Letter, Mailbox},
    session::SessionLimits,
};
use crate::{
    env::Clock,
    model::{Presence, SessionId, UnixNanos},
    telemetry::{Metrics, ReasonLabel},
    uplink::{Intake, LaneAnswer},
};

/// How often overdue connections are looked for: the error of every time-out of the edge.
const TICK: Duration = Duration::from_millis(500);

/// A moment of a worker's clock, in half seconds since it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tick(u32);

impl Tick {
    /// Ticks since an earlier moment.
    pub(super) fn since(self, earlier: Self) -> u32 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A duration in ticks, rounded up.
pub(super) fn ticks(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis().div_ceil(TICK.as_millis())).unwrap_or(u32::MAX)
}

/// The bounds of every connection of the edge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) announced: Announced,
    pub(super) session: SessionLimits,
    pub(super) carried: CarriedLimits,
    pub(super) connect_bytes_max: usize,
    pub(super) control_bytes_max: usize,
    pub(super) packet_bytes_max: usize,
    pub(super) connect_ticks: u32,
    pub(super) packet_ticks: u32,
    pub(super) sessions_max: usize,
}

/// What all workers share. Atomics, because each is one number with no other to agree with.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Arc<dyn Clock>,
    /// Filled by the connections.
    pub(super) presence: Arc<Presence>,
    /// Who has which client id.
    pub(super) holders: Holders,
    /// Where the workers have their mailboxes.
    pub(super) roster: Arc<Roster>,
    /// Connections that are open now.
    pub(super) live: AtomicUsize,
    /// Identifiers given to clients that brought none.
    pub(super) assigned: AtomicUsize,
    /// Whether a will, or a retained message, has been logged already.
    pub(super) told_will: AtomicBool,
    pub(super) told_retain: AtomicBool,
    /// True once the appliance is stopping.
    pub(super) draining: watch::Sender<bool>,
}

/// One worker's share.
pub(super) struct Worker {
    shared: Arc<Shared>,
    /// Its number in the roster.
    number: u16,
    intake: RefCell<Intake<Owner>>,
    /// By number. Bounded by `sessions_max`.
    connections: RefCell<HashMap<u64, Rc<Connection>>>,
    next_id: Cell<u64>,
    /// Something was taken in since the last flush.
    dirty: Cell<bool>,
    flush: LocalWaker,
    draining: Cell<bool>,
    now: Cell<Tick>,
    /// The time of day at that tick.
    wall: Cell<UnixNanos>,
    /// Last lines that were not kept since the last tick, in the order of [`Unkept::ALL`].
    unkept: Cell<[u64; Unkept::ALL.len()]>,
    /// Bytes read and written since the last tick.
    read: Cell<u64>,
    written: Cell<u64>,
    /// Acknowledgements on their way into a write buffer; kept to be used again.
    scratch: RefCell<Vec<u8>>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("now", &self.now).finish_non_exhaustive()
    }
}

impl Worker {
    /// Starts a worker on the current thread: its tasks run until the thread's runtime ends.
    pub(super) fn start(
        shared: Arc<Shared>,
        intake: Intake<Owner>,
        answers: UnboundedReceiver<LaneAnswer>,
    ) -> Rc<Self> {
        let draining = shared.draining.subscribe();
        let Mailbox { number, letters, pushed_out } = shared.roster.join();
        let worker = Rc::new(Self {
            number,
            wall: Cell::new(shared.clock.wall()),
            unkept: Cell::default(),
            shared,
            intake: RefCell::new(intake),
            connections: RefCell::new(HashMap::new()),
            next_id: Cell::new(0),
            dirty: Cell::new(false),
            flush: LocalWaker::new(),
            draining: Cell::new(*draining.borrow()),
            now: Cell::new(Tick(0)),
            read: Cell::new(0),
            written: Cell::new(0),
            scratch: RefCell::new(Vec::new()),
        });
        ntex::rt::spawn(flush(Rc::clone(&worker)));
        ntex::rt::spawn(answer(Rc::clone(&worker), answers));
        ntex::rt::spawn(tick(Rc::clone(&worker)));
        ntex::rt::spawn(tell(Rc::clone(&worker), letters));
        ntex::rt::spawn(push_out(Rc::clone(&worker), pushed_out));
        ntex::rt::spawn(drain(Rc::clone(&worker), draining));
        worker
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    pub(super) fn tick(&self) -> Tick {
        self.now.get()
    }

    /// The time of day, to a tick.
    pub(super) fn wall(&self) -> UnixNanos {
        self.wall.get()
    }

    /// The time of day at an earlier tick.
    pub(super) fn wall_at(&self, tick: Tick) -> UnixNanos {
        let nanos = i64::try_from(TICK.as_nanos()).unwrap_or(i64::MAX);
        let ago = nanos.saturating_mul(self.now.get().since(tick).into());
        self.wall.get().saturating_add(-ago)
    }

    pub(super) fn presence(&self) -> &Presence {
        &self.shared.presence
    }

    /// The session of one of its connections, as others know it.
    pub(super) fn session_id(&self, connection: u64) -> SessionId {
        SessionId { worker: self.number, number: connection }
    }

    /// A connection of this worker takes a client id over from whoever has it.
    pub(super) fn take_over(&self, client_id: &Arc<str>, connection: u64) {
        let session = self.session_id(connection);
        if let Some(held) = self.shared.holders.take(client_id, session) {
            self.shared.roster.push_out(held);
        }
    }

    /// A session that had a client id has ended.
    pub(super) fn release(&self, client_id: &str, session: SessionId) {
        self.shared.holders.release(client_id, session);
    }

    /// Counts a last line that is not kept.
    #[cold]
    pub(super) fn unkept(&self, why: Unkept) {
        let mut unkept = self.unkept.get();
        unkept[why as usize] += 1;
        self.unkept.set(unkept);
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Registers a new connection; `None` if there are too many, or the appliance is stopping.
    pub(super) fn admit(&self, make: impl FnOnce(u64) -> Connection) -> Option<Owner> {
        self.shared.metrics.mqtt_accepted_connections.inc();
        let before = self.shared.live.fetch_add(1, Ordering::Relaxed);
        if self.draining.get() || before >= self.limits().sessions_max {
            self.shared.live.fetch_sub(1, Ordering::Relaxed);
            self.closing(if self.draining.get() { "shutdown" } else { "sessions-max" });
            return None;
        }
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        let connection = Rc::new(make(id));
        self.connections.borrow_mut().insert(id, Rc::clone(&connection));
        self.shared.metrics.mqtt_open_sessions.inc();
        Some(Owner(connection))
    }

    /// A connection ended.
    pub(super) fn closed(&self, id: u64, cause: &'static str) {
        let connection = self.connections.borrow_mut().remove(&id);
        if let Some(connection) = connection {
            connection.left();
            self.shared.live.fetch_sub(1, Ordering::Relaxed);
            self.shared.metrics.mqtt_open_sessions.dec();
            self.closing(cause);
        }
    }

    /// Counts why a connection closes.
    pub(super) fn closing(&self, cause: &'static str) {
        let label = ReasonLabel { reason: cause };
        self.shared.metrics.mqtt_closed_connections.get_or_create_owned(&label).inc();
    }

    /// A CONNECT was accepted.
    pub(super) fn opened(&self, has_will: bool) {
        if has_will {
            self.unserved("will", &self.shared.told_will);
        }
    }

    /// A PUBLISH was read.
    pub(super) fn received(&self, retain: bool) {
        self.dirty();
        if retain {
            self.unserved("retain", &self.shared.told_retain);
        }
    }

    /// Counts something that is accepted and not served yet, and logs it the first time.
    fn unserved(&self, feature: &'static str, told: &AtomicBool) {
        let label = ReasonLabel { reason: feature };
        self.shared.metrics.mqtt_unserved_features.get_or_create_owned(&label).inc();
        if !told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                feature,
                "accepted, but not served by this version; counted from now on"
            );
        }
    }

    pub(super) fn paused(&self) {
        self.shared.metrics.mqtt_paused_reads.inc();
    }

    pub(super) fn read(&self, bytes: usize) {
        self.read.set(self.read.get() + bytes as u64);
    }

    pub(super) fn wrote(&self, bytes: usize) {
        self.written.set(self.written.get() + bytes as u64);
    }

    /// An identifier for a client that brought none. The number is this process' own; the rest
    /// cannot be guessed by somebody who would take the session over.
    pub(super) fn assigned_id(&self) -> String {
        let number = self.shared.assigned.fetch_add(1, Ordering::Relaxed);
        format!("fleetline-{number}-{:016x}", rand::random::<u64>())
    }

    /// Gives a cleared buffer to fill.
    pub(super) fn with_scratch(&self, fill: impl FnOnce(&mut Vec<u8>)) {
        let mut scratch = self.scratch.borrow_mut();
        scratch.clear();
        fill(&mut scratch);
    }

    /// Gives the intake, whose groups are flushed at the end of this turn.
    pub(super) fn with_intake<R>(&self, change: impl FnOnce(&mut Intake<Owner>) -> R) -> R {
        self.dirty();
        change(&mut self.intake.borrow_mut())
    }

    fn dirty(&self) {
        if !self.dirty.replace(true) {
            self.flush.wake();
        }
    }

    fn settled(&self, answer: LaneAnswer) {
        let tickets = self.intake.borrow_mut().settled(answer);
        let mut lines = tickets.last_lines().peekable();
        for (index, run) in tickets.runs().iter().enumerate() {
            // Before the acknowledgement, so that whoever has it finds the line.
            while let Some(last) = lines.next_if(|last| last.run == index) {
                run.owner.0.keep(last);
            }
            run.owner.0.durable(run.first, run.count, |settlement| {
                self.intake.borrow_mut().settle(settlement);
            });
        }
        drop(lines);
        self.intake.borrow_mut().reuse(tickets);
    }
}

/// Hands over what gathered, once a turn: it is woken by the first message of a turn and lets the
/// connections that are ready go first.
async fn flush(worker: Rc<Worker>) {
    loop {
        poll_fn(|cx| {
            if worker.dirty.get() {
                return Poll::Ready(());
            }
            worker.flush.register(cx.waker());
            Poll::Pending
        })
        .await;
        tokio::task::yield_now().await;
        worker.dirty.set(false);
        worker.intake.borrow_mut().flush();
    }
}

/// Takes the lanes' answers, as many as have come, and then publishes the counts once.
async fn answer(worker: Rc<Worker>, mut answers: UnboundedReceiver<LaneAnswer>) {
    while let Some(first) = answers.recv().await {
        worker.settled(first);
        while let Ok(next) = answers.try_recv() {
            worker.settled(next);
        }
        worker.intake.borrow().publish();
    }
}

/// The half-second clock. Late ticks are not made up for: a stalled worker closes nobody.
async fn tick(worker: Rc<Worker>) {
    loop {
        ntex::time::sleep(Millis::from(TICK)).await;
        let now = Tick(worker.now.get().0.saturating_add(1));
        worker.now.set(now);
        worker.wall.set(worker.shared.clock.wall());
        // A copy, because closing a connection may end its task and change the map.
        let connections: Vec<Rc<Connection>> =
            worker.connections.borrow().values().map(Rc::clone).collect();
        for connection in connections {
            connection.check_clock(now);
        }
        worker.shared.metrics.mqtt_read_bytes.inc_by(worker.read.take());
        worker.shared.metrics.mqtt_written_bytes.inc_by(worker.written.take());
        for (count, why) in worker.unkept.take().into_iter().zip(Unkept::ALL) {
            if count > 0 {
                let unkept = &worker.shared.metrics.mqtt_unkept_lines;
                unkept.get_or_create_owned(&ReasonLabel { reason: why.as_str() }).inc_by(count);
            }
        }
    }
}

/// Questions answered before the vehicles have their turn again: each asks the kernel for an
/// address, so these take some 50 µs.
const QUESTIONS_A_TURN: usize = 64;

/// Answers what operators ask of sessions, a letter at a time.
async fn tell(worker: Rc<Worker>, mut letters: Receiver<Letter>) {
    while let Some(Letter { questions, answer }) = letters.recv().await {
        let mut told = Vec::with_capacity(questions.len());
        for some in questions.chunks(QUESTIONS_A_TURN) {
            told.extend(some.iter().map(|question| {
                let connections = worker.connections.borrow();
                connections.get(&question.session.number)?.tell(question)
            }));
            tokio::task::yield_now().await;
        }
        // An operator who has gone needs no answer.
        drop(answer.send(told));
    }
}

/// Ends connections whose client id another one has taken over.
async fn push_out(worker: Rc<Worker>, mut pushed_out: UnboundedReceiver<u64>) {
    while let Some(number) = pushed_out.recv().await {
        let connection = worker.connections.borrow().get(&number).map(Rc::clone);
        // One that has ended meanwhile is what was wanted.
        if let Some(connection) = connection {
            connection.taken_over();
        }
    }
}

/// Wakes every connection when the appliance begins to stop.
async fn drain(worker: Rc<Worker>, mut draining: watch::Receiver<bool>) {
    if draining.wait_for(|draining| *draining).await.is_ok() {
        worker.draining.set(true);
        let connections: Vec<Rc<Connection>> =
            worker.connections.borrow().values().map(Rc::clone).collect();
        for connection in connections {
            connection.wake();
        }
    }
}
