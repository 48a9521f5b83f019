//! A stretch of a shard's spool: read in order and cut into batches.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    model::{LineDialect, Position},
    sink::{
        delivery::Context,
        lend::lend,
        pacing::{Next, Pacing},
        sent::BatchCounts,
    },
    spool::{Batch, BatchLimits, Reading},
    telemetry::Chain,
};

/// The wait after a failed read of the spool.
const READ_PAUSE: Duration = Duration::from_secs(1);

/// Lines read from the spool and not sent yet.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) body: Vec<u8>,
    pub(super) dialect: LineDialect,
    /// All entries from the first to the last are in it.
    pub(super) first: Position,
    pub(super) last: Position,
    pub(super) counts: BatchCounts,
}

/// A stretch of the spool that is read, entry by entry, into batches.
#[derive(Debug)]
pub(super) struct Stretch {
    context: Arc<Context>,
    /// `None` only while a blocking call has it.
    reading: Option<Reading>,
    pacing: Pacing,
    /// The open batch.
    open: Option<Lines>,
    /// What did not fit into it: at most one entry, or the first batch of another dialect.
    overflow: Option<Lines>,
    /// The last position that was read.
    read: Position,
    /// The last position that may be read.
    bound: Position,
    /// Whether a batch was taken.
    has_sent: bool,
    /// Not read before this time, because the last read failed.
    read_after: Option<Duration>,
    /// Times are counted from here.
    origin: Instant,
}

impl Stretch {
    pub(super) fn new(context: Arc<Context>, reading: Reading, origin: Instant) -> Self {
        let read = Position(reading.next().0 - 1);
        Self {
            context,
            reading: Some(reading),
            pacing: Pacing::default(),
            open: None,
            overflow: None,
            read,
            bound: read,
            has_sent: false,
            read_after: None,
            origin,
        }
    }

    /// What to do next.
    pub(super) fn next(&self, draining: bool) -> Next {
        let now = self.now();
        match (self.pacing.next(&self.context.options, now, draining), self.read_after) {
            (Next::Read { .. }, Some(after)) if after > now => Next::Wait(Some(after)),
            (next, _) => next,
        }
    }

    /// Ends this stretch at the last durable entry, and returns the stretch behind it; `None` if
    /// nothing would be left in this one.
    pub(super) fn split(&mut self) -> Option<Self> {
        let reading = self.reading.as_mut().expect("the reading is back between calls");
        let behind = reading.split()?;
        Some(Self::new(Arc::clone(&self.context), behind, self.origin))
    }

    /// The last position that was read.
    pub(super) fn read(&self) -> Position {
        self.read
    }

    /// The last position of the stretch, if another one follows it.
    pub(super) fn end(&self) -> Option<Position> {
        self.reading.as_ref().expect("the reading is back between calls").end()
    }

    /// Whether a batch of it was taken.
    pub(super) fn has_sent(&self) -> bool {
        self.has_sent
    }

    /// Whether entries may be read that were not read yet.
    pub(super) fn has_unread(&self) -> bool {
        self.pacing.unread
    }

    /// Whether all of it was read and taken, and another stretch follows it.
    pub(super) fn is_over(&self) -> bool {
        !self.pacing.begun && self.end().is_some_and(|end| self.read >= end)
    }

    /// Whether all that may be read was read and taken.
    pub(super) fn is_idle(&self) -> bool {
        !self.pacing.begun && !self.pacing.unread
    }

    /// Entries up to `bound` may be read.
    pub(super) fn note(&mut self, bound: Position) {
        self.bound = bound;
        self.pacing.unread = bound > self.read;
        if self.pacing.unread {
            let now = self.now();
            self.pacing.opened.get_or_insert(now);
        } else if !self.pacing.begun {
            self.pacing.opened = None;
        }
    }

    /// Reads more into the open batch; a new one begins in an empty buffer that `buffer` gives.
    pub(super) async fn fill(&mut self, limits: BatchLimits, mut buffer: impl FnMut() -> Vec<u8>) {
        let mut body = match &mut self.open {
            Some(open) => std::mem::take(&mut open.body),
            None => buffer(),
        };
        let mark = body.len();
        let bound = self.bound;
        let (body, found) = lend(&mut self.reading, move |reading| {
            let found = reading.read_batch(&mut body, limits);
            (body, found)
        })
        .await;
        self.pacing.read_at = Some(self.now());
        match found {
            Ok(found) => {
                self.read_after = None;
                // If nothing was found, there is nothing before the bound.
                self.read = found.as_ref().map_or(bound, |batch| batch.last).max(self.read);
                self.add(body, mark, found, limits, buffer);
            }
            Err(error) => {
                let fault = format!("cannot read the spool: {}", Chain(&error));
                tracing::error!(shard = self.context.shard.0, fault, "shipping waits");
                self.context.state.saw_disk(Some(fault));
                self.read_after = Some(self.now() + READ_PAUSE);
                self.add(body, mark, None, limits, buffer);
            }
        }
        self.pacing.more = bound > self.read;
    }

    /// Takes the open batch; the overflow becomes the open one.
    pub(super) fn take(&mut self) -> Option<Lines> {
        let lines = std::mem::replace(&mut self.open, self.overflow.take())?;
        self.has_sent = true;
        let unread = self.pacing.unread || self.open.is_some();
        self.pacing.opened = unread.then(|| self.now());
        self.measure();
        Some(lines)
    }

    /// Adds what was read behind `mark` to the open batch, or keeps it for the next one.
    fn add(
        &mut self,
        body: Vec<u8>,
        mark: usize,
        found: Option<Batch>,
        limits: BatchLimits,
        buffer: impl FnOnce() -> Vec<u8>,
    ) {
        let Some(found) = found else {
            match &mut self.open {
                Some(open) => open.body = body,
                None => drop(body),
            }
            return;
        };
        let damaged = found.damaged.as_ref().map_or(0, |damage| damage.items);
        let bytes = (body.len() - mark) as u64;
        let counts = BatchCounts { items: found.items + damaged, dead_lettered: 0, damaged, bytes };
        let Batch { first, last, dialect, .. } = found;
        let mut read = Lines { body, dialect, first, last, counts };
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
                    let mut next = buffer();
                    next.extend_from_slice(&read.body[mark..]);
                    read.body.truncate(mark);
                    open.body = std::mem::replace(&mut read.body, next);
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

    /// Updates the pacing for the open batch.
    fn measure(&mut self) {
        let open = self.open.as_ref();
        self.pacing.begun = open.is_some();
        self.pacing.closed = false;
        self.pacing.bytes = open.map_or(0, |open| open.body.len() as u64);
        self.pacing.items = open.map_or(0, |open| open.counts.items - open.counts.damaged);
    }

    fn now(&self) -> Duration {
        Instant::now() - self.origin
    }
}
