//! Runs one mapping for one message: decoding, filter, lines, and the elements of `points`.

use std::ops::Range;

use super::{
    DecodeError, LastLines, Limits, NameRegistry, NoPoints, Raised, Sender, ShardBuffers, Slots,
    Transcoded, alarm, decode, detail,
    duplicates::EqualPoints,
    framing::{Frame, Frames},
    kinds::Prober,
    line_protocol,
    names::TooManyNew,
    point::{self, Context, LeftOut, Line, Outcome},
    slots::Open,
};
use crate::{
    mapping::{Decoder, Framing, Plan, Source},
    model::{Cause, ShardCount, ShardId, VehicleHash, line::is_plain},
};

/// Where a message's lines are written, once its vehicle is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutputPlace {
    pub(super) shard: ShardId,
    /// The buffer's length and items before the message.
    pub(super) start: usize,
    pub(super) start_items: u32,
    /// The buffer's length and items before the current mapping: a failure truncates to them.
    pub(super) mark: usize,
    pub(super) mark_items: u32,
}

/// The state and the counts of one message, over all its mappings.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) place: Option<OutputPlace>,
    pub(super) transcoded: Transcoded,
    /// The message of the payload that the current mapping is processing.
    pub(super) frame: Frame,
    /// The vehicle is not the sender's own, and a mapping requires that it is.
    pub(super) is_foreign: bool,
    /// The new names that exceed a bound.
    pub(super) too_many_new: Option<TooManyNew>,
}

/// The run of one mapping over one message.
pub(super) struct MappingRun<'a> {
    pub(super) plan: &'a Plan,
    pub(super) sender: Sender<'a>,
    pub(super) limits: &'a Limits,
    pub(super) shards: ShardCount,
    pub(super) context: Context<'a>,
    pub(super) lines: &'a mut dyn ShardBuffers,
    pub(super) progress: &'a mut Progress,
    pub(super) equal_points: &'a mut EqualPoints,
    pub(super) prober: &'a mut Prober,
    pub(super) last_lines: &'a mut LastLines,
    /// The alarms that the message raises, and how many of them other mappings have raised.
    pub(super) raised: &'a mut Vec<Raised>,
    pub(super) raised_before: usize,
    /// The known names; absent in a dry run.
    pub(super) names: Option<&'a NameRegistry>,
    /// How many times of receipt the message has used that this mapping must not use again.
    pub(super) stamps: u32,
    /// The line written last, in its buffer.
    pub(super) line: Range<usize>,
    /// How many elements of the innermost list of `points` were reached.
    pub(super) reached: usize,
}

