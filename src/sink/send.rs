//! Sends one request, with retries, until the store decides about its lines.

use std::{
    io::{self, Write as _},
    pin::pin,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

use crate::{
    env::blocking,
    model::line,
    sink::{delivery::Context, probe::Probe, retry::Retry},
    store::{Encoding, Refusal, Screened, Verdict},
    telemetry::Health,
};

/// A request without an answer for so long is reported: the operator sees a store that never
/// answers long before the request times out.
const SILENCE: Duration = Duration::from_secs(8);

/// How often a batch is screened again, because more is known of the types of fields, before it is
/// sent as it is: a store may tell other types all the time.
const OUTDATED_MAX: u32 = 32;

/// A final verdict about the lines of a request.
pub(super) enum Decided {
    Accepted,
    Partial(Vec<Refusal>),
    Rejected(String, Option<usize>),
    MeasurementRejected(String),
    Doubtful(String),
    /// Nothing was sent: the lines have to be screened again first.
    Outdated,
}

/// What the requests of a batch share.
#[derive(Debug, Default)]
pub(super) struct Sending {
    /// The result of the last screening, without the lines.
    pub(super) screened: Screened,
    /// The version of what was known of the store then.
    pub(super) version: u64,
    /// How often it was not sent because more types were known by then.
    outdated_count: u32,
    /// Since when the batch has been refused in unknown words, once the patience for these is over.
    unclear_since: Option<Duration>,
}

/// The unknown words in which a request is refused, and since when.
#[derive(Debug, Default)]
struct Unclear(Option<(String, Duration)>);

impl Unclear {
    /// Since when it has been refused in these words.
    fn since(&mut self, reason: &str, now: Duration) -> Duration {
        match &self.0 {
            Some((words, since)) if words == reason => *since,
            _ => {
                self.0 = Some((reason.to_owned(), now));
                now
            }
        }
    }
}

/// When the store last accepted anything, of any shard.
#[derive(Debug, Default)]
pub(super) struct LastAccepted(AtomicU64);

impl LastAccepted {
    fn note(&self, now: Duration) {
        let nanos = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX).max(1);
        self.0.fetch_max(nanos, Ordering::Relaxed);
    }

    /// Whether that was at `time` or later.
    fn is_since(&self, time: Duration) -> bool {
        let nanos = self.0.load(Ordering::Relaxed);
        nanos > 0 && Duration::from_nanos(nanos) >= time
    }
}

impl Context {
    /// Sends one request until the store decides about it, with the same bytes each time (SK-3).
    pub(super) async fn send(
        &self,
        part: Bytes,
        sending: &mut Sending,
        retry: &mut Retry,
    ) -> Decided {
        let bytes = u64::try_from(part.len()).unwrap_or(u64::MAX);
        let (body, encoding) = self.encode(part.clone()).await;
        let mut again = false;
        let mut unclear = Unclear::default();
        let mut stall = None;
        loop {
            let permit = self.circuit.enter(again).await;
            let attempt = self.attempt(&part, &body, encoding, sending, again, permit.is_trial());
            let Some(verdict) = attempt.await else { return Decided::Outdated };
            let is_single_line = line::lines(&part).nth(1).is_none();
            let note = |health, error| self.state.saw_verdict(health, bytes, again, error);
            if !matches!(verdict, Verdict::Unclear { .. }) {
                unclear = Unclear::default();
                stall = None;
            }
            let wait = match verdict {
                Verdict::Unclear { reason, answer } => {
                    // The refusal may be about the lines, so it counts neither for nor against the
                    // server.
                    drop(permit);
                    let now = self.clock.monotonic();
                    let patience = self.options.unknown_code_patience;
                    let first = unclear.since(&reason, now);
                    let since = sending.unclear_since.unwrap_or(first);
                    // Accepted lines of this batch count, too: later there may be no others.
                    let others_pass =
                        self.accepted.is_since(since.min(now.saturating_sub(patience)));
                    let is_over = now.saturating_sub(since) >= patience;
                    if is_over && (!is_single_line || others_pass) {
                        note(Health::Ready, Some(&reason));
                        sending.unclear_since = Some(since);
                        return Decided::Rejected(answer, None);
                    }
                    if is_over && stall.is_none() {
                        stall = Some(self.stalled.begin(&self.meters));
                    }
                    note(Health::Waiting(reason.clone()), Some(&reason));
                    retry.unavailable(None)
                }
                Verdict::Unavailable { reason, retry_after } => {
                    note(Health::Waiting(reason.clone()), Some(&reason));
                    permit.failed(retry.unavailable(retry_after))
                }
                Verdict::Halted { reason } => {
                    note(Health::Failed(reason.clone()), Some(&reason));
                    permit.failed(retry.halted())
                }
                // This says nothing about the line, so it waits.
                Verdict::TooLarge { reason } if is_single_line => {
                    note(Health::Failed(reason.clone()), Some(&reason));
                    permit.answered();
                    retry.halted()
                }
                verdict => {
                    permit.answered();
                    let decided = decided(verdict);
                    note(Health::Ready, decided.first_words());
                    retry.reset();
                    return decided;
                }
            };
            again = true;
            self.circuit.pause(wait).await;
        }
    }

