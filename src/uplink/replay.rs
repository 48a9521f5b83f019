//! Replays dead letters: decodes them again with the current schemas and mappings.
//!
//! A message is decoded with its original time of receipt, so that its points have their original
//! times. A point that the store refused is sent again as it was written. A letter that succeeds is
//! removed from the log only after its points are durable: after a crash in between it is sent
//! twice, to the same series and time. A letter that fails again keeps its id and gets its new
//! cause.
//!
//! # When a message has succeeded
//! Each mapping that failed has a letter of its own. So a letter has succeeded when its own mapping
//! accepts the message, whether or not the others do. All points of the message are written: those
//! that were written before, or those that the current mappings make. If no mapping of that name
//! exists any more, all current mappings must accept the message.

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

/// How many letters may be taken and not durable yet at once.
const TAKEN_MAX: usize = 1000;
/// Bytes of the payloads and lines that may be taken and not durable yet at once.
const TAKEN_BYTES_MAX: usize = 4 << 20;
/// How many letters may be decided and not written to the log yet: a segment is rewritten once for
/// all of them.
const DECIDED_MAX: usize = 10_000;
/// Bytes of letters that stay in the log and are not rewritten yet.
const DECIDED_BYTES_MAX: usize = 16 << 20;
/// How often it checks for free memory.
const ROOM_LOOK: Duration = Duration::from_millis(20);

/// Replays dead letters, one request after another.
#[derive(Debug)]
pub struct Replayer {
    parts: IntakeParts,
    state: Arc<tokio::sync::Mutex<IntakeState>>,
}

/// An intake like a worker's, and the channel of its answers.
#[derive(Debug)]
struct IntakeState {
    intake: Intake<()>,
    answers: mpsc::Receiver<Answer<()>>,
    memo: TopicMemo,
    /// The number of the next letter that is taken.
    seq: u64,
}

impl Replayer {
    /// A replayer with an intake of its own.
    #[must_use]
    pub fn new(parts: IntakeParts) -> Self {
        let (told, answers) = mpsc::channel();
        let intake = parts.open(Arc::new(move |answer| {
            // The receiver is gone only when the appliance stops.
            told.send(answer).unwrap_or_default();
        }));
        let state = IntakeState { intake, answers, memo: TopicMemo::default(), seq: 0 };
        Self { parts, state: Arc::new(tokio::sync::Mutex::new(state)) }
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
            let mut state = Arc::clone(&self.state).lock_owned().await;
            let parts = self.parts.clone();
            blocking(move || Replay::new(&parts, &mut state, after).run(filter, limit)).await
        })
    }
}

/// One replay.
struct Replay<'a> {
    parts: &'a IntakeParts,
    state: &'a mut IntakeState,
    /// Taken, and not durable yet.
    taken: HashMap<u64, LetterId>,
    taken_bytes: usize,
    /// The changes to the log: a new letter replaces the old one, `None` removes it.
    decided: BTreeMap<LetterId, Option<DeadLetter>>,
    decided_bytes: usize,
    replayed: Replayed,
    mark: LetterMark,
}

impl<'a> Replay<'a> {
    fn new(parts: &'a IntakeParts, state: &'a mut IntakeState, mark: LetterMark) -> Self {
        Self {
            parts,
            state,
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
                // A letter of another version: that version can replay it.
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

    /// Takes one letter in again.
    #[expect(clippy::disallowed_methods, reason = "who gives memory back tells only workers")]
    fn again(&mut self, id: LetterId, letter: DeadLetter) -> Result<(), LettersError> {
        while !self.state.intake.has_room() {
            self.wait()?;
            std::thread::sleep(ROOM_LOOK);
        }
        let seq = self.state.seq;
        if let (Some(topic), Some(payload)) = (&letter.topic, &letter.payload) {
            let content_type = letter.content_type.as_deref();
            // If a mapping checks the sender, the letter holds the sender's vehicle.
            let sender = Sender::Session(letter.vehicle.as_deref());
            let received_at = letter.time;
            let message = Message { topic, payload, content_type, sender, received_at };
            let own = letter.mapping.as_deref();
            let is_known = self.is_mapping(own);
            let is_good = |done: &Transcoded, failures: &[Failure]| {
                let has_failed = |failure: &Failure| !is_known || own == Some(&*failure.mapping);
                done.mapped && !failures.iter().any(has_failed)
            };
            let IntakeState { intake, memo, .. } = &mut *self.state;
            match intake.take_again(&message, memo, (), seq, is_good) {
                Ok(taken) if taken.waits == 0 => self.decide(id, None),
                Ok(_) => self.took(id, payload.len()),
                Err(failures) => self.failed(id, letter, failures),
            }
        } else if let Some(line) = &letter.line {
            let vehicle = letter.vehicle.as_deref().unwrap_or_default();
            let shard = ShardId::of(vehicle.as_bytes(), self.parts.shards);
            self.state.intake.take_line(line, shard, (), seq);
            self.took(id, line.len());
        } else {
            self.replayed.failed += 1;
        }
        Ok(())
    }

    /// Whether a mapping of that name exists now.
    fn is_mapping(&self, name: Option<&str>) -> bool {
        let plans = self.parts.plans.load();
        name.is_some_and(|name| plans.plans().iter().any(|plan| &*plan.name == name))
    }

    fn took(&mut self, id: LetterId, bytes: usize) {
        self.taken.insert(self.state.seq, id);
        self.taken_bytes += bytes;
        self.state.seq += 1;
    }

    /// Keeps a letter that failed again; with its new cause, if it has changed.
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

    /// Waits until everything that was taken is durable.
    fn wait(&mut self) -> Result<(), LettersError> {
        self.state.intake.flush();
        let mut is_lost = false;
        while !self.taken.is_empty() {
            // Every group is answered once (UP-3), also by a lane that has halted or ended.
            let Ok(Answer { group, durable }) = self.state.answers.recv() else {
                return Err(LettersError::Halted);
            };
            for run in group.runs() {
                for seq in run.first..run.first + u64::from(run.count) {
                    let Some(id) = self.taken.remove(&seq) else { continue };
                    if durable {
                        self.state.intake.finish(MessageOutcome::Spooled);
                        self.decide(id, None);
                    } else {
                        is_lost = true;
                    }
                }
            }
            self.state.intake.reuse(group);
        }
        self.taken_bytes = 0;
        self.state.intake.flush();
        if is_lost {
            // Letters that are durable are removed from the log nevertheless.
            self.write()?;
            return Err(LettersError::Halted);
        }
        Ok(())
    }

    /// Applies the decided changes to the log.
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
