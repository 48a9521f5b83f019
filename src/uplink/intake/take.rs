//! Takes messages in, hands groups over, takes answers back.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::mpsc::UnboundedSender;

use super::{
    IntakeOptions, IntakeParts, Tickets, group::Lane, letters::LetterLane, stamp::Stamps,
    tally::Tally,
};
use crate::{
    mapping::Plans,
    model::DeadLetter,
    spool::{EntryBuffer, Settled},
    telemetry::{MessageCounts, MessageLedger},
    uplink::{Message, Settlement, Transcoder},
};

/// What became of a message for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// How many lanes have to make something durable before it may be acknowledged.
    pub waits: u8,
    /// How it ends then.
    pub settlement: Settlement,
    /// A lane that it went to holds more than its bound: its session should stop reading until all
    /// that it waits for is durable.
    pub crowded: bool,
}

/// One worker's way into the lanes. `T` is whose a ticket is.
#[derive(Debug)]
pub struct Intake<T> {
    plans: Arc<ArcSwap<Plans>>,
    /// The plans of this turn.
    current: Arc<Plans>,
    transcoder: Transcoder,
    /// The open group of each shard.
    open: Vec<EntryBuffer>,
    /// The lanes of the same.
    lanes: Vec<Lane<T>>,
    letters: LetterLane<T>,
    replies: UnboundedSender<Settled>,
    ledger: Arc<MessageLedger>,
    counts: MessageCounts,
    tally: Tally,
    stamps: Stamps,
    options: IntakeOptions,
}

impl<T: Clone + PartialEq> Intake<T> {
    /// An intake with nothing in it, whose lanes answer to `replies`.
    pub(super) fn new(
        parts: &IntakeParts,
        replies: UnboundedSender<Settled>,
        options: IntakeOptions,
    ) -> Self {
        let lanes: Vec<Lane<T>> = parts
            .lanes
            .iter()
            .enumerate()
            .map(|(index, commit)| {
                Lane::new(u16::try_from(index).unwrap_or(u16::MAX), commit.clone())
            })
            .collect();
        let index = u16::try_from(lanes.len()).unwrap_or(u16::MAX);
        Self {
            letters: LetterLane::new(index, parts.letters.clone(), replies.clone()),
            current: parts.plans.load_full(),
            plans: Arc::clone(&parts.plans),
            transcoder: Transcoder::new(parts.limits.clone(), parts.shards),
            open: lanes.iter().map(|_| EntryBuffer::new()).collect(),
            lanes,
            replies,
            ledger: parts.metrics.ledgers().worker(),
            counts: MessageCounts::default(),
            tally: Tally::new(Arc::clone(&parts.metrics)),
            stamps: Stamps::new(Arc::clone(&parts.clock)),
            options,
        }
    }

    /// Takes one message in. Its ticket, `owner`'s publish number `seq`, comes back once for each
    /// of the lanes that it waits for.
    pub fn take(
        &mut self,
        topic: &str,
        payload: &[u8],
        content_type: Option<&str>,
        owner: &T,
        seq: u64,
    ) -> Taken {
        let received_at = self.stamps.next();
        self.counts.received += 1;
        let message = Message { topic, payload, content_type, received_at };
        let done = self.transcoder.transcode(&self.current, &message, &mut self.open);
        self.stamps.used(done.stamps);
        self.counts.points_merged += u64::from(done.points_merged);
        self.tally.left_out(&done);
        let mut taken = Taken { waits: 0, settlement: Settlement::Filtered, crowded: false };
        let bytes = topic.len() + payload.len();
        if let Some(shard) = done.shard {
            taken.settlement = Settlement::Spooled;
            self.wait_for(shard.as_usize(), u64::from(done.points), bytes, owner, seq, &mut taken);
        } else if !done.mapped {
            taken.settlement = Settlement::Unmapped;
        }
        if !self.transcoder.failures().is_empty() {
            taken.settlement = Settlement::DeadLettered;
            let failures = self.transcoder.failures().iter();
            let letters = failures.map(|failure| {
                self.tally.failed(failure);
                letter(&message, failure)
            });
            self.letters.push(letters.collect(), bytes, owner, seq);
            taken.waits += 1;
            taken.crowded |= self.letters.unsettled_bytes() >= self.options.lane_bytes_max;
        }
        self.note(taken);
        taken
    }

    /// Counts a message that was turned away before decoding.
    pub fn refuse(&mut self) -> Taken {
        self.counts.received += 1;
        let taken = Taken { waits: 0, settlement: Settlement::Refused, crowded: false };
        self.note(taken);
        taken
    }

    fn wait_for(
        &mut self,
        lane: usize,
        points: u64,
        bytes: usize,
        owner: &T,
        seq: u64,
        taken: &mut Taken,
    ) {
        taken.waits += 1;
        self.lanes[lane].wait(points, bytes, owner, seq);
        if points > 0 {
            self.lanes[lane].note(self.transcoder.last_lines());
        }
        taken.crowded |= self.lanes[lane].unsettled_bytes() >= self.options.lane_bytes_max;
        if self.open[lane].len() >= self.options.group_bytes_max {
            self.lanes[lane].submit(&mut self.open[lane], &self.replies);
        }
    }

    fn note(&mut self, taken: Taken) {
        if taken.waits == 0 {
            count(&mut self.counts, taken.settlement);
        } else {
            self.counts.pending += 1;
        }
    }

    /// Hands what gathered to the lanes and publishes the counts: the end of a turn.
    pub fn flush(&mut self) {
        for (lane, open) in self.lanes.iter_mut().zip(&mut self.open) {
            lane.submit(open, &self.replies);
        }
        self.letters.submit();
        self.stamps.end_turn();
        self.tally.publish();
        self.current = self.plans.load_full();
        self.publish();
    }

    /// Publishes the counts, so that a snapshot sees the turn whole.
    pub fn publish(&self) {
        self.ledger.publish(self.counts);
    }

    /// Takes a lane's answer: whose publishes are durable now. Nobody's, if the lane halted (UP-2).
    pub fn settled(&mut self, answer: Settled) -> Tickets<T> {
        match self.lanes.get_mut(usize::from(answer.lane)) {
            Some(lane) => lane.answered(answer),
            None => self.letters.answered(&answer),
        }
    }

    /// Gives what an answered group was made of back for the next.
    pub fn reuse(&mut self, tickets: Tickets<T>) {
        if let Some(lane) = self.lanes.get_mut(usize::from(tickets.lane())) {
            lane.reuse(tickets);
        }
    }

    /// Counts a publish that waits for nothing more.
    pub fn settle(&mut self, settlement: Settlement) {
        self.counts.pending -= 1;
        count(&mut self.counts, settlement);
    }
}

fn count(counts: &mut MessageCounts, settlement: Settlement) {
    match settlement {
        Settlement::Spooled => counts.spooled += 1,
        Settlement::DeadLettered => counts.dead_lettered += 1,
        Settlement::Filtered => counts.filtered += 1,
        Settlement::Unmapped => counts.unmapped += 1,
        Settlement::Refused => counts.refused += 1,
    }
}

fn letter(message: &Message<'_>, failure: &crate::uplink::Failure) -> DeadLetter {
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