    /// Sends it once; nothing where it is not to be sent as it is. A probe is sent while no other
    /// one of the shard is under way, and has taught what it can before the next one is sent.
    async fn attempt(
        &self,
        part: &Bytes,
        body: &Bytes,
        encoding: Encoding,
        sending: &mut Sending,
        again: bool,
        is_trial: bool,
    ) -> Option<Verdict> {
        let mut is_probe = !self.store.knows_types(self.shard, part);
        let mut probe = None;
        if is_probe {
            probe = self.begin_probe(is_trial).await;
            // Another one may have taught it meanwhile.
            is_probe = !self.store.knows_types(self.shard, part);
        }
        if !is_probe {
            probe = None;
        }
        let verdict = self.write(part, body, encoding, sending, again).await?;
        match &verdict {
            Verdict::Accepted if is_probe => self.store.learn(self.shard, part),
            Verdict::Rejected { answer, .. } if is_probe => {
                self.store.relearn(self.shard, part, answer, sending.version).await;
            }
            _ => {}
        }
        drop(probe);
        Some(verdict)
    }

    /// Waits until no other probe of the shard is under way; `None` where it is sent beside one.
    async fn begin_probe(&self, is_trial: bool) -> Option<Probe<'_>> {
        // Requests of all shards may wait for a trial.
        if is_trial {
            return self.probes.try_begin();
        }
        let probe = self.probes.begin(&*self.clock).await;
        if probe.is_none() {
            self.meters.exceeded_probe_wait();
        }
        probe
    }

    /// Sends it once, as soon as nobody else adds columns where it does.
    async fn write(
        &self,
        part: &Bytes,
        body: &Bytes,
        encoding: Encoding,
        sending: &mut Sending,
        again: bool,
    ) -> Option<Verdict> {
        let grows = sending.screened.grows;
        let turn = if grows { Some(self.store.turn(self.shard, part).await) } else { None };
        let in_flight = self.meters.sending();
        let sent = self.clock.monotonic();
        let mut writing = pin!(async {
            if let Err(verdict) = self.store.ready(self.shard).await {
                return Some(verdict);
            }
            if self.is_outdated(sending, again) {
                return None;
            }
            Some(self.store.write(self.shard, body.clone(), encoding).await)
        });
        let verdict = match tokio::time::timeout(SILENCE, writing.as_mut()).await {
            Ok(verdict) => verdict,
            Err(_elapsed) => {
                self.state.saw_silence(SILENCE);
                writing.await
            }
        }?;
        let now = self.clock.monotonic();
        drop(in_flight);
        let bytes = u64::try_from(part.len()).unwrap_or(u64::MAX);
        self.meters.answered(&verdict, now.saturating_sub(sent), bytes, again);
        match &verdict {
            Verdict::Accepted => {
                self.accepted.note(now);
                if turn.is_some_and(|turn| turn.grows()) {
                    self.store.learn(self.shard, part);
                }
            }
            Verdict::Doubtful { .. } => self.store.forget(self.shard, part),
            _ => {}
        }
        Some(verdict)
    }

    /// Whether more is known of the store than when the lines were screened, and they are to be
    /// screened again before they are sent. A retry sends the same bytes wherever it may (SK-3).
    fn is_outdated(&self, sending: &mut Sending, again: bool) -> bool {
        if self.store.is_outdated(self.shard, &sending.screened) {
            return true;
        }
        let is_newer =
            self.store.tells_types() && self.store.version(self.shard) != sending.version;
        let is_outdated = is_newer && !again && sending.outdated_count < OUTDATED_MAX;
        sending.outdated_count += u32::from(is_outdated);
        is_outdated
    }

    /// The body as it is sent: compressed once, however often it is sent.
    async fn encode(&self, part: Bytes) -> (Bytes, Encoding) {
        if !self.options.gzip {
            return (part, Encoding::Identity);
        }
        // A full batch takes tens of milliseconds, far too long for a thread that also serves
        // requests.
        (blocking(move || gzip(&part)).await, Encoding::Gzip)
    }
}

/// The decision in a final verdict.
fn decided(verdict: Verdict) -> Decided {
    match verdict {
        Verdict::Accepted => Decided::Accepted,
        Verdict::Partial { refused } => Decided::Partial(refused),
        Verdict::Rejected { answer, dropped } => Decided::Rejected(answer, dropped),
        Verdict::MeasurementRejected { answer } => Decided::MeasurementRejected(answer),
        Verdict::Doubtful { answer } => Decided::Doubtful(answer),
        // A smaller request may pass; the other verdicts are retried and do not get here.
        Verdict::TooLarge { reason }
        | Verdict::Unclear { reason, .. }
        | Verdict::Unavailable { reason, .. }
        | Verdict::Halted { reason } => Decided::Rejected(reason, None),
    }
}

impl Decided {
    /// What the store said, where it refused something.
    fn first_words(&self) -> Option<&str> {
        match self {
            Self::Accepted | Self::Outdated => None,
            Self::Partial(refused) => refused.first().map(|refusal| refusal.answer.as_str()),
            Self::Rejected(answer, _)
            | Self::MeasurementRejected(answer)
            | Self::Doubtful(answer) => Some(answer),
        }
    }
}

/// Compresses as fast as possible: lines are so repetitive that more effort gains little.
fn gzip(part: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(part.len() / 4), Compression::fast());
    let written: io::Result<Vec<u8>> = encoder.write_all(part).and_then(|()| encoder.finish());
    Bytes::from(written.expect("writing into memory does not fail"))
}
