//! One batch from the first request to the last letter: sent, sent again, halved, finished.
//!
//! A delivery ends only when each of its lines is stored or a durable dead letter (SK-1). It holds
//! the batch's bytes and nothing more: the parts of a halved batch are slices of it, and a retry
//! sends the same bytes (SK-3).

use std::{
    io::{self, Write as _},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

use crate::{
    dead_letter,
    env::Clock,
    model::{Catalog, Cause, DeadLetter, LineDialect, ShardId, line},
    sink::{
        Options,
        meters::Meters,
        retry::Retry,
        rewrite,
        split::{Refused, Split},
        state::ShardState,
    },
    store::{Encoding, Refusal, Store, Unsendable, Verdict},
    telemetry::Health,
};

/// Letters that are made durable together: what a fully refused batch holds in memory beside
/// itself.
const LETTERS_MAX: usize = 256;

/// After how long without an answer the operator is told: a store that never answers is known long
/// before its request times out.
const SILENCE: Duration = Duration::from_secs(8);

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
}

/// What became of a batch, and its memory.
#[derive(Debug)]
pub(super) struct Delivered {
    /// Lines that are durable dead letters now.
    pub(super) dead_lettered: u64,
    /// An empty buffer to be filled again, if nobody else holds it.
    pub(super) spare: Option<Vec<u8>>,
}

/// A verdict that decides about the lines it is about.
enum Decided {
    Accepted,
    Partial(Vec<Refusal>),
    Rejected(String, Option<usize>),
}

/// Delivers a batch of lines written in `dialect`, however long that takes.
pub(super) async fn deliver(
    context: Arc<Context>,
    lines: Vec<u8>,
    dialect: LineDialect,
) -> Delivered {
    let mut letters = Letters { context: &context, gathered: Vec::new(), recorded: 0 };
    let rewrite = dialect == LineDialect::Unsigned && context.store.dialect() != dialect;
    let lines = if rewrite { letters.rewrite(&lines).await } else { lines };
    let lines = letters.screen(lines).await;
    let body = Bytes::from(lines);
    let mut split = Split::whole(body.len());
    let mut n_refused = 0;
    let mut retry = Retry::new(context.options.retry, rand::random());
    while let Some(part) = split.part() {
        let refused = match context.send(body.slice(part), &mut retry).await {
            Decided::Accepted => {
                split.accepted();
                continue;
            }
            Decided::Partial(refused) => split.partial(&body, &refused),
            Decided::Rejected(answer, dropped) => split.rejected(&body, &answer, dropped),
        };
        n_refused += refused.len();
        for line in &refused {
            letters.refused(&body, line).await;
        }
    }
    letters.record().await;
    // One line alone may well be wrong; of several lines hardly each is by itself.
    if n_refused > 1 && n_refused == split.lines_count() {
        context.meters.refused_batch();
        context.state.saw_refused_batch(n_refused);
    }
    let dead_lettered = letters.recorded;
    // The client lets go of a body when its connection has written it; copying one that it still
    // holds would cost more than a new buffer.
    let spare = body.is_unique().then(|| Vec::from(body));
    Delivered { dead_lettered, spare }
}

impl Context {
    /// Sends one request until the store decides about it, with the same bytes each time (SK-3).
    async fn send(&self, part: Bytes, retry: &mut Retry) -> Decided {
        let bytes = u64::try_from(part.len()).unwrap_or(u64::MAX);
        let (body, encoding) = self.encode(part.clone()).await;
        let mut again = false;
        loop {
            let in_flight = self.meters.sending();
            let sent = self.clock.monotonic();
            let mut writing = pin!(self.store.write(self.shard, body.clone(), encoding));
            let verdict = match tokio::time::timeout(SILENCE, writing.as_mut()).await {
                Ok(verdict) => verdict,
                Err(_elapsed) => {
                    self.state.saw_silence(SILENCE);
                    writing.await
                }
            };
            let took = self.clock.monotonic().saturating_sub(sent);
            drop(in_flight);
            self.meters.answered(&verdict, took, bytes, again);
            let note = |health, error| self.state.saw_verdict(health, bytes, again, error);
            let wait: Duration = match verdict {
                Verdict::Accepted => {
                    note(Health::Ready, None);
                    retry.reset();
                    return Decided::Accepted;
                }
                Verdict::Partial { refused } => {
                    let first = refused.first().map(|refusal| refusal.answer.as_str());
                    note(Health::Ready, first);
                    retry.reset();
                    return Decided::Partial(refused);
                }
                Verdict::Rejected { answer, dropped } => {
                    note(Health::Ready, Some(&answer));
                    retry.reset();
                    return Decided::Rejected(answer, dropped);
                }
                // Nothing is said about lines, so that one line alone waits.
                Verdict::TooLarge { reason } if line::lines(&part).nth(1).is_some() => {
                    note(Health::Ready, Some(&reason));
                    retry.reset();
                    return Decided::Rejected(reason, None);
                }
                Verdict::Unavailable { reason, retry_after } => {
                    note(Health::Waiting(reason.clone()), Some(&reason));
                    retry.unavailable(retry_after)
                }
                Verdict::Halted { reason } | Verdict::TooLarge { reason } => {
                    note(Health::Failed(reason.clone()), Some(&reason));
                    retry.halted()
                }
            };
            again = true;
            tokio::time::sleep(wait).await;
        }
    }

