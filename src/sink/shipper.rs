//! The task of one shard: reads its spool, starts deliveries, moves the cursor behind them.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until},
};

use crate::{
    model::{Disposition, LineDialect, Position},
    sink::{
        Drained,
        delivery::{Context, Delivered, deliver},
        pacing::{Next, Pacing},
        sent::{BatchCounts, SentBatches},
    },
    spool::{Batch, BatchLimits, Reader},
    telemetry::{Chain, PointLedger},
};

/// How long a disk that refused to be read is left alone.
const READ_PAUSE: Duration = Duration::from_secs(1);

/// How long a disk without room for the cursor is left alone.
const CURSOR_PAUSE: Duration = Duration::from_secs(1);

/// How often the durable position is noted while nothing is read, for the age of what waits.
const NOTE_EVERY: Duration = Duration::from_millis(100);

/// Lines read from the spool and not sent yet.
#[derive(Debug)]
struct Lines {
    body: Vec<u8>,
    dialect: LineDialect,
    last: Position,
    counts: BatchCounts,
}

/// One shard's shipping. See the module's invariants.
#[derive(Debug)]
pub(super) struct Shipper {
    context: Arc<Context>,
    ledger: Arc<PointLedger>,
    /// `None` only while a blocking call has it.
    reader: Option<Reader>,
    durable: watch::Receiver<Position>,
    /// When the drain must end, once it has begun.
    drain: watch::Receiver<Option<Instant>>,
    /// The lane has ended: nothing more becomes durable.
    lane_ended: bool,
    pacing: Pacing,
    /// The open batch.
    open: Option<Lines>,
    /// What did not fit into it: at most one entry, or the first batch of another dialect.
    overflow: Option<Lines>,
    /// The last position that was read.
    read: Position,
    sent: SentBatches,
    deliveries: JoinSet<(u64, BatchCounts, Delivered)>,
    /// Buffers to be filled again, at most as many as there are deliveries.
    spare: Vec<Vec<u8>>,
    /// When the cursor must be written, and how many bytes it lies behind; `None` if it does not.
    behind: Option<(Instant, u64)>,
    /// A write of the cursor failed in a way that no later success would mend (I2).
    cursor_halted: bool,
    /// Not to be read before, because the disk refused.
    read_after: Option<Instant>,
    /// The zero of the times that the plan counts in.
    origin: Instant,
}

impl Shipper {
    pub(super) fn new(
        context: Arc<Context>,
        ledger: Arc<PointLedger>,
        reader: Reader,
        drain: watch::Receiver<Option<Instant>>,
    ) -> Self {
        Self {
            context,
            ledger,
            durable: reader.durable(),
            read: reader.confirmed(),
            reader: Some(reader),
            drain,
            lane_ended: false,
            pacing: Pacing::default(),
            open: None,
            overflow: None,
            sent: SentBatches::default(),
            deliveries: JoinSet::new(),
            spare: Vec::new(),
            behind: None,
            cursor_halted: false,
            read_after: None,
            origin: Instant::now(),
        }
    }

    /// Ships until the drain has taken what the store takes, then writes the cursor a last time.
    pub(super) async fn run(mut self) -> Drained {
        self.note_durable();
        while self.turn().await {}
        self.deliveries.shutdown().await;
        self.confirm();
        self.flush().await;
        Drained { waiting_entries: self.context.state.status().waiting_entries }
    }

    /// Does one thing, or waits for one to happen; false when the drain is over.
    async fn turn(&mut self) -> bool {
        let now = Instant::now();
        let deadline = *self.drain.borrow_and_update();
        if deadline.is_some_and(|deadline| deadline <= now) {
            return false;
        }
        if self
            .behind
            .is_some_and(|(due, bytes)| due <= now || bytes >= self.context.options.cursor_bytes)
        {
            self.flush().await;
        }
        let options = &self.context.options;
        let room = self.deliveries.len() < options.requests_in_flight.get()
            && self.sent.len() < options.batches_ahead.get();
        let mut wake = self.behind.map(|(due, _)| due);
        wake = earlier(wake, deadline);
        if room {
            match self.pacing.next(options, now - self.origin, deadline.is_some()) {
                Next::Ship => {
                    self.ship();
                    return true;
                }
                Next::Read { bytes_max, items_max } => match self.read_after {
                    Some(after) if after > now => wake = earlier(wake, Some(after)),
                    _ => {
                        self.fill(BatchLimits { bytes_max, items_max }).await;
                        return true;
                    }
                },
                Next::Wait(until) => {
                    wake = earlier(wake, until.map(|until| self.origin + until));
                }
            }
        }
        let idle = self.deliveries.is_empty() && !self.pacing.begun && !self.pacing.unread;
        if deadline.is_some() && idle {
            return false;
        }
        self.wait(wake).await;
        true
    }

