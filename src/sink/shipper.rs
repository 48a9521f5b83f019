//! The task of one shard: reads its spool, starts deliveries, moves the cursor past finished ones.

use std::{num::NonZeroUsize, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until},
};

use crate::{
    model::{Disposition, Position},
    sink::{
        Drained,
        delivery::{Context, Delivered, deliver},
        lend::lend,
        pacing::Next,
        sent::{BatchCounts, SentBatches},
        stretch::{Lines, Stretch},
        stretches::Stretches,
    },
    spool::{BatchLimits, Cursor, Reader},
    telemetry::{Chain, PointLedger},
};

/// The wait after a failed write of the cursor.
const CURSOR_PAUSE: Duration = Duration::from_secs(1);

/// Room for the entry with which a batch becomes too large, and which is moved to the next one.
const ENTRY_ROOM: usize = 1 << 20;

/// How often the durable position is noted while nothing is read, for the age of what waits.
const NOTE_EVERY: Duration = Duration::from_millis(100);

/// One shard's shipping. See the module's invariants.
#[derive(Debug)]
pub(super) struct Shipper {
    context: Arc<Context>,
    ledger: Arc<PointLedger>,
    /// `None` only while a blocking call has it.
    cursor: Option<Cursor>,
    durable: watch::Receiver<Position>,
    /// When the drain must end, once it has begun.
    drain: watch::Receiver<Option<Instant>>,
    /// The lane has ended: nothing more becomes durable.
    lane_ended: bool,
    stretches: Stretches,
    sent: SentBatches,
    deliveries: JoinSet<(Position, BatchCounts, Delivered)>,
    /// Bodies whose buffers are to be filled again, at most as many as there are deliveries. The
    /// client may hold one for a while after the answer: until its connection lets go of it.
    spare: Vec<Bytes>,
    /// When the cursor must be written, and how many bytes it lies behind; `None` if it does not.
    behind: Option<(Instant, u64)>,
    /// A write of the cursor failed in a way that no retry can repair (I2).
    cursor_halted: bool,
}

impl Shipper {
    pub(super) fn new(
        context: Arc<Context>,
        ledger: Arc<PointLedger>,
        reader: Reader,
        drain: watch::Receiver<Option<Instant>>,
    ) -> Self {
        let (reading, cursor) = reader.into_parts();
        context.meters.stretches(1);
        let origin = Instant::now();
        let first = Stretch::new(Arc::clone(&context), reading, origin);
        let stretches = Stretches::new(first, &context.options, origin);
        Self {
            context,
            ledger,
            durable: cursor.durable(),
            sent: SentBatches::new(cursor.confirmed()),
            cursor: Some(cursor),
            drain,
            lane_ended: false,
            stretches,
            deliveries: JoinSet::new(),
            spare: Vec::new(),
            behind: None,
            cursor_halted: false,
        }
    }

    /// Ships until the drain is over, then writes the cursor a last time.
    pub(super) async fn run(mut self) -> Drained {
        self.note_durable();
        while self.turn().await {}
        self.deliveries.shutdown().await;
        self.confirm();
        self.flush().await;
        Drained { waiting_entries: self.context.state.status().waiting_entries }
    }

