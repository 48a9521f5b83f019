//! Dead letters on their way again, through the schemas and mappings of today.
//!
//! A message is decoded as of when it was received, so that its points have the times that they
//! would have had; a point that the store refused goes as it was written. What succeeds leaves the
//! log only after its points are durable: a crash in between sends it twice, to the same series and
//! time. What fails again stays under its name, with its new cause.
//!
//! # When a message has succeeded
//! Each of its mappings that failed has a letter of its own. So a letter has succeeded when its own
//! mapping takes the message, whatever the others say; and all that the message gives is written,
//! which is what it gave before, or what today's mappings make of it. If there is no mapping of
//! that name any more, all of today's have to take it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, mpsc},
    time::Duration,
};

use crate::{
    dead_letter::ListError,
    env::blocking,
    model::{
        DeadLetter, LetterFilter, LetterId, LetterMark, LetterReplay, LettersAnswer, LettersError,
        Replayed, ShardId,
    },
    telemetry::Chain,
    uplink::{
        Answer, Failure, Intake, IntakeParts, Message, MessageOutcome, Sender, TopicMemo,
        Transcoded,
    },
};

/// Letters that are on their way at once.
const TAKEN_MAX: usize = 1000;
/// Bytes of payloads and lines that are on their way at once.
const TAKEN_BYTES_MAX: usize = 4 << 20;
/// Letters whose fate is decided, and not written to the log yet: a segment is written anew for all
/// of them together.
const DECIDED_MAX: usize = 10_000;
/// Bytes of letters that stay and are not written yet.
const DECIDED_BYTES_MAX: usize = 16 << 20;
/// How often it looks whether there is memory again.
const ROOM_LOOK: Duration = Duration::from_millis(20);

/// Replays dead letters, one request after another.
#[derive(Debug)]
pub struct Replayer {
    parts: IntakeParts,
    way: Arc<tokio::sync::Mutex<Way>>,
}

/// A way into the lanes, like a worker's.
#[derive(Debug)]
struct Way {
    intake: Intake<()>,
    answers: mpsc::Receiver<Answer<()>>,
    memo: TopicMemo,
    /// The number of the next letter that is taken.
    seq: u64,
}

impl Replayer {
    /// A replayer with a way into the lanes of its own.
    #[must_use]
    pub fn new(parts: IntakeParts) -> Self {
        let (told, answers) = mpsc::channel();
        let intake = parts.open(Arc::new(move |answer| {
            // Whoever waits for it has gone only with the whole appliance.
            told.send(answer).unwrap_or_default();
        }));
        let way = Way { intake, answers, memo: TopicMemo::default(), seq: 0 };
        Self { parts, way: Arc::new(tokio::sync::Mutex::new(way)) }
    }
}

impl LetterReplay for Replayer {
    fn replay(
        &self,
        filter: LetterFilter,
        after: LetterMark,
        limit: usize,
    ) -> LettersAnswer<'_, Replayed> {
        Box::pin(async move {
            let mut way = Arc::clone(&self.way).lock_owned().await;
            let parts = self.parts.clone();
            blocking(move || Replay::new(&parts, &mut way, after).run(filter, limit)).await
        })
    }
}

/// One replay.
struct Replay<'a> {
    parts: &'a IntakeParts,
    way: &'a mut Way,
    /// Taken, and not durable yet.
    taken: HashMap<u64, LetterId>,
    taken_bytes: usize,
    /// What is to become of letters in the log.
    decided: BTreeMap<LetterId, Option<DeadLetter>>,
    decided_bytes: usize,
    replayed: Replayed,
    mark: LetterMark,
}

impl<'a> Replay<'a> {
    fn new(parts: &'a IntakeParts, way: &'a mut Way, mark: LetterMark) -> Self {
        Self {
            parts,
            way,
            taken: HashMap::new(),
            taken_bytes: 0,
            decided: BTreeMap::new(),
            decided_bytes: 0,
            replayed: Replayed::default(),
            mark,
        }
    }

    fn run(mut self, filter: LetterFilter, limit: usize) -> Result<Replayed, LettersError> {
        let letters =
            self.parts.letters.letters(filter, self.mark).map_err(|error| unread(&error))?;
        for (n_read, found) in letters.enumerate() {
            if n_read == limit {
                self.replayed.after = Some(self.mark);
                break;
            }
            match found {
                Ok((id, letter)) => {
                    self.mark.pass(id);
                    self.again(id, letter)?;
                }
                // Of another version: replayed by that one.
                Err(error @ ListError::Letter { id, .. }) => {
                    self.mark.pass(id);
                    self.replayed.failed += 1;
                    tracing::warn!(error = %Chain(&error), "a dead letter is not replayed");
                }
                Err(error) => {
                    self.wait()?;
                    self.write()?;
                    return Err(unread(&error));
                }
            }
            if self.taken.len() >= TAKEN_MAX || self.taken_bytes >= TAKEN_BYTES_MAX {
                self.wait()?;
            }
            if self.decided.len() >= DECIDED_MAX || self.decided_bytes >= DECIDED_BYTES_MAX {
                self.write()?;
            }
        }
        self.wait()?;
        self.write()?;
        let Replayed { count, failed, .. } = self.replayed;
        tracing::info!(count, failed, "dead letters replayed");
        Ok(self.replayed)
    }