    /// The body as it is sent: compressed once, however often it is sent.
    async fn encode(&self, part: Bytes) -> (Bytes, Encoding) {
        if !self.options.gzip {
            return (part, Encoding::Identity);
        }
        // A full batch takes tens of milliseconds, far too long for a thread that also serves
        // requests.
        let compressed = tokio::task::spawn_blocking(move || gzip(&part)).await;
        (compressed.expect("compression does not panic"), Encoding::Gzip)
    }
}

/// Compresses as fast as possible: lines are so repetitive that more effort gains little.
fn gzip(part: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(part.len() / 4), Compression::fast());
    let written: io::Result<Vec<u8>> = encoder.write_all(part).and_then(|()| encoder.finish());
    Bytes::from(written.expect("writing into memory does not fail"))
}

/// The dead letters of one batch on their way into the log.
struct Letters<'a> {
    context: &'a Context,
    /// At most [`LETTERS_MAX`].
    gathered: Vec<DeadLetter>,
    /// Letters that are durable.
    recorded: u64,
}

impl Letters<'_> {
    /// The batch for a store without unsigned integers; what cannot be said there is set aside.
    async fn rewrite(&mut self, lines: &[u8]) -> Vec<u8> {
        let mut signed = Vec::with_capacity(lines.len());
        for line in line::lines(lines) {
            if let Err(error) = rewrite::signed(line, &mut signed) {
                self.push(line, Cause::IntegerOutOfRange, error.to_string(), None).await;
            }
        }
        signed
    }

    /// The batch without the lines that must not reach the store; nearly always all of it.
    async fn screen(&mut self, lines: Vec<u8>) -> Vec<u8> {
        let store = Arc::clone(&self.context.store);
        if !store.screens_lines() {
            return lines;
        }
        if !line::lines(&lines).any(|line| store.unsendable(line).is_some()) {
            return lines;
        }
        let mut fit = Vec::with_capacity(lines.len());
        for line in line::lines(&lines) {
            match store.unsendable(line) {
                None => fit.extend_from_slice(line),
                Some(Unsendable { cause, detail }) => self.push(line, cause, detail, None).await,
            }
        }
        fit
    }

    async fn refused(&mut self, body: &[u8], refused: &Refused) {
        let line = &body[refused.bytes.clone()];
        let answer = Some(refused.answer.clone());
        self.push(line, Cause::StoreRefused, "the store refused the point".to_owned(), answer)
            .await;
    }

    async fn push(&mut self, line: &[u8], cause: Cause, detail: String, answer: Option<String>) {
        let catalog = self.context.catalog.load();
        let measurement = catalog.measurements.get(&line::measurement(line));
        let vehicle_tag = measurement.and_then(|found| found.vehicle_tag.as_deref());
        self.gathered.push(DeadLetter {
            time: self.context.clock.wall(),
            vehicle: vehicle_tag.and_then(|key| line::tag(line, key)),
            topic: None,
            mapping: None,
            cause,
            detail,
            payload: None,
            content_type: None,
            line: Some(line.strip_suffix(b"\n").unwrap_or(line).to_vec()),
            answer,
        });
        if self.gathered.len() >= LETTERS_MAX {
            self.record().await;
        }
    }

    /// Makes the letters durable. If the log has halted it takes none until a restart, and neither
    /// is the batch ever finished then: the cursor stays before it, and the restart sends it again.
    async fn record(&mut self) {
        if self.gathered.is_empty() {
            return;
        }
        let n_letters = self.gathered.len() as u64;
        if let Err(halted) = self.context.dead_letters.record(&self.gathered).await {
            self.context.state.saw_disk(Some(halted.to_string()));
            std::future::pending::<()>().await;
        }
        self.gathered.clear();
        self.recorded += n_letters;
    }
}
