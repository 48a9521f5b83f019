//! Takes messages in, hands groups over, takes answered groups back.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{
    Group, IntakeParts, Reply, lanes::Lanes, letters::Letters, stamp::Stamps, tally::Tally,
    unmapped::Unmapped,
};
use crate::{
    env::Clock,
    mapping::Plans,
    model::{DeadLetter, ShardCount, ShardId, UnixNanos},
    telemetry::{MessageCounts, MessageLedger},
    uplink::{
        Failure, LastLines, MemoryBudget, Message, MessageOutcome, Raised, Sender,
        ShardBuffers as _, TopicMemo, Transcoded, Transcoder,
    },
};

/// The state of a message that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// How many lanes must make something durable before it may be acknowledged.
    pub waits: u8,
    /// Its outcome after that.
    pub outcome: MessageOutcome,
}

/// There is no memory for the message: it was not taken, and nothing was counted. Take it again
/// when [`Intake::has_room`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

/// A publish as received by its session.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its payload, framing included.
    pub payload: &'a [u8],
    /// The content type of a 5.0 message.
    pub content_type: Option<&'a str>,
    /// The sender: the session, with its verified vehicle.
    pub sender: Sender<'a>,
}

/// One worker's entry to the lanes. `K` identifies the owner of a message.
#[derive(Debug)]
pub struct Intake<K: Copy + PartialEq + Send + 'static> {
    plans: Arc<ArcSwap<Plans>>,
    /// The plans of this turn.
    current: Arc<Plans>,
    /// Whether this turn has begun.
    in_turn: bool,
    transcoder: Transcoder,
    lanes: Lanes<K>,
    letters: Letters<K>,
    memory: Arc<MemoryBudget>,
    ledger: Arc<MessageLedger>,
    counts: MessageCounts,
    tally: Tally,
    stamps: Stamps,
    unmapped: Unmapped,
    clock: Arc<dyn Clock>,
    shards: ShardCount,
}

