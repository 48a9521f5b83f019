//! Delivers one batch: sends it, retries, splits it, until every line is stored or a dead letter.
//!
//! A delivery ends only when each of its lines is stored or a durable dead letter (SK-1). It holds
//! the batch's bytes and nothing more: the parts of a halved batch are slices of it, and a retry
//! sends the same bytes (SK-3).

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use bytes::Bytes;

use crate::{
    dead_letter,
    env::Clock,
    model::{Catalog, LineDialect, ShardId},
    sink::{
        Options,
        circuit::Circuit,
        letters::Letters,
        meters::Meters,
        probe::Probes,
        retry::Retry,
        send::{Decided, LastAccepted, Sending},
        split::{Split, by_measurement},
        stalled::Stalled,
        state::ShardState,
    },
    store::{Screened, Store},
};

/// How often a refused batch is screened again because more is known of the store.
const RESCREENS_MAX: u32 = 32;

/// The wait before doubted lines are sent again; it doubles with each round, up to 32 times as
/// long.
const ROUND_PAUSE: Duration = Duration::from_millis(20);

/// How often a line with a doubted refusal is sent again alone: if bad lines are refused in the
/// same words, and if hardly anything but a race is.
const ROUNDS_MAX: u32 = 3;
const RACE_ROUNDS_MAX: u32 = 9;

/// What every delivery of a shard needs.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) shard: ShardId,
    pub(super) options: Options,
    pub(super) store: Arc<Store>,
    pub(super) dead_letters: dead_letter::Handle,
    /// Which tag of a measurement names the vehicle; replaced whole when mappings are reloaded.
    pub(super) catalog: Arc<ArcSwap<Catalog>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) state: ShardState,
    pub(super) meters: Meters,
    /// Shared by all shards.
    pub(super) accepted: Arc<LastAccepted>,
    /// That of the server that the shard is written to.
    pub(super) circuit: Arc<Circuit>,
    pub(super) stalled: Stalled,
    pub(super) probes: Probes,
}

/// The result of a delivery, and the batch's buffer.
#[derive(Debug)]
pub(super) struct Delivered {
    /// Lines that are durable dead letters now.
    pub(super) dead_lettered: u64,
    /// What was sent last: its buffer is filled again once nobody else holds it.
    pub(super) body: Bytes,
}

/// Delivers a batch of lines in `dialect`, however long that takes.
pub(super) async fn deliver(
    context: Arc<Context>,
    lines: Vec<u8>,
    dialect: LineDialect,
) -> Delivered {
    let mut letters = Letters::new(&context);
    let rewrite = dialect == LineDialect::Unsigned && context.store.dialect() != dialect;
    let lines = if rewrite { letters.rewrite(&lines).await } else { lines };
    let mut work = Work {
        context: &context,
        letters,
        body: Bytes::new(),
        split: Split::whole(0, 0),
        sending: Sending::default(),
        rescreens: 0,
        n_refused: 0,
        has_stored: false,
    };
    work.screen(lines).await;
    work.run().await;
    work.letters.record().await;
    // A single line may well be bad; if several lines are all refused, the cause is another one.
    if work.n_refused > 1 && !work.has_stored {
        context.meters.refused_batch();
        context.state.saw_refused_batch(work.n_refused);
    }
    let Work { letters, body, .. } = work;
    Delivered { dead_lettered: letters.recorded, body }
}

/// The state of one delivery.
struct Work<'a> {
    context: &'a Context,
    letters: Letters<'a>,
    /// The lines that were left when the batch was last screened.
    body: Bytes,
    split: Split,
    sending: Sending,
    rescreens: u32,
    /// Lines that the store refused, or that were found bad by what its refusals taught.
    n_refused: usize,
    has_stored: bool,
}

