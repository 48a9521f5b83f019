//! A message → its lines, or its failures: selection, decoding, filter, lines. Panics are caught
//! here.
//!
//! - The mappings of a topic are independent: if one fails, its lines are removed and the points of
//!   the others stay.
//! - A message has one shard, that of the vehicle of its first mapping that names one, so that all
//!   its points are in one entry.
//! - Decoding and mapping run under `catch_unwind`: a panic that a payload causes becomes a
//!   [`Failure`], as any other error.
//!
//! Cost: a 200-byte payload of 12 fields has some 30 varints and 8 floats and gives some 300 bytes
//! of lines. Nothing is allocated once the buffers have grown.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use crate::{
    mapping::{Plan, Plans, TopicMatch},
    model::{Cause, ShardCount},
    uplink::{
        DecodeError, Failure, LastLines, Limits, Message, NameRegistry, Raised, Sender,
        ShardBuffers, Slots, TopicMemo, Transcoded, detail, diagnose,
        duplicates::EqualPoints,
        framing::{self, Frame, Selected},
        kinds::Prober,
        line_protocol,
        run::{MappingRun, OutputPlace, Progress},
    },
};

/// Turns messages into lines. One per worker: it owns all scratch memory.
#[derive(Debug)]
pub struct Transcoder {
    limits: Limits,
    shards: ShardCount,
    slots: Slots,
    line_writer: line_protocol::Writer,
    equal_points: EqualPoints,
    prober: Prober,
    failures: Vec<Failure>,
    last_lines: LastLines,
    raised: Vec<Raised>,
    /// Where the last message's lines begin.
    place: Option<OutputPlace>,
    names: Option<Arc<NameRegistry>>,
}

impl Transcoder {
    /// A transcoder with empty scratch memory.
    #[must_use]
    pub fn new(limits: Limits, shards: ShardCount) -> Self {
        let slots = Slots::new(&limits);
        Self {
            prober: Prober::new(&limits),
            limits,
            shards,
            slots,
            line_writer: line_protocol::Writer::default(),
            equal_points: EqualPoints::default(),
            failures: Vec::new(),
            last_lines: LastLines::default(),
            raised: Vec::new(),
            place: None,
            names: None,
        }
    }

    /// Bounds how many new names messages may introduce.
    #[must_use]
    pub fn with_names(self, names: Arc<NameRegistry>) -> Self {
        Self { names: Some(names), ..self }
    }

    /// The failures of the last message's mappings; empty if none failed.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// Steps of the last message, which [`Limits::steps_max`] bounds.
    pub fn steps(&mut self) -> u64 {
        self.slots.steps()
    }

    /// Slots that the last message has written.
    #[cfg(test)]
    pub(super) fn writes(&self) -> usize {
        self.slots.writes
    }

    /// The last line of the last message that each of its mappings wrote, in the shard's buffer.
    pub(crate) fn last_lines(&self) -> &LastLines {
        &self.last_lines
    }

    /// Alarms that the last message raises.
    #[must_use]
    pub fn raised(&self) -> &[Raised] {
        &self.raised
    }

    /// The same, as owned values.
    pub(crate) fn take_raised(&mut self) -> Vec<Raised> {
        std::mem::take(&mut self.raised)
    }

    /// Removes the lines of the last message, as if it had never arrived. Nothing may have been
    /// appended after them.
    pub(crate) fn undo(&mut self, lines: &mut dyn ShardBuffers) {
        self.raised.clear();
        if let Some(place) = self.place.take() {
            let buffer = lines.of(place.shard);
            buffer.bytes_mut().truncate(place.start);
            buffer.items = place.start_items;
        }
    }

    /// Appends the message's lines to its shard's buffer and adds its points to the buffer's items.
    /// `memo` is that of the message's session.
    pub fn transcode<R: Default>(
        &mut self,
        plans: &Plans,
        message: &Message<'_>,
        memo: &mut TopicMemo<R>,
        lines: &mut dyn ShardBuffers,
    ) -> Transcoded {
        self.transcode_matched(plans, message, memo.find(message.topic, plans), lines)
    }