impl MappingRun<'_> {
    /// Decodes the message and writes its points.
    pub(super) fn message(
        &mut self,
        slots: &mut Slots,
        line_writer: &mut line_protocol::Writer,
    ) -> Result<(), DecodeError> {
        let payload = self.context.payload;
        slots.begin_message(&self.plan.slots);
        if u32::try_from(payload.len()).is_err() {
            return Err(DecodeError::new(Cause::TooManyBytes, "the payload is over 4 GiB"));
        }
        self.check_sender_early(slots)?;
        self.equal_points.begin();
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
        self.resolve_equal_points()?;
        self.admit_names()?;
        if let (false, Some(place)) = (self.line.is_empty(), self.progress.place) {
            // The noted ranges are relative to the payload's start.
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
        line_writer: &mut line_protocol::Writer,
    ) -> Result<(), DecodeError> {
        decode::message(&self.plan.decoder, self.context.payload, slots, self.limits)?;
        self.find_place(slots)?;
        self.points(slots, line_writer)
    }

    /// Writes the message's points.
    fn points(
        &mut self,
        slots: &mut Slots,
        line_writer: &mut line_protocol::Writer,
    ) -> Result<(), DecodeError> {
        if matches!(self.plan.decoder, Decoder::LineProtocol) {
            return self.copy_lines(slots, line_writer);
        }
        slots.pick(&self.plan.slots.picks);
        if self.plan.slots.levels.is_empty() {
            self.point(slots)?;
        } else {
            let is_there = slots.has_list();
            self.elements(slots, 0)?;
            if self.reached == 0 {
                let no_points = NoPoints { mapping: self.plan.key, is_there };
                self.progress.transcoded.no_points = Some(no_points);
            }
        }
        let counts = &mut self.progress.transcoded;
        counts.properties_unknown = counts.properties_unknown.saturating_add(slots.unknown);
        counts.times_dropped = counts.times_dropped.saturating_add(slots.times_out_of_range);
        Ok(())
    }

    /// What the elements of a list cost, whatever their bytes: each element clears its slots and
    /// those of the levels inside it, and each point writes the items of the surrounding lists
    /// again.
    fn steps_of_elements(&self, slots: &Slots, level: usize) -> usize {
        let plan = self.plan;
        let each = match level + 1 == plan.slots.levels.len() {
            true => plan.steps_a_point() + slots.items_count(),
            false => usize::from(plan.slots.slots_count - plan.slots.levels[level].start),
        };
        slots.elements_count().saturating_mul(each)
    }

    /// Writes the points of a list whose elements the previous walk has noted: one per element, or
    /// those of the lists inside each element.
    fn elements(&mut self, slots: &mut Slots, level: usize) -> Result<(), DecodeError> {
        slots.step(self.steps_of_elements(slots, level))?;
        let open = slots.open_list();
        for index in open.elements.clone() {
            let element = self.element(slots, level, &open, index);
            element.map_err(|error| {
                let place = index - open.elements.start;
                slots.trouble.in_element(&self.plan.slots.levels[level].name, place);
                let start = slots.element(index).start;
                if error.offset.is_some() { error } else { error.at(start) }
            })?;
        }
        slots.close_list(&open);
        Ok(())
    }

    /// Writes the points of one element.
    fn element(
        &mut self,
        slots: &mut Slots,
        level: usize,
        open: &Open,
        index: usize,
    ) -> Result<(), DecodeError> {
        let plan = &self.plan.slots.levels[level];
        slots.begin_element(plan, open);
        let (payload, range) = (self.context.payload, slots.element(index));
        if self.plan.probe.is_some() {
            self.prober.reach(level, range.clone());
        }
        let decoder = &self.plan.decoder;
        if let Err(error) = decode::element(decoder, payload, level, range, slots, self.limits) {
            return self.skip_element(slots, level, error);
        }
        slots.pick(&plan.picks);
        if level + 1 < self.plan.slots.levels.len() {
            return self.elements(slots, level + 1);
        }
        self.reached += 1;
        self.point(slots)
    }

    /// Leaves out an element that does not decode, if it is of a kind that `when` excludes.
    #[cold]
    fn skip_element(
        &mut self,
        slots: &mut Slots,
        level: usize,
        error: DecodeError,
    ) -> Result<(), DecodeError> {
        let (payload, limits) = (self.context.payload, self.limits);
        let probe = self.plan.probe.as_ref();
        let is_other = probe
            .is_some_and(|probe| self.prober.leaves_out_element(probe, payload, level, limits));
        if !is_other {
            return Err(error);
        }
        slots.clear_elements();
        slots.trouble.clear();
        self.reached += 1;
        self.progress.transcoded.points_filtered += 1;
        Ok(())
    }

    /// Leaves out a message that has an error, if it is of a kind that `when` excludes.
    #[cold]
    fn skip_message(&mut self, slots: &mut Slots, error: DecodeError) -> Result<(), DecodeError> {
        let (payload, limits) = (self.context.payload, self.limits);
        let probe = self.plan.probe.as_ref();
        if !probe.is_some_and(|probe| self.prober.leaves_out(probe, payload, limits)) {
            return Err(self.prober.broken(error, slots));
        }
        slots.trouble.clear();
        self.progress.transcoded.points_filtered += 1;
        Ok(())
    }

    /// Copies the lines of a line-protocol payload, within the message's bounds.
    fn copy_lines(
        &mut self,
        slots: &mut Slots,
        line_writer: &mut line_protocol::Writer,
    ) -> Result<(), DecodeError> {
        let Some(place) = self.progress.place else { return Ok(()) };
        let mut next = line_writer.begin(self.plan, slots, self.context)?;
        loop {
            let buffer = self.lines.of(place.shard).bytes_mut();
            let line = next.write(buffer, self.context.stamp);
            slots.step(next.take_steps())?;
            let Some(line) = line? else { return Ok(()) };
            self.equal_points.note(line);
            self.count_point(place, &line)?;
        }
    }

    /// Counts a line that has just been appended, within the message's bounds.
    fn count_point(&mut self, place: OutputPlace, line: &Line) -> Result<(), DecodeError> {
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

    /// Resolves points of equal series and time as the mapping says.
    fn resolve_equal_points(&mut self) -> Result<(), DecodeError> {
        let Some(place) = self.progress.place else { return Ok(()) };
        let buffer = self.lines.of(place.shard);
        let Some(resolved) = self.equal_points.resolve(self.plan.duplicates, buffer.bytes_mut())
        else {
            return Ok(());
        };
        if resolved.fields_most > self.limits.fields_max as usize {
            let what = "a point has, with those merged into it, more fields than the bound";
            return Err(DecodeError::new(Cause::TooManyFields, what));
        }
        let counts = &mut self.progress.transcoded;
        counts.points -= resolved.merged;
        counts.points_merged += resolved.merged;
        buffer.items -= resolved.merged;
        self.line = resolved.last;
        Ok(())
    }

    /// Checks the names that come from the payload against the bounds of new names.
    fn admit_names(&mut self) -> Result<(), DecodeError> {
        let (true, Some(names)) = (self.plan.brings_names, self.names) else { return Ok(()) };
        let Some(place) = self.progress.place else { return Ok(()) };
        let lines = &self.lines.of(place.shard).bytes_mut()[place.mark..];
        names.admit(lines, self.context.received_at).map_err(|too_many| {
            self.progress.too_many_new = Some(too_many);
            DecodeError::new(Cause::TooManyNewNames, "too many names are new")
        })
    }

    /// Checks the mapping's vehicle, and finds the message's shard if it has none yet.
    fn find_place(&mut self, slots: &Slots) -> Result<(), DecodeError> {
        let mut digits = itoa::Buffer::new();
        let vehicle = detail::vehicle(&self.plan.vehicle, slots, &self.context, &mut digits);
        let vehicle = vehicle.unwrap_or_default();
        let what = if vehicle.is_empty() {
            "the vehicle is absent or empty"
        } else if vehicle.len() > self.limits.tag_bytes_max {
            "the vehicle is over its bound"
        } else if !is_plain(vehicle) {
            "the vehicle holds CR, LF, TAB or NUL, or a backslash before a separator or at its end"
        } else {
            self.check_sender(Some(vehicle))?;
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

    /// Checks the vehicle before the payload is read, if the topic or the mapping names it.
    fn check_sender_early(&mut self, slots: &Slots) -> Result<(), DecodeError> {
        if !self.plan.identity_required {
            return Ok(());
        }
        let mut digits = itoa::Buffer::new();
        let vehicle = match &self.plan.vehicle {
            Source::Slot(..) => None,
            known => detail::vehicle(known, slots, &self.context, &mut digits),
        };
        self.check_sender(vehicle)
    }

    /// Refuses a message whose vehicle is not its sender's, if the mapping requires that it is.
    fn check_sender(&mut self, vehicle: Option<&[u8]>) -> Result<(), DecodeError> {
        let is_own = match self.sender {
            Sender::Unchecked => true,
            Sender::Session(None) => false,
            Sender::Session(Some(own)) => vehicle.is_none_or(|it| it == own.as_bytes()),
        };
        if is_own || !self.plan.identity_required {
            return Ok(());
        }
        self.progress.is_foreign = true;
        let what = "the vehicle is not the one of the session that sent it";
        Err(DecodeError::new(Cause::VehicleInvalid, what))
    }

    /// Sets where the message's lines are written: at the end of its vehicle's shard buffer, unless
    /// it is set.
    fn place(&mut self, vehicle: &[u8]) {
        if self.progress.place.is_none() {
            let Context { matched, topic, .. } = self.context;
            let hash = match &self.plan.vehicle {
                Source::Capture(level) => matched.vehicle_hash(topic, *level),
                Source::Slot(..) | Source::Constant(_) => VehicleHash::of(vehicle),
            };
            let shard = hash.shard(self.shards);
            let buffer = self.lines.of(shard);
            let (start, items) = (buffer.bytes_mut().len(), buffer.items);
            self.progress.place = Some(OutputPlace {
                shard,
                start,
                start_items: items,
                mark: start,
                mark_items: items,
            });
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
                if !self.plan.slots.levels.is_empty() || self.plan.framing != Framing::None {
                    self.equal_points.note(line);
                }
                self.count_point(place, &line)?;
                if !self.plan.alarms.is_empty() {
                    let raised = (&mut *self.raised, self.raised_before);
                    alarm::ask(self.plan, slots, &self.context, &line, raised);
                }
            }
        }
        Ok(())
    }
}