    /// Takes one step, or waits for an event; false when the drain is over.
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
        let in_flight = self.deliveries.len().saturating_sub(self.context.stalled.slots());
        let room = in_flight < options.requests_in_flight.get()
            && self.sent.in_turn() < options.batches_ahead.get();
        let mut wake = self.behind.map(|(due, _)| due);
        wake = earlier(wake, deadline);
        if room {
            self.arrange();
            match self.stretches.next(deadline.is_some()) {
                (idx, Next::Ship) => {
                    self.ship(idx);
                    return true;
                }
                (idx, Next::Read { bytes_max, items_max }) => {
                    self.note_durable();
                    let limits = BatchLimits { bytes_max, items_max };
                    let spare = &mut self.spare;
                    let buffer = || empty_buffer(spare, self.context.options.batch_bytes);
                    self.stretches.at(idx).fill(limits, buffer).await;
                    self.note_durable();
                    return true;
                }
                (_, Next::Wait(until)) => {
                    wake = earlier(wake, until.map(|until| self.stretches.moment(until)));
                }
            }
        }
        if deadline.is_some() && self.deliveries.is_empty() && self.stretches.is_idle() {
            return false;
        }
        self.wait(wake).await;
        true
    }

    /// Splits the backlog from newer entries, or joins them again.
    fn arrange(&mut self) {
        let durable = *self.durable.borrow();
        if self.stretches.arrange(durable) {
            let (shard, stretches) = (self.context.shard.0, self.stretches.len());
            self.context.meters.stretches(stretches);
            match stretches {
                1 => tracing::info!(shard, "the backlog is filled in"),
                _ => tracing::info!(shard, stretches, "newer points go ahead of a backlog"),
            }
        }
    }

    /// Waits until a delivery ends, something becomes durable, a drain begins, or a time comes.
    ///
    /// While known entries are unread, newer ones change nothing: so a sync of the lane does not
    /// wake a shipper that will read later anyway, or that has no room for another batch.
    async fn wait(&mut self, mut wake: Option<Instant>) {
        let looks = !self.stretches.has_unread() && !self.lane_ended;
        if self.stretches.has_unread() {
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
            () = self.context.stalled.changed() => {}
            changed = self.durable.changed(), if looks => {
                self.lane_ended = changed.is_err();
                self.note_durable();
            }
            // Without a sender there is no drain: then this never fires again.
            Ok(()) = self.drain.changed() => {}
            () = alarm => self.note_durable(),
        }
    }

    /// Notes how far the spool is durable.
    fn note_durable(&mut self) {
        let durable = *self.durable.borrow_and_update();
        self.context.state.saw_durable(durable);
        self.stretches.note(durable);
    }

    /// Starts the delivery of a stretch's open batch.
    fn ship(&mut self, idx: usize) {
        let Some((lines, order)) = self.stretches.take(idx) else { return };
        let Lines { body, dialect, first, last, counts } = lines;
        self.sent.begin(first, last, order);
        let context = Arc::clone(&self.context);
        self.deliveries.spawn(async move {
            let delivered = deliver(context, body, dialect).await;
            (first, counts, delivered)
        });
    }

    /// Takes a delivery's result, and moves the cursor if the oldest batches are finished now.
    fn finish(&mut self, done: Result<(Position, BatchCounts, Delivered), JoinError>) {
        let (first, counts, delivered) = match done {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_cancelled) => return,
            },
        };
        let counts = BatchCounts { dead_lettered: delivered.dead_lettered, ..counts };
        self.sent.finish(first, counts);
        self.keep_body(delivered.body);
        self.confirm();
    }

    /// Moves the cursor over the finished batches before the first that is not (SK-2).
    fn confirm(&mut self) {
        let Some((position, counts)) = self.sent.advance() else { return };
        let cursor = self.cursor.as_mut().expect("the cursor is back between calls");
        cursor.confirm(position);
        self.ledger.confirmed(counts.stored(), counts.dead_lettered, counts.damaged, counts.items);
        self.context.state.saw_confirmed(position, counts.dead_lettered);
        if self.cursor_halted {
            return;
        }
        let age = self.context.options.cursor_age;
        let behind = self.behind.get_or_insert_with(|| (Instant::now() + age, 0));
        behind.1 += counts.bytes;
    }

    /// Writes the cursor, and deletes the segments before it.
    async fn flush(&mut self) {
        if self.behind.is_none() {
            return;
        }
        match lend(&mut self.cursor, Cursor::flush).await {
            Ok(_released) => {
                self.behind = None;
                self.context.state.saw_disk(None);
            }
            Err(error) => {
                // Nothing is lost: after a restart, entries past the cursor on disk are sent again.
                // But no room is freed, so at last the spool is full and publishes wait.
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

    /// Keeps a body for its buffer, unless one huge entry made it huge.
    fn keep_body(&mut self, body: Bytes) {
        let options = &self.context.options;
        let is_wanted = self.spare.len() < options.requests_in_flight.get();
        // An empty one has no buffer.
        if is_wanted && (1..=2 * options.batch_bytes.get()).contains(&body.len()) {
            self.spare.push(body);
        }
    }
}

/// An empty buffer for a batch: that of a body which nobody else holds any more, or a new one. It
/// has room for a full batch and an entry more, so that it need not grow by copying.
fn empty_buffer(spare: &mut Vec<Bytes>, batch_bytes: NonZeroUsize) -> Vec<u8> {
    let mut buffer = match spare.iter().position(Bytes::is_unique) {
        Some(idx) => {
            let mut body = spare.swap_remove(idx);
            // A conversion copies all bytes to the front of the buffer, even if they are there. One
            // is left, because an empty body gives its buffer up.
            body.truncate(1);
            let mut buffer = Vec::from(body);
            buffer.clear();
            buffer
        }
        None => Vec::new(),
    };
    buffer.reserve_exact(batch_bytes.get().saturating_add(ENTRY_ROOM));
    buffer
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_filled_again_once_the_client_has_let_go_of_its_body() {
        let batch_bytes = NonZeroUsize::new(1 << 20).expect("not zero");
        let mut first = empty_buffer(&mut Vec::new(), batch_bytes);
        assert!(first.is_empty() && first.capacity() >= batch_bytes.get());
        first.extend(b"m f=1 1\n");
        let place = first.as_ptr();

        let body = Bytes::from(first);
        let sent = body.clone();
        let mut spare = vec![body];
        let second = empty_buffer(&mut spare, batch_bytes);
        assert_ne!(second.as_ptr(), place, "the client still writes the first");
        assert_eq!(&sent[..], b"m f=1 1\n");
        drop(sent);
        let third = empty_buffer(&mut spare, batch_bytes);
        assert_eq!((third.as_ptr(), third.len()), (place, 0));
        assert!(third.capacity() >= batch_bytes.get() && spare.is_empty());
    }
}