impl<K: Copy + PartialEq + Send + 'static> Intake<K> {
    /// An intake with nothing in it, whose lanes answer to `reply`.
    pub(super) fn new(parts: &IntakeParts, reply: Reply<K>) -> Self {
        let memory = &parts.memory;
        let letters = Letters::new(parts.letters.clone(), Arc::clone(memory), Arc::clone(&reply));
        Self {
            current: parts.plans.load_full(),
            plans: Arc::clone(&parts.plans),
            in_turn: false,
            transcoder: Transcoder::new(parts.limits.clone(), parts.shards)
                .with_names(Arc::clone(&parts.names)),
            lanes: Lanes::new(&parts.lanes, Arc::clone(memory), reply, parts.group_bytes_max),
            letters,
            memory: Arc::clone(memory),
            ledger: parts.metrics.ledgers().worker(),
            counts: MessageCounts::default(),
            tally: Tally::new(Arc::clone(&parts.metrics)),
            stamps: Stamps::new(Arc::clone(&parts.clock)),
            unmapped: Unmapped::default(),
            clock: Arc::clone(&parts.clock),
            shards: parts.shards,
        }
    }

    /// Whether there is memory for one more message. Asked before [`Self::take`].
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.memory.has_room()
    }

    /// Takes one message. It comes back as `owner`'s publish number `seq` in the groups of all
    /// lanes that it waits for.
    ///
    /// # Errors
    /// [`NoRoom`] if it became a dead letter and the waiting dead letters already take their share
    /// of the memory.
    pub fn take<R: Default>(
        &mut self,
        incoming: &Incoming<'_>,
        memo: &mut TopicMemo<R>,
        owner: K,
        seq: u64,
    ) -> Result<Taken, NoRoom> {
        self.begin_turn();
        let Incoming { topic, payload, content_type, sender } = *incoming;
        let received_at = self.stamps.next();
        let message = Message { topic, payload, content_type, sender, received_at };
        let done = self.transcoder.transcode(&self.current, &message, memo, &mut self.lanes);
        if done.is_foreign {
            return Ok(self.pass(MessageOutcome::Refused));
        }
        let failed = !self.transcoder.failures().is_empty();
        if failed && !self.memory.has_room_for_letters() {
            self.transcoder.undo(&mut self.lanes);
            return Err(NoRoom);
        }
        self.stamps.used(done.stamps);
        let mut taken = self.received(&done, owner, seq);
        if taken.outcome == MessageOutcome::Unmapped {
            self.unmapped.report(topic, || self.clock.monotonic());
        }
        if failed {
            taken = Taken { waits: taken.waits + 1, outcome: MessageOutcome::DeadLettered };
            let failures = self.transcoder.failures().iter();
            let letters = failures.map(|failure| {
                self.tally.failed(failure);
                letter(&message, failure)
            });
            self.letters.push(letters.collect(), owner, seq);
        }
        self.note(taken);
        Ok(taken)
    }

    /// The alarms of the message that was taken last. Call it before the next message is taken.
    pub fn take_raised(&mut self) -> Vec<Raised> {
        self.transcoder.take_raised()
    }

    /// Takes an earlier message again, with its original time of receipt. It is kept and counted
    /// only if `is_good` accepts the result. Otherwise its lines are removed and its failures are
    /// returned; they do not become dead letters.
    ///
    /// # Errors
    /// The failures; empty if no mapping takes the message or no mapping failed.
    pub(in crate::uplink) fn take_again<R: Default>(
        &mut self,
        message: &Message<'_>,
        memo: &mut TopicMemo<R>,
        owner: K,
        seq: u64,
        is_good: impl FnOnce(&Transcoded, &[Failure]) -> bool,
    ) -> Result<Taken, Vec<Failure>> {
        self.begin_turn();
        let done = self.transcoder.transcode(&self.current, message, memo, &mut self.lanes);
        if done.is_foreign || !is_good(&done, self.transcoder.failures()) {
            self.transcoder.undo(&mut self.lanes);
            return Err(self.transcoder.failures().to_vec());
        }
        let taken = self.received(&done, owner, seq);
        self.note(taken);
        Ok(taken)
    }

    /// Counts the result of a message, and notes it as waiting for its lines.
    fn received(&mut self, done: &Transcoded, owner: K, seq: u64) -> Taken {
        self.counts.received += 1;
        self.counts.points_merged += u64::from(done.points_merged);
        self.tally.left_out(done);
        let Some(shard) = done.shard else {
            let outcome =
                if done.mapped { MessageOutcome::Filtered } else { MessageOutcome::Unmapped };
            return Taken { waits: 0, outcome };
        };
        let last_lines = self.transcoder.last_lines();
        self.lanes.wait(shard.as_usize(), done.points.into(), owner, seq, last_lines);
        Taken { waits: 1, outcome: MessageOutcome::Spooled }
    }

    /// Takes again a point that its store refused, as it was written.
    pub(in crate::uplink) fn take_line(&mut self, line: &[u8], shard: ShardId, owner: K, seq: u64) {
        let buffer = self.lanes.of(shard);
        buffer.bytes_mut().extend_from_slice(line);
        buffer.bytes_mut().push(b'\n');
        buffer.items += 1;
        self.lanes.wait(shard.as_usize(), 1, owner, seq, &LastLines::default());
        self.counts.received += 1;
        self.note(Taken { waits: 1, outcome: MessageOutcome::Spooled });
    }

    /// Takes a point of our own that comes from no message: `write` gets its time and appends its
    /// line without the line feed. Nothing waits for it, and only a point is counted.
    ///
    /// # Errors
    /// [`NoRoom`] if there is no memory for it: nothing was written.
    pub fn take_own(
        &mut self,
        vehicle: &[u8],
        write: impl FnOnce(&mut Vec<u8>, UnixNanos),
    ) -> Result<(), NoRoom> {
        if !self.has_room() {
            return Err(NoRoom);
        }
        self.begin_turn();
        let shard = ShardId::of(vehicle, self.shards);
        let buffer = self.lanes.of(shard);
        write(buffer.bytes_mut(), self.stamps.next());
        buffer.bytes_mut().push(b'\n');
        buffer.items += 1;
        self.lanes.add(shard.as_usize(), 1);
        Ok(())
    }

    /// Counts a message that is not decoded: one that was refused, or one that is not a
    /// measurement.
    pub fn pass(&mut self, outcome: MessageOutcome) -> Taken {
        self.counts.received += 1;
        let taken = Taken { waits: 0, outcome };
        self.note(taken);
        taken
    }

    /// Counts a publish that clears a retained message: it is not a measurement.
    pub fn clear<R: Default>(&mut self, topic: &str, memo: &mut TopicMemo<R>) -> Taken {
        self.begin_turn();
        let is_mapped = !memo.find(topic, &self.current).plans().is_empty();
        self.pass(if is_mapped { MessageOutcome::Filtered } else { MessageOutcome::Unmapped })
    }

    /// Begins a turn: loads the plans in force.
    fn begin_turn(&mut self) {
        if !std::mem::replace(&mut self.in_turn, true) {
            let plans = self.plans.load();
            if !Arc::ptr_eq(&plans, &self.current) {
                self.current = Arc::clone(&plans);
            }
        }
    }

    fn note(&mut self, taken: Taken) {
        if taken.waits == 0 {
            count(&mut self.counts, taken.outcome);
        } else {
            self.counts.pending += 1;
        }
    }

    /// Ends a turn: hands over what has gathered and publishes the counts.
    pub fn flush(&mut self) {
        self.lanes.hand_over_all();
        self.letters.submit();
        self.stamps.end_turn();
        self.in_turn = false;
        self.tally.publish();
        self.publish();
    }

    /// Publishes the counts, so that a snapshot sees only whole turns.
    pub fn publish(&self) {
        self.ledger.publish(self.counts);
    }

    /// Takes an answered group back for reuse.
    pub fn reuse(&mut self, group: Box<Group<K>>) {
        self.lanes.reuse(group);
    }

    /// Counts a publish that waits for nothing more.
    pub fn finish(&mut self, outcome: MessageOutcome) {
        self.counts.pending -= 1;
        count(&mut self.counts, outcome);
    }
}

fn count(counts: &mut MessageCounts, outcome: MessageOutcome) {
    match outcome {
        MessageOutcome::Spooled => counts.spooled += 1,
        MessageOutcome::DeadLettered => counts.dead_lettered += 1,
        MessageOutcome::Filtered => counts.filtered += 1,
        MessageOutcome::Unmapped => counts.unmapped += 1,
        MessageOutcome::Refused => counts.refused += 1,
    }
}

fn letter(message: &Message<'_>, failure: &Failure) -> DeadLetter {
    DeadLetter {
        time: message.received_at,
        vehicle: failure.vehicle.clone(),
        topic: Some(message.topic.to_owned()),
        mapping: Some(failure.mapping.to_string()),
        cause: failure.cause,
        detail: failure.detail.clone(),
        payload: Some(message.payload.to_vec()),
        content_type: message.content_type.map(str::to_owned),
        line: None,
        answer: None,
    }
}
