//! A message → its lines, or why not: selection, decoding, filter, lines, and the fence around
//! them.
//!
//! - Each mapping of the topic stands for itself: when one fails, its lines are cut back to where
//!   it began and the good points of the others stay.
//! - A message has one shard, that of the vehicle of its first mapping that names one, so that all
//!   its points are in one entry.
//! - Whatever a payload does to the code behind it, nothing but a [`Failure`] comes out: decoding
//!   and mapping run inside a fence.
//!
//! Sketch of the cost: a 200-byte payload of 12 fields is some 30 varints and 8 floats in, some 300
//! bytes of line out; no allocation once the buffers have grown.

use std::{
    any::Any,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::{
    mapping::{Decoder, Plan, Plans, Source, names},
    model::{Cause, ShardCount, ShardId},
    uplink::{
        DecodeError, Failure, LastLines, Limits, Lines, Message, Slots, TopicMemo, Transcoded,
        decode,
        duplicates::Settler,
        framing::{self, Frame, Frames, Taken},
        kinds::Prober,
        lines, look,
        point::{self, Context, LeftOut, Line, Outcome},
        told,
    },
};

/// Turns messages into lines. One a worker: it owns all scratch.
#[derive(Debug)]
pub struct Transcoder {
    limits: Limits,
    shards: ShardCount,
    slots: Slots,
    line_writer: lines::Writer,
    settler: Settler,
    prober: Prober,
    failures: Vec<Failure>,
    last_lines: LastLines,
    /// Where the last message's lines begin.
    place: Option<Place>,
}

/// Where a message's lines go, once its vehicle is known.
#[derive(Clone, Copy, Debug)]
struct Place {
    shard: ShardId,
    /// The buffer's length and items before the message.
    start: usize,
    start_items: u32,
    /// The buffer's length and items before the current mapping: what a failure cuts back to.
    mark: usize,
    mark_items: u32,
}

/// What one message has cost so far.
#[derive(Debug, Default)]
struct Progress {
    place: Option<Place>,
    transcoded: Transcoded,
    /// The message of the payload that the current mapping is at.
    frame: Frame,
}

impl Transcoder {
    /// A transcoder with empty scratch.
    #[must_use]
    pub fn new(limits: Limits, shards: ShardCount) -> Self {
        let slots = Slots::new(&limits);
        Self {
            prober: Prober::new(&limits),
            limits,
            shards,
            slots,
            line_writer: lines::Writer::default(),
            settler: Settler::default(),
            failures: Vec::new(),
            last_lines: LastLines::default(),
            place: None,
        }
    }

    /// Why mappings of the last message failed; empty: all went well.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// Steps that the last message has cost beside those that its bytes pay for: what
    /// [`Limits::steps_max`] bounds.
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

    /// Takes the lines of the last message back, as if it had never come. Nothing may have been
    /// appended behind them.
    pub(crate) fn undo(&mut self, lines: &mut dyn Lines) {
        if let Some(place) = self.place.take() {
            let buffer = lines.of(place.shard);
            buffer.bytes_mut().truncate(place.start);
            buffer.items = place.start_items;
        }
    }

    /// Appends the message's lines to its shard's buffer and adds its points to the buffer's items.
    /// `memo` is that of the message's session.
    pub fn transcode(
        &mut self,
        plans: &Plans,
        message: &Message<'_>,
        memo: &mut TopicMemo,
        lines: &mut dyn Lines,
    ) -> Transcoded {
        self.failures.clear();
        self.last_lines.clear();
        self.slots.begin_steps();
        self.prober.begin_message();
        self.place = None;
        let matched = memo.find(message.topic, plans);
        let mut progress = Progress::default();
        let Some(first) = matched.plans().first().copied() else {
            return progress.transcoded;
        };
        progress.transcoded.mapped = true;
        let mut is_taken = false;
        for &at in matched.plans() {
            let plan = &plans.plans()[at];
            let Some(payload) = framing::selected(plan, message) else { continue };
            is_taken = true;
            let taken = Taken { plans, message, matched, payload };
            self.fenced(plan, taken, lines, &mut progress);
        }
        self.place = progress.place;
        if !is_taken {
            let error = DecodeError::new(Cause::SchemaUnknown, "no mapping takes such a payload");
            let plan = &plans.plans()[first];
            // What an earlier message has left there is not this one's.
            self.slots.begin_message(&plan.slots);
            let taken = Taken { plans, message, matched, payload: message.payload };
            let context = taken.context(&self.limits, message.received_at);
            let mut failure = told::failure(plan, &self.slots, &context, error);
            let mapped = matched.plans().iter().map(|at| &plans.plans()[*at]);
            failure.detail.push_str(&look::unselected(mapped, message));
            self.failures.push(failure);
        }
        if progress.transcoded.points > 0 {
            progress.transcoded.shard = progress.place.map(|place| place.shard);
        }
        progress.transcoded
    }

    /// Runs one mapping inside the fence; on a failure cuts back what it wrote.
    fn fenced(
        &mut self,
        plan: &Plan,
        taken: Taken<'_>,
        lines: &mut dyn Lines,
        progress: &mut Progress,
    ) {
        if let Some(place) = &mut progress.place {
            let buffer = lines.of(place.shard);
            place.mark = buffer.bytes_mut().len();
            place.mark_items = buffer.items;
        }
        let before = progress.transcoded;
        progress.frame = Frame::whole(taken.payload);
        let received_at = taken.message.received_at;
        let stamps = if plan.shares_stamps { before.stamps } else { 0 };
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let mut run = Run {
                plan,
                limits: &self.limits,
                shards: self.shards,
                context: taken.context(&self.limits, received_at.saturating_add(stamps.into())),
                lines: &mut *lines,
                progress: &mut *progress,
                settler: &mut self.settler,
                prober: &mut self.prober,
                last_lines: &mut self.last_lines,
                stamps,
                line: 0..0,
            };
            run.message(&mut self.slots, &mut self.line_writer)
        }));
        let failure = match ran {
            Ok(Ok(())) => return,
            Ok(Err(error)) => {
                let frame = progress.frame;
                let whole = taken.payload;
                let framed = Taken { payload: frame.of(whole), ..taken };
                let context = framed.context(&self.limits, received_at);
                let mut failure = told::failure(plan, &self.slots, &context, error);
                frame.tell(plan, whole, &mut failure);
                failure
            }
            Err(panic) => {
                // The slots may be half filled in a way that no walk leaves them.
                self.slots = Slots::new(&self.limits);
                self.prober = Prober::new(&self.limits);
                let context = taken.context(&self.limits, received_at);
                let error = DecodeError::new(Cause::Panic, "decoding panicked");
                let mut failure = told::failure(plan, &self.slots, &context, error);
                failure.detail.push_str(&panic_text(panic.as_ref()));
                failure
            }
        };
        self.failures.push(failure);
        progress.transcoded = before;
        if let Some(place) = progress.place {
            let buffer = lines.of(place.shard);
            buffer.bytes_mut().truncate(place.mark);
            buffer.items = place.mark_items;
        }
    }
}