impl Work<'_> {
    /// Removes lines that must not be sent; the rest will be sent as a whole.
    async fn screen(&mut self, lines: Vec<u8>) {
        let Context { store, shard, .. } = self.context;
        self.sending.version = store.version(*shard);
        let screened = store.screen(*shard, lines).await;
        self.adopt(screened).await;
    }

    /// Continues with the lines that may be sent, as a whole.
    async fn adopt(&mut self, mut screened: Screened) {
        self.body = Bytes::from(std::mem::take(&mut screened.lines));
        let rounds = if screened.races { RACE_ROUNDS_MAX } else { ROUNDS_MAX };
        self.split = match screened.suspects_from {
            None => Split::whole(self.body.len(), rounds),
            Some(at) => Split::parted(&self.body, at, rounds),
        };
        let refused = std::mem::take(&mut screened.refused);
        if self.rescreens > 0 {
            self.n_refused += refused.len();
        }
        self.sending.screened = screened;
        self.letters.unsendable(refused).await;
    }

    /// Sends until nothing is left.
    async fn run(&mut self) {
        let mut retry = Retry::new(self.context.options.retry, rand::random());
        loop {
            let Some(part) = self.split.part() else {
                let Some(round) = self.split.next_round() else { return };
                let pause = ROUND_PAUSE * 2_u32.pow(round.saturating_sub(1).min(5));
                tokio::time::sleep(pause.mul_f64(rand::random_range(1.0..2.0))).await;
                continue;
            };
            let text = self.body.slice(part);
            match self.context.send(text.clone(), &mut self.sending, &mut retry).await {
                Decided::Accepted => {
                    self.has_stored = true;
                    self.split.accepted();
                }
                Decided::Outdated => self.screen(self.split.rest(&self.body)).await,
                decided => {
                    if self.screen_again(&decided, &text).await {
                        continue;
                    }
                    self.refused(decided).await;
                }
            }
        }
    }

    /// Splits the refused part, and makes dead letters of lines that are known to be bad.
    async fn refused(&mut self, decided: Decided) {
        let (split, body) = (&mut self.split, &self.body);
        let refused = match decided {
            Decided::Partial(refused) => {
                self.has_stored = true;
                split.partial(body, &refused)
            }
            Decided::Rejected(answer, dropped) => split.rejected(body, &answer, dropped),
            Decided::MeasurementRejected(answer) => {
                let refused = split.measurement_rejected(body, &answer);
                if let Some(line) = refused.first() {
                    self.context.store.refused_whole(self.context.shard, &body[line.bytes.clone()]);
                }
                refused
            }
            Decided::Doubtful(answer) => {
                // What is known of the tables may be wrong: from now on it is learned again.
                self.sending.screened.grows = true;
                split.doubtful(body, &answer)
            }
            Decided::Accepted | Decided::Outdated => return,
        };
        self.n_refused += refused.len();
        for line in &refused {
            self.letters.refused(&self.body, line).await;
        }
    }

    /// Screens the rest of a refused batch again instead of halving it, if more is known of the
    /// store's tables than before; returns whether it did. Lines of several measurements are
    /// sorted.
    async fn screen_again(&mut self, decided: &Decided, text: &[u8]) -> bool {
        let (Decided::Rejected(answer, _) | Decided::MeasurementRejected(answer)) = decided else {
            return false;
        };
        if self.rescreens >= RESCREENS_MAX {
            return false;
        }
        let Context { store, shard, .. } = self.context;
        let is_first = self.split.lines_count() == 0;
        let is_newer = store.relearn(*shard, text, answer, self.sending.version).await;
        let may_sort = is_first && store.refuses_whole();
        if !may_sort && !is_newer {
            return false;
        }
        let rest = self.split.rest(&self.body);
        let sorted = if may_sort { by_measurement(&rest) } else { None };
        let is_sorted = sorted.is_some();
        let rest = sorted.unwrap_or(rest);
        if is_newer {
            self.sending.version = store.version(*shard);
            let screened = store.screen(*shard, rest.clone()).await;
            let is_same = screened.refused.is_empty() && screened.suspects_from.is_none();
            if !is_same || screened.lines != rest {
                self.rescreens += 1;
                self.adopt(screened).await;
                return true;
            }
        }
        if is_sorted {
            // The store would refuse the sorted lines, too, so they are halved without asking it.
            self.body = Bytes::from(rest);
        }
        false
    }
}