    /// Sends one letter on its way.
    #[expect(clippy::disallowed_methods, reason = "who gives memory back tells only workers")]
    fn again(&mut self, id: LetterId, letter: DeadLetter) -> Result<(), LettersError> {
        while !self.way.intake.has_room() {
            self.wait()?;
            std::thread::sleep(ROOM_LOOK);
        }
        let seq = self.way.seq;
        if let (Some(topic), Some(payload)) = (&letter.topic, &letter.payload) {
            let content_type = letter.content_type.as_deref();
            // Of mappings that ask, letters name the sender's vehicle.
            let sender = Sender::Session(letter.vehicle.as_deref());
            let received_at = letter.time;
            let message = Message { topic, payload, content_type, sender, received_at };
            let own = letter.mapping.as_deref();
            let is_known = self.is_mapping(own);
            let is_good = |done: &Transcoded, failures: &[Failure]| {
                let has_failed = |failure: &Failure| !is_known || own == Some(&*failure.mapping);
                done.mapped && !failures.iter().any(has_failed)
            };
            let Way { intake, memo, .. } = &mut *self.way;
            match intake.take_again(&message, memo, (), seq, is_good) {
                Ok(taken) if taken.waits == 0 => self.decide(id, None),
                Ok(_) => self.took(id, payload.len()),
                Err(failures) => self.failed(id, letter, failures),
            }
        } else if let Some(line) = &letter.line {
            let vehicle = letter.vehicle.as_deref().unwrap_or_default();
            let shard = ShardId::of(vehicle.as_bytes(), self.parts.shards);
            self.way.intake.take_line(line, shard, (), seq);
            self.took(id, line.len());
        } else {
            self.replayed.failed += 1;
        }
        Ok(())
    }

    /// Whether there is a mapping of that name today.
    fn is_mapping(&self, name: Option<&str>) -> bool {
        let plans = self.parts.plans.load();
        name.is_some_and(|name| plans.plans().iter().any(|plan| &*plan.name == name))
    }

    fn took(&mut self, id: LetterId, bytes: usize) {
        self.taken.insert(self.way.seq, id);
        self.taken_bytes += bytes;
        self.way.seq += 1;
    }

    /// It stays, with its new cause if that is another.
    fn failed(&mut self, id: LetterId, letter: DeadLetter, failures: Vec<Failure>) {
        self.replayed.failed += 1;
        let own = failures.iter().position(|one| letter.mapping.as_deref() == Some(&*one.mapping));
        let Some(failure) = failures.into_iter().nth(own.unwrap_or(0)) else { return };
        let Failure { mapping, vehicle, cause, detail } = failure;
        let new = DeadLetter {
            mapping: Some(mapping.to_string()),
            vehicle: vehicle.or(letter.vehicle.clone()),
            cause,
            detail,
            ..letter.clone()
        };
        if new != letter {
            self.decided_bytes += new.payload.as_ref().map_or(0, Vec::len);
            self.decided.insert(id, Some(new));
        }
    }

    fn decide(&mut self, id: LetterId, fate: Option<DeadLetter>) {
        self.replayed.count += 1;
        self.decided.insert(id, fate);
    }

    /// Waits until all that is on its way is durable.
    fn wait(&mut self) -> Result<(), LettersError> {
        self.way.intake.flush();
        let mut is_lost = false;
        while !self.taken.is_empty() {
            // Every group is answered once (UP-3), by a lane that has halted or ended as well.
            let Ok(Answer { group, durable }) = self.way.answers.recv() else {
                return Err(LettersError::Halted);
            };
            for run in group.runs() {
                for seq in run.first..run.first + u64::from(run.count) {
                    let Some(id) = self.taken.remove(&seq) else { continue };
                    if durable {
                        self.way.intake.finish(MessageOutcome::Spooled);
                        self.decide(id, None);
                    } else {
                        is_lost = true;
                    }
                }
            }
            self.way.intake.reuse(group);
        }
        self.taken_bytes = 0;
        self.way.intake.flush();
        if is_lost {
            // What is durable leaves the log all the same.
            self.write()?;
            return Err(LettersError::Halted);
        }
        Ok(())
    }

    /// Tells the log what has become of its letters.
    fn write(&mut self) -> Result<(), LettersError> {
        let decided = std::mem::take(&mut self.decided);
        self.decided_bytes = 0;
        if decided.is_empty() {
            return Ok(());
        }
        tokio::runtime::Handle::current().block_on(self.parts.letters.change(decided)).map(drop)
    }
}

fn unread(error: &ListError) -> LettersError {
    LettersError::Unreadable { reason: Chain(error).to_string() }
}