    /// Waits until a delivery ends, something becomes durable, a drain begins, or a time comes.
    ///
    /// That more is durable changes nothing while entries are known that are not read, so no sync
    /// of the lane wakes a shipper that has a time to look at the spool, or no room for another
    /// batch.
    async fn wait(&mut self, mut wake: Option<Instant>) {
        let looks = !self.pacing.unread && !self.lane_ended;
        if self.pacing.unread {
            wake = earlier(wake, Some(Instant::now() + NOTE_EVERY));
        }
        let alarm = async {
            match wake {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let alarm = pin!(alarm);
        tokio::select! {
            Some(done) = self.deliveries.join_next() => self.finish(done),
            changed = self.durable.changed(), if looks => {
                self.lane_ended = changed.is_err();
                self.note_durable();
            }
            // A sender that is gone means that nobody will ever drain: then this never fires again.
            Ok(()) = self.drain.changed() => {}
            () = alarm => self.note_durable(),
        }
    }

    /// Notes how far the spool is durable.
    fn note_durable(&mut self) {
        let durable = *self.durable.borrow_and_update();
        self.context.state.saw_durable(durable);
        self.pacing.unread = durable > self.read;
        if self.pacing.unread {
            let now = Instant::now() - self.origin;
            self.pacing.opened.get_or_insert(now);
        } else if !self.pacing.begun {
            self.pacing.opened = None;
        }
    }

    /// Reads more into the open batch.
    async fn fill(&mut self, limits: BatchLimits) {
        let durable = *self.durable.borrow_and_update();
        let mut body = match &mut self.open {
            Some(open) => std::mem::take(&mut open.body),
            None => self.spare.pop().unwrap_or_default(),
        };
        let mark = body.len();
        let (body, found) = self
            .with_reader(move |reader| {
                let found = reader.read_batch(&mut body, limits);
                (body, found)
            })
            .await;
        self.pacing.read_at = Some(Instant::now() - self.origin);
        match found {
            Ok(found) => {
                self.read_after = None;
                // Nothing found before what is durable: nothing is there to be waited for.
                self.read = found.as_ref().map_or(durable, |batch| batch.last).max(self.read);
                self.add(body, mark, found, limits);
            }
            Err(error) => {
                let fault = format!("cannot read the spool: {}", Chain(&error));
                tracing::error!(shard = self.context.shard.0, fault, "shipping waits");
                self.context.state.saw_disk(Some(fault));
                self.read_after = Some(Instant::now() + READ_PAUSE);
                self.add(body, mark, None, limits);
            }
        }
        self.pacing.more = durable > self.read;
        self.note_durable();
    }

    /// Takes what was read behind `mark` into the open batch, or carries it over into the next.
    fn add(&mut self, body: Vec<u8>, mark: usize, found: Option<Batch>, limits: BatchLimits) {
        let Some(found) = found else {
            match &mut self.open {
                Some(open) => open.body = body,
                None => self.keep_buffer(body),
            }
            return;
        };
        let damaged = found.damaged.as_ref().map_or(0, |damage| damage.items);
        let bytes = (body.len() - mark) as u64;
        let counts = BatchCounts { items: found.items + damaged, dead_lettered: 0, damaged, bytes };
        let mut read = Lines { body, dialect: found.dialect, last: found.last, counts };
        if damaged > 0 {
            let shard = self.context.shard.0;
            tracing::error!(shard, points = damaged, "points were lost to damage of the spool");
        }
        match &mut self.open {
            None => self.open = Some(read),
            Some(open) => {
                let over = bytes > limits.bytes_max
                    || found.items > limits.items_max
                    || open.dialect != read.dialect;
                if over {
                    let tail = read.body.split_off(mark);
                    open.body = std::mem::replace(&mut read.body, tail);
                    self.overflow = Some(read);
                    self.pacing.closed = true;
                    return;
                }
                open.body = read.body;
                open.last = read.last;
                open.counts.add(&counts);
            }
        }
        self.measure();
    }

    /// Says to the plan what the open batch holds.
    fn measure(&mut self) {
        let open = self.open.as_ref();
        self.pacing.begun = open.is_some();
        self.pacing.closed = false;
        self.pacing.bytes = open.map_or(0, |open| open.body.len() as u64);
        self.pacing.items = open.map_or(0, |open| open.counts.items - open.counts.damaged);
    }

    /// Starts the delivery of the open batch; what was carried over becomes the open one.
    fn ship(&mut self) {
        let Some(lines) = std::mem::replace(&mut self.open, self.overflow.take()) else { return };
        let unread = self.pacing.unread || self.open.is_some();
        self.pacing.opened = unread.then(|| Instant::now() - self.origin);
        self.measure();
        let number = self.sent.begin(lines.last);
        let context = Arc::clone(&self.context);
        let Lines { body, dialect, counts, .. } = lines;
        self.deliveries.spawn(async move {
            let delivered = deliver(context, body, dialect).await;
            (number, counts, delivered)
        });
    }

    /// Takes a delivery's result, and moves the cursor if the oldest batches are finished now.
    fn finish(&mut self, done: Result<(u64, BatchCounts, Delivered), JoinError>) {
        let (number, counts, delivered) = match done {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_cancelled) => return,
            },
        };
        let counts = BatchCounts { dead_lettered: delivered.dead_lettered, ..counts };
        self.sent.finish(number, counts);
        if let Some(buffer) = delivered.spare {
            self.keep_buffer(buffer);
        }
        self.confirm();
    }