/// What a panic said.
fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.map(|text| format!(": {text}")).unwrap_or_default()
}

/// One mapping of one message.
struct Run<'a> {
    plan: &'a Plan,
    limits: &'a Limits,
    shards: ShardCount,
    context: Context<'a>,
    lines: &'a mut dyn Lines,
    progress: &'a mut Progress,
    settler: &'a mut Settler,
    prober: &'a mut Prober,
    last_lines: &'a mut LastLines,
    /// How many times of receipt the message has used, as far as this mapping must not use them
    /// again.
    stamps: u32,
    /// The line written last, in its buffer.
    line: Range<usize>,
}

impl Run<'_> {
    /// Decodes the message and writes its points.
    fn message(
        &mut self,
        slots: &mut Slots,
        line_writer: &mut lines::Writer,
    ) -> Result<(), DecodeError> {
        let payload = self.context.payload;
        slots.begin_message(&self.plan.slots);
        if u32::try_from(payload.len()).is_err() {
            return Err(DecodeError::new(Cause::TooManyBytes, "the payload is over 4 GiB"));
        }
        self.settler.begin();
        for frame in Frames::new(self.plan.framing, payload) {
            let frame = frame.inspect_err(|_| self.progress.frame = self.progress.frame.next())?;
            self.progress.frame = frame;
            self.context.payload = frame.of(payload);
            if !frame.is_first() {
                slots.step(self.plan.steps_a_message())?;
                slots.begin_message(&self.plan.slots);
            }
            self.prober.begin();
            if let Err(error) = self.one(slots, line_writer) {
                self.skip_message(slots, frame.place(error))?;
            }
        }
        self.settle()?;
        if let (false, Some(place)) = (self.line.is_empty(), self.progress.place) {
            // What is noted counts from the payload on.
            let buffer = self.lines.of(place.shard);
            let room = buffer.bytes_mut().len() - buffer.len();
            self.last_lines.end(self.plan.key, &(self.line.start - room..self.line.end - room));
        }
        Ok(())
    }

    /// Decodes one of the payload's messages and writes its points.
    fn one(
        &mut self,
        slots: &mut Slots,
        line_writer: &mut lines::Writer,
    ) -> Result<(), DecodeError> {
        decode::message(&self.plan.decoder, self.context.payload, slots, self.limits)?;
        self.find_place(slots)?;
        self.points(slots, line_writer)
    }

    /// Writes the message's points.
    fn points(
        &mut self,
        slots: &mut Slots,
        line_writer: &mut lines::Writer,
    ) -> Result<(), DecodeError> {
        let payload = self.context.payload;
        if matches!(self.plan.decoder, Decoder::LineProtocol) {
            return self.copy_lines(slots, line_writer);
        }
        if !self.plan.slots.has_points {
            self.point(slots)?;
        } else {
            // Each point says the items of the message's own lists again.
            let each = self.plan.steps_a_point() + slots.items_count();
            slots.step(slots.elements_count().saturating_mul(each))?;
            for index in 0..slots.elements_count() {
                slots.begin_element(&self.plan.slots, index == 0);
                let range = slots.element(index);
                let decoder = &self.plan.decoder;
                let decoded = decode::element(decoder, payload, range.clone(), slots, self.limits);
                match decoded {
                    Ok(()) => self.point(slots)?,
                    Err(error) => self.skip_element(range, slots, error)?,
                }
            }
        }
        let unknown = &mut self.progress.transcoded.properties_unknown;
        *unknown = unknown.saturating_add(slots.unknown);
        Ok(())
    }

    /// Leaves an element out that does not decode because it is of another kind.
    #[cold]
    fn skip_element(
        &mut self,
        range: Range<usize>,
        slots: &mut Slots,
        error: DecodeError,
    ) -> Result<(), DecodeError> {
        let (payload, limits) = (self.context.payload, self.limits);
        let probe = self.plan.probe.as_ref();
        let is_other = probe
            .is_some_and(|probe| self.prober.leaves_out_element(probe, payload, range, limits));
        if !is_other {
            return Err(error);
        }
        slots.trouble.clear();
        self.progress.transcoded.points_filtered += 1;
        Ok(())
    }

    /// Leaves a message out of which something is wrong because it is of another kind.
    #[cold]
    fn skip_message(&mut self, slots: &mut Slots, error: DecodeError) -> Result<(), DecodeError> {
        let (payload, limits) = (self.context.payload, self.limits);
        let probe = self.plan.probe.as_ref();
        if !probe.is_some_and(|probe| self.prober.leaves_out(probe, payload, limits)) {
            return Err(error);
        }
        slots.trouble.clear();
        self.progress.transcoded.points_filtered += 1;
        Ok(())
    }

    /// Copies the lines of a line-protocol payload, within the message's bounds.
    fn copy_lines(
        &mut self,
        slots: &mut Slots,
        line_writer: &mut lines::Writer,
    ) -> Result<(), DecodeError> {
        let Some(place) = self.progress.place else { return Ok(()) };
        let mut next = line_writer.begin(self.plan, slots, self.context)?;
        loop {
            let buffer = self.lines.of(place.shard).bytes_mut();
            let line = next.write(buffer, self.context.stamp);
            slots.step(next.take_steps())?;
            let Some(line) = line? else { return Ok(()) };
            self.settler.note(line);
            self.count_point(place, &line)?;
        }
    }

    /// Counts a line that has just been appended, within the message's bounds.
    fn count_point(&mut self, place: Place, line: &Line) -> Result<(), DecodeError> {
        let buffer = self.lines.of(place.shard);
        let counts = &mut self.progress.transcoded;
        if line.end - place.start > self.limits.bytes_max {
            let what = "the message's lines are over their bound";
            return Err(DecodeError::new(Cause::TooManyBytes, what));
        }
        if counts.points as usize >= self.limits.points_max {
            let what = "more points than the bound";
            return Err(DecodeError::new(Cause::TooManyPoints, what));
        }
        counts.points += 1;
        buffer.items += 1;
        self.line = line.start..line.end;
        if line.is_stamped {
            self.stamps += 1;
            counts.stamps = counts.stamps.max(self.stamps);
            self.context.stamp = self.context.stamp.saturating_add(1);
        }
        Ok(())
    }

    /// Does what the mapping says with points of equal series and time.
    fn settle(&mut self) -> Result<(), DecodeError> {
        let Some(place) = self.progress.place else { return Ok(()) };
        let buffer = self.lines.of(place.shard);
        let Some(settled) = self.settler.settle(self.plan.duplicates, buffer.bytes_mut()) else {
            return Ok(());
        };
        if settled.fields_most > self.limits.fields_max as usize {
            let what = "a point has, with those merged into it, more fields than the bound";
            return Err(DecodeError::new(Cause::TooManyFields, what));
        }
        let counts = &mut self.progress.transcoded;
        counts.points -= settled.merged;
        counts.points_merged += settled.merged;
        buffer.items -= settled.merged;
        self.line = settled.last;
        Ok(())
    }

    /// Checks the mapping's vehicle, and finds the message's shard if it has none yet.
    fn find_place(&mut self, slots: &Slots) -> Result<(), DecodeError> {
        let mut digits = itoa::Buffer::new();
        let vehicle = told::vehicle(&self.plan.vehicle, slots, &self.context, &mut digits);
        let vehicle = vehicle.unwrap_or_default();
        let what = if vehicle.is_empty() {
            "the vehicle is absent or empty"
        } else if vehicle.len() > self.limits.tag_bytes_max {
            "the vehicle is over its bound"
        } else if !names::is_plain(vehicle) {
            "the vehicle holds CR, LF, TAB or NUL, or a backslash before a separator or at its end"
        } else {
            self.last_lines.begin(vehicle);
            self.place(vehicle);
            return Ok(());
        };
        let error = DecodeError::new(Cause::VehicleInvalid, what);
        Err(match self.plan.vehicle {
            Source::Slot(slot, _) => error.in_slot(slot),
            Source::Capture(_) | Source::Constant(_) => error,
        })
    }

    /// Opens the message's place at its vehicle's shard, if none is open.
    fn place(&mut self, vehicle: &[u8]) {
        if self.progress.place.is_none() {
            let shard = ShardId::of(vehicle, self.shards);
            let buffer = self.lines.of(shard);
            let (start, items) = (buffer.bytes_mut().len(), buffer.items);
            self.progress.place =
                Some(Place { shard, start, start_items: items, mark: start, mark_items: items });
        }
    }

    /// Writes the point that the slots hold, within the message's bounds.
    fn point(&mut self, slots: &Slots) -> Result<(), DecodeError> {
        let Some(place) = self.progress.place else { return Ok(()) };
        let bytes = self.lines.of(place.shard).bytes_mut();
        let mut left_out = LeftOut::default();
        let outcome = point::write(self.plan, slots, &self.context, bytes, &mut left_out)?;
        let counts = &mut self.progress.transcoded;
        counts.values_dropped = counts.values_dropped.saturating_add(left_out.not_finite);
        counts.times_dropped = counts.times_dropped.saturating_add(left_out.times);
        counts.times_repeated += left_out.repeated_times;
        match outcome {
            Outcome::Filtered => counts.points_filtered += 1,
            Outcome::Empty => counts.points_empty += 1,
            Outcome::Written(line) => {
                if self.plan.slots.has_points {
                    self.settler.note(line);
                }
                self.count_point(place, &line)?;
            }
        }
        Ok(())
    }
}
