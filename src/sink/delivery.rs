//! One batch from the first request to the last letter: sent, sent again, halved, finished.
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
        send::{Decided, LastAccepted, Manner},
        split::{Split, by_measurement},
        stalled::Stalled,
        state::ShardState,
    },
    store::{Screened, Store},
};

/// How often a batch that is refused is looked at anew by what was learned meanwhile.
const LOOKS_MAX: u32 = 32;

/// How long doubted lines are left alone before they are sent again; twice that before the next
/// time, and so on up to 32 times.
const ROUND_PAUSE: Duration = Duration::from_millis(20);

/// How often a line that is refused alone is sent again where the refusal is doubted: where its
/// words are those of bad lines too, and where hardly anything but a race has them.
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

/// What became of a batch, and its memory.
#[derive(Debug)]
pub(super) struct Delivered {
    /// Lines that are durable dead letters now.
    pub(super) dead_lettered: u64,
    /// An empty buffer to be filled again, if nobody else holds it.
    pub(super) spare: Option<Vec<u8>>,
}

/// Delivers a batch of lines written in `dialect`, however long that takes.
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
        manner: Manner::default(),
        looks: 0,
        n_refused: 0,
        has_stored: false,
    };
    work.screen(lines).await;
    work.run().await;
    work.letters.record().await;
    // One line alone may well be wrong; of several lines hardly each is by itself.
    if work.n_refused > 1 && !work.has_stored {
        context.meters.refused_batch();
        context.state.saw_refused_batch(work.n_refused);
    }
    let Work { letters, body, .. } = work;
    // The client lets go of a body when its connection has written it; copying one that it still
    // holds would cost more than a new buffer.
    let spare = body.is_unique().then(|| Vec::from(body));
    Delivered { dead_lettered: letters.recorded, spare }
}

/// A batch on its way.
struct Work<'a> {
    context: &'a Context,
    letters: Letters<'a>,
    /// What is left of the batch since it was last looked at.
    body: Bytes,
    split: Split,
    manner: Manner,
    looks: u32,
    /// Lines that are set aside because of a refusal.
    n_refused: usize,
    has_stored: bool,
}

impl Work<'_> {
    /// Takes out what must not be sent; the rest is to be sent as a whole.
    async fn screen(&mut self, lines: Vec<u8>) {
        let Context { store, shard, .. } = self.context;
        self.manner.version = store.version(*shard);
        let screened = store.screen(*shard, lines).await;
        self.adopt(screened).await;
    }

    /// Goes on with what may be sent, as a whole.
    async fn adopt(&mut self, mut screened: Screened) {
        self.body = Bytes::from(std::mem::take(&mut screened.lines));
        let rounds = if screened.races { RACE_ROUNDS_MAX } else { ROUNDS_MAX };
        self.split = match screened.suspects_from {
            None => Split::whole(self.body.len(), rounds),
            Some(at) => Split::parted(&self.body, at, rounds),
        };
        let refused = std::mem::take(&mut screened.refused);
        if self.looks > 0 {
            self.n_refused += refused.len();
        }
        self.manner.screened = screened;
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
            match self.context.send(text.clone(), &mut self.manner, &mut retry).await {
                Decided::Accepted => {
                    self.has_stored = true;
                    self.split.accepted();
                }
                Decided::Outdated => self.screen(self.split.rest(&self.body)).await,
                decided => {
                    if self.looks_anew(&decided, &text).await {
                        continue;
                    }
                    self.refused(decided).await;
                }
            }
        }
    }

    /// Splits the part that was refused, and sets aside what is known to be bad.
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
                // Whatever was thought to be known of the tables: from now on it is learned anew.
                self.manner.screened.grows = true;
                split.doubtful(body, &answer)
            }
            Decided::Accepted | Decided::Outdated => return,
        };
        self.n_refused += refused.len();
        for line in &refused {
            self.letters.refused(&self.body, line).await;
        }
    }

    /// Whether what is left is looked at anew instead of being halved: the store tells more of its
    /// tables than was known, or lines of several measurements can be sorted.
    async fn looks_anew(&mut self, decided: &Decided, text: &[u8]) -> bool {
        let (Decided::Rejected(answer, _) | Decided::MeasurementRejected(answer)) = decided else {
            return false;
        };
        if self.looks >= LOOKS_MAX {
            return false;
        }
        let Context { store, shard, .. } = self.context;
        let is_first = self.split.lines_count() == 0;
        let is_newer = store.relearn(*shard, text, answer, self.manner.version).await;
        let may_sort = is_first && store.refuses_whole();
        if !may_sort && !is_newer {
            return false;
        }
        let rest = self.split.rest(&self.body);
        let sorted = if may_sort { by_measurement(&rest) } else { None };
        let is_sorted = sorted.is_some();
        let rest = sorted.unwrap_or(rest);
        if is_newer {
            self.manner.version = store.version(*shard);
            let screened = store.screen(*shard, rest.clone()).await;
            let is_same = screened.refused.is_empty() && screened.suspects_from.is_none();
            if !is_same || screened.lines != rest {
                self.looks += 1;
                self.adopt(screened).await;
                return true;
            }
        }
        if is_sorted {
            // In another order the same part is refused again, and is halved where it should be;
            // nobody has to be asked for that.
            self.body = Bytes::from(rest);
        }
        false
    }
}