    fn transcode_matched(
        &mut self,
        plans: &Plans,
        message: &Message<'_>,
        matched: &TopicMatch,
        lines: &mut dyn ShardBuffers,
    ) -> Transcoded {
        self.failures.clear();
        self.last_lines.clear();
        self.raised.clear();
        self.slots.begin_steps();
        self.prober.begin_message();
        self.place = None;
        let Some(first) = matched.plans().first().copied() else {
            return Transcoded::default();
        };
        let transcoded = Transcoded { mapped: true, ..Transcoded::default() };
        let mut progress = Progress { transcoded, ..Progress::default() };
        let mut is_taken = false;
        for &at in matched.plans() {
            let plan = &plans.plans()[at];
            let Some(payload) = framing::selected(plan, message) else { continue };
            is_taken = true;
            let selected = Selected { plans, message, matched, payload };
            self.run_mapping(plan, selected, lines, &mut progress);
            if progress.is_foreign {
                return self.refuse(progress.place, lines);
            }
        }
        self.place = progress.place;
        if !self.failures.is_empty() {
            self.name_sender(plans, matched, message);
        }
        if !is_taken {
            let error = DecodeError::new(Cause::SchemaUnknown, "no mapping takes such a payload");
            let plan = &plans.plans()[first];
            // Clears what an earlier message has left there.
            self.slots.begin_message(&plan.slots);
            let selected = Selected { plans, message, matched, payload: message.payload };
            let context = selected.context(&self.limits, message.received_at);
            let mut failure = detail::failure(plan, &self.slots, &context, error);
            let mapped = matched.plans().iter().map(|at| &plans.plans()[*at]);
            failure.detail.push_str(&diagnose::unselected(mapped, message));
            self.failures.push(failure);
        }
        if progress.transcoded.points > 0 {
            progress.transcoded.shard = progress.place.map(|place| place.shard);
        }
        progress.transcoded
    }

    /// Removes the lines of a message of another vehicle than its sender's. Keeps only its last
    /// failure, which says why.
    #[cold]
    fn refuse(&mut self, place: Option<OutputPlace>, lines: &mut dyn ShardBuffers) -> Transcoded {
        self.place = place;
        self.undo(lines);
        self.last_lines.clear();
        self.failures.drain(..self.failures.len().saturating_sub(1));
        Transcoded { mapped: true, is_foreign: true, ..Transcoded::default() }
    }

    /// Sets the vehicle of the failures to the sender's, if a mapping checks the sender: a replay
    /// checks against it again.
    #[cold]
    fn name_sender(&mut self, plans: &Plans, matched: &TopicMatch, message: &Message<'_>) {
        let wants = |at: &usize| plans.plans()[*at].identity_required;
        if let Sender::Session(Some(own)) = message.sender
            && matched.plans().iter().any(wants)
        {
            self.failures.iter_mut().for_each(|failure| failure.vehicle = Some(own.to_owned()));
        }
    }

    /// Runs one mapping and catches panics; on a failure removes the lines that it wrote.
    fn run_mapping(
        &mut self,
        plan: &Plan,
        selected: Selected<'_>,
        lines: &mut dyn ShardBuffers,
        progress: &mut Progress,
    ) {
        if let Some(place) = &mut progress.place {
            let buffer = lines.of(place.shard);
            place.mark = buffer.bytes_mut().len();
            place.mark_items = buffer.items;
        }
        let before = progress.transcoded;
        let raised_before = self.raised.len();
        progress.frame = Frame::whole(selected.payload);
        let received_at = selected.message.received_at;
        let stamps = if plan.shares_stamps { before.stamps } else { 0 };
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let mut run = MappingRun {
                plan,
                sender: selected.message.sender,
                limits: &self.limits,
                shards: self.shards,
                context: selected.context(&self.limits, received_at.saturating_add(stamps.into())),
                lines: &mut *lines,
                progress: &mut *progress,
                equal_points: &mut self.equal_points,
                prober: &mut self.prober,
                last_lines: &mut self.last_lines,
                raised: &mut self.raised,
                raised_before,
                names: self.names.as_deref(),
                stamps,
                line: 0..0,
                reached: 0,
            };
            run.message(&mut self.slots, &mut self.line_writer)
        }));
        let failure = match ran {
            Ok(Ok(())) => return,
            Ok(Err(error)) => {
                let frame = progress.frame;
                let whole = selected.payload;
                let framed = Selected { payload: frame.of(whole), ..selected };
                let context = framed.context(&self.limits, received_at);
                let mut failure = detail::failure(plan, &self.slots, &context, error);
                frame.tell(plan, whole, &mut failure);
                if let Some(too_many) = progress.too_many_new.take() {
                    failure.detail = too_many.to_string();
                }
                failure
            }
            Err(panic) => {
                // After a panic the slots may be in a state that no walk leaves.
                self.slots = Slots::new(&self.limits);
                self.prober = Prober::new(&self.limits);
                let context = selected.context(&self.limits, received_at);
                let error = DecodeError::new(Cause::Panic, "decoding panicked");
                let mut failure = detail::failure(plan, &self.slots, &context, error);
                failure.detail.push_str(&panic_text(panic.as_ref()));
                failure
            }
        };
        self.failures.push(failure);
        self.raised.truncate(raised_before);
        progress.transcoded = before;
        if let Some(place) = progress.place {
            let buffer = lines.of(place.shard);
            buffer.bytes_mut().truncate(place.mark);
            buffer.items = place.mark_items;
        }
    }
}

/// The message of a panic.
fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.map(|text| format!(": {text}")).unwrap_or_default()
}