    /// Moves the cursor over the finished batches before the first that is not (SK-2).
    fn confirm(&mut self) {
        let Some((position, counts)) = self.sent.advance() else { return };
        let reader = self.reader.as_mut().expect("the reader is back between calls");
        reader.confirm(position);
        self.ledger.confirmed(counts.stored(), counts.dead_lettered, counts.damaged, counts.items);
        self.context.state.saw_confirmed(position, counts.dead_lettered);
        if self.cursor_halted {
            return;
        }
        let age = self.context.options.cursor_age;
        let behind = self.behind.get_or_insert_with(|| (Instant::now() + age, 0));
        behind.1 += counts.bytes;
    }

    /// Writes the cursor, and lets go of the segments behind it.
    async fn flush(&mut self) {
        if self.behind.is_none() {
            return;
        }
        match self.with_reader(Reader::flush_cursor).await {
            Ok(_released) => {
                self.behind = None;
                self.context.state.saw_disk(None);
            }
            Err(error) => {
                // What the cursor on disk does not cover is sent again after a restart: nothing is
                // lost, but no room is given back, so at last the spool fills and publishes wait.
                let fault = format!("cannot write the cursor: {}", Chain(&error));
                self.behind = match error.disposition() {
                    Disposition::Retry => Some((Instant::now() + CURSOR_PAUSE, 0)),
                    Disposition::Reject | Disposition::Halt => None,
                };
                self.cursor_halted = self.behind.is_none();
                let (shard, again) = (self.context.shard.0, !self.cursor_halted);
                tracing::error!(shard, again, fault, "the cursor on disk stays behind");
                self.context.state.saw_disk(Some(fault));
            }
        }
    }

    /// Calls the reader where it may block: it reads files, and this runtime also serves requests.
    async fn with_reader<T: Send + 'static>(
        &mut self,
        call: impl FnOnce(&mut Reader) -> T + Send + 'static,
    ) -> T {
        let mut reader = self.reader.take().expect("calls do not overlap");
        let called = tokio::task::spawn_blocking(move || {
            let result = call(&mut reader);
            (reader, result)
        });
        let (reader, result) = match called.await {
            Ok(back) => back,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_cancelled) => std::future::pending().await,
            },
        };
        self.reader = Some(reader);
        result
    }

    /// Keeps a buffer for the next batch, unless one huge entry made it huge.
    fn keep_buffer(&mut self, mut buffer: Vec<u8>) {
        let options = &self.context.options;
        let wanted = self.spare.len() < options.requests_in_flight.get();
        if wanted && buffer.capacity() <= 4 * options.batch_bytes.get() {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
