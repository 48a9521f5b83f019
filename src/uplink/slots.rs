//! The slot table that a decoder fills and the line writer reads.
//!
//! One table per worker, reused for every message: nothing here is freed, so a message allocates
//! only while the table grows to the size that the plans need.
//!
//! A decoder's duties, whatever its format:
//! - it stores each value in the slot that its plan's layout names. If a value occurs twice, the
//!   last one counts. It does not touch the slots of absent values ([`Slots::begin_message`] has
//!   set the implicit defaults);
//! - it marks a nested record's presence slot with bits 1 when it sees the record;
//! - it checks text to be UTF-8 before it stores it;
//! - it notes that the list of `points` is present ([`Slots::note_list`]; protobuf cannot know) and
//!   the byte range of each element ([`Slots::push_element`]), and is called again for each
//!   element, after [`Slots::begin_element`];
//! - it never trusts a length from the wire, and returns a [`DecodeError`] for everything
//!   malformed.

use std::ops::Range;

use crate::{
    mapping::{Implicit, LevelPlan, Pick, SlotIdx, SlotPlan},
    model::Cause,
    uplink::{
        DecodeError, Limits,
        key_table::{COMPARED_MAX, KeyTable},
        slot::{Item, NO_ITEM, Slot, State, halves, pack},
        trouble::Trouble,
    },
};

/// A list of `points` whose elements are being read.
#[derive(Debug)]
pub struct Open {
    /// Indexes of its elements.
    pub elements: Range<usize>,
    items: usize,
    scratch: usize,
}

/// The table, with its lists, texts and counters.
#[derive(Debug, Default)]
pub struct Slots {
    table: Vec<Slot>,
    items: Vec<Item>,
    /// Byte ranges of the elements of `points`, in wire order: those of the message's list, then
    /// those of the list inside its current element, and so on.
    elements: Vec<Range<u32>>,
    /// Index of the first element of the current list.
    list_start: usize,
    /// How many elements the message has had in all its lists, and how many it may have.
    elements_seen: usize,
    elements_max: usize,
    /// Whether the current walk has found the list of `points`.
    has_list: bool,
    /// Text that a decoder has made.
    scratch: Vec<u8>,
    repeated_max: u32,
    points_max: usize,
    /// Index of the entries of maps with more than [`COMPARED_MAX`] keys, each hashed with the head
    /// of its list.
    keys: KeyTable,
    /// Steps of the message so far; those of `keys` are added when they are read.
    steps: u64,
    steps_max: u64,
    /// Slots written since the message began. The tests check that each costs the sender at least
    /// one byte.
    #[cfg(test)]
    pub(super) writes: usize,
    /// Number of properties that the schema does not declare, over the whole message (JSON).
    pub unknown: u32,
    /// Number of dates and times of day out of range, over the whole message (Avro).
    pub times_out_of_range: u32,
    /// What the decoder knows about the message's error in addition to the error itself.
    pub(crate) trouble: Trouble,
}

impl Slots {
    /// An empty table with the bounds of `limits` on the items of a list and the points of a
    /// message.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            repeated_max: limits.repeated_max,
            points_max: limits.points_max,
            steps_max: limits.steps_max,
            ..Self::default()
        }
    }

    /// Counts the steps of a new message from 0; each of its mappings adds to them.
    pub fn begin_steps(&mut self) {
        #[cfg(test)]
        (self.writes = 0);
        self.keys.take_steps();
        self.steps = 0;
    }

    /// Steps that the message has cost so far.
    pub fn steps(&mut self) -> u64 {
        self.steps = self.steps.saturating_add(self.keys.take_steps());
        self.steps
    }

    /// Counts steps before they are taken.
    ///
    /// # Errors
    /// [`Cause::TooManySteps`] past `steps_max`.
    #[inline]
    pub fn step(&mut self, count: usize) -> Result<(), DecodeError> {
        let steps = self.steps.saturating_add(count as u64);
        if steps > self.steps_max {
            let what = "the message costs more steps than the bound";
            return Err(DecodeError::new(Cause::TooManySteps, what));
        }
        self.steps = steps;
        Ok(())
    }

    /// Clears the table for a message of this plan and sets the message's implicit defaults.
    pub fn begin_message(&mut self, plan: &SlotPlan) {
        self.items.clear();
        self.keys.clear();
        self.elements.clear();
        self.scratch.clear();
        self.unknown = 0;
        self.times_out_of_range = 0;
        self.trouble.clear();
        self.list_start = 0;
        self.elements_seen = 0;
        self.elements_max = self.points_max.saturating_mul(plan.levels.len());
        self.has_list = false;
        self.table.clear();
        self.table.resize(usize::from(plan.slots_count), Slot::ABSENT);
        self.set_implicit(&plan.message_implicit);
    }

    /// The elements that the previous walk has noted, and the state of the table at this moment:
    /// what is stored from now on belongs to these elements.
    pub fn open_list(&mut self) -> Open {
        let open = Open {
            elements: self.list_start..self.elements.len(),
            items: self.items.len(),
            scratch: self.scratch.len(),
        };
        self.list_start = self.elements.len();
        open
    }

    /// Forgets a list's elements.
    pub fn close_list(&mut self, open: &Open) {
        self.elements.truncate(open.elements.start);
        self.list_start = open.elements.start;
    }

    /// Clears the slots of an element of a list and of the levels inside it, and sets the element's
    /// implicit defaults. What the walks around it have stored stays.
    pub fn begin_element(&mut self, level: &LevelPlan, open: &Open) {
        // The maps around the element are complete, so their keys are not needed any more.
        self.keys.clear();
        self.items.truncate(open.items);
        self.scratch.truncate(open.scratch);
        self.has_list = false;
        #[cfg(test)]
        (self.writes += self.table.len() - usize::from(level.start));
        self.table[usize::from(level.start)..].fill(Slot::ABSENT);
        self.set_implicit(&level.implicit);
    }

    /// Copies single elements of lists to slots of their own. The picks of one list are adjacent
    /// and ascending.
    pub fn pick(&mut self, picks: &[Pick]) {
        let mut list = None;
        let (mut at, mut index) = (NO_ITEM, 0);
        for pick in picks {
            if list != Some(pick.list) {
                list = Some(pick.list);
                let slot = self.table[pick.list.as_usize()];
                at = if slot.state == State::List { halves(slot.bits)[0] } else { NO_ITEM };
                index = 0;
            }
            while let Some(item) = self.items.get(at as usize).filter(|_| index < pick.index) {
                at = item.next;
                index += 1;
            }
            let item = self.items.get(at as usize);
            self.table[pick.slot.as_usize()] = item.map_or(Slot::ABSENT, |item| item.value);
        }
    }

    /// Sets the defaults of implicit members. A decoder calls it for a nested record when it sees
    /// that record for the first time.
    pub fn set_implicit(&mut self, implicit: &Implicit) {
        #[cfg(test)]
        (self.writes += implicit.numbers.len() + implicit.texts.len());
        for slot in &implicit.numbers {
            self.table[slot.as_usize()] = Slot::bits(0);
        }
        for slot in &implicit.texts {
            self.table[slot.as_usize()] = Slot::payload(0..0);
        }
    }

    /// The slot's value.
    #[must_use]
    pub fn slot(&self, slot: SlotIdx) -> &Slot {
        &self.table[slot.as_usize()]
    }

    /// The slot's value, if the table is long enough: for the text of an error.
    #[must_use]
    pub fn slot_if(&self, slot: SlotIdx) -> Option<Slot> {
        self.table.get(slot.as_usize()).copied()
    }

    /// Stores a value.
    pub fn set(&mut self, slot: SlotIdx, value: Slot) {
        #[cfg(test)]
        (self.writes += 1);
        self.table[slot.as_usize()] = value;
    }

    /// Stores a number.
    pub fn set_bits(&mut self, slot: SlotIdx, bits: u64) {
        #[cfg(test)]
        (self.writes += 1);
        self.table[slot.as_usize()] = Slot::bits(bits);
    }

    /// Clears a range of slots (another member of a oneof has won). A payload can cause this
    /// repeatedly at two bytes each time, so each slot counts as a step.
    ///
    /// # Errors
    /// [`Cause::TooManySteps`].
    pub fn clear(&mut self, slots: Range<u16>) -> Result<(), DecodeError> {
        self.step(slots.len())?;
        #[cfg(test)]
        (self.writes += slots.len());
        self.table[usize::from(slots.start)..usize::from(slots.end)].fill(Slot::ABSENT);
        Ok(())
    }

    /// Adds an element to a list, or an entry to a map, whose key then replaces an equal one.
    ///
    /// # Errors
    /// [`Cause::TooManyElements`] past `repeated_max`.
    pub fn push(
        &mut self,
        payload: &[u8],
        slot: SlotIdx,
        key: Slot,
        value: Slot,
    ) -> Result<(), DecodeError> {
        self.step(1)?;
        let list = self.table[slot.as_usize()];
        if list.state != State::List {
            let index = self.add_item(key, value, None);
            self.table[slot.as_usize()] = Slot {
                bits: u64::from(index) << 32 | u64::from(index),
                count: 1,
                state: State::List,
            };
            return Ok(());
        }
        let [head, tail] = halves(list.bits);
        if !key.is_absent()
            && let Some(known) = self.entry(payload, head, list.count, key)
        {
            self.items[known as usize].value = value;
            return Ok(());
        }
        if list.count >= self.repeated_max {
            return Err(DecodeError::new(Cause::TooManyElements, "the list is over its bound")
                .in_slot(slot));
        }
        let index = self.add_item(key, value, Some(head));
        self.items[tail as usize].next = index;
        self.table[slot.as_usize()] = Slot {
            bits: u64::from(index) << 32 | u64::from(head),
            count: list.count + 1,
            state: State::List,
        };
        if !key.is_absent() {
            self.index_key(payload, head, list.count, index);
        }
        Ok(())
    }

    /// Appends an item that is not linked yet: the next of the list that begins at `head`, or the
    /// first of a new list.
    fn add_item(&mut self, key: Slot, value: Slot, head: Option<u32>) -> u32 {
        // Lists are bounded one by one and slots are u16, so items stay far below u32::MAX; the
        // saturated index would be out of range and is never reached.
        let index = u32::try_from(self.items.len()).unwrap_or(NO_ITEM);
        self.items.push(Item { key, value, next: NO_ITEM, head: head.unwrap_or(index) });
        index
    }

    /// The entry of an equal key in the map that begins at `head` and has `count` entries.
    fn entry(&mut self, payload: &[u8], head: u32, count: u32, key: Slot) -> Option<u32> {
        if count > COMPARED_MAX {
            let hash = self.hash(payload, head, key);
            let mut keys = std::mem::take(&mut self.keys);
            let found = keys.find(hash, |at| {
                let item = self.items[at as usize];
                item.head == head && self.equal(payload, item.key, key)
            });
            self.keys = keys;
            return found;
        }
        let mut at = head;
        while at != NO_ITEM {
            self.steps += 1;
            let item = self.items[at as usize];
            if self.equal(payload, item.key, key) {
                return Some(at);
            }
            at = item.next;
        }
        None
    }

    /// Adds to `keys` the entry that was just added to a map of `count` entries.
    fn index_key(&mut self, payload: &[u8], head: u32, count: u32, added: u32) {
        // With the first entry past [`COMPARED_MAX`] all entries are added to the table; after that
        // each new one.
        let mut at = match count {
            ..COMPARED_MAX => return,
            COMPARED_MAX => head,
            _ => added,
        };
        while at != NO_ITEM {
            let item = self.items[at as usize];
            let hash = self.hash(payload, head, item.key);
            self.keys.add(hash, at);
            at = item.next;
        }
    }

    /// The hash of a key in the map that begins at `head`.
    fn hash(&self, payload: &[u8], head: u32, key: Slot) -> u32 {
        match key.state {
            State::Bits => self.keys.hash((head, key.bits)),
            _ => self.keys.hash((head, self.bytes_of(payload, key))),
        }
    }

    /// Whether two keys are the same.
    fn equal(&self, payload: &[u8], one: Slot, other: Slot) -> bool {
        match (one.state, other.state) {
            (State::Bits, State::Bits) => one.bits == other.bits,
            _ => self.bytes_of(payload, one) == self.bytes_of(payload, other),
        }
    }

    /// The items of a slot's list, in order; none if the slot holds no list.
    pub fn items(&self, slot: SlotIdx) -> impl Iterator<Item = Item> + '_ {
        let list = self.table[slot.as_usize()];
        let mut at = if list.state == State::List { halves(list.bits)[0] } else { NO_ITEM };
        std::iter::from_fn(move || {
            let item = *self.items.get(at as usize)?;
            at = item.next;
            Some(item)
        })
    }

    /// The text or bytes of a slot; empty for anything else.
    #[must_use]
    pub fn bytes_of<'a>(&'a self, payload: &'a [u8], slot: Slot) -> &'a [u8] {
        match slot.state {
            State::Payload => payload.get(slot.range()).unwrap_or_default(),
            State::Scratch => self.scratch.get(slot.range()).unwrap_or_default(),
            State::Absent | State::Bits | State::List => &[],
        }
    }

    /// Makes a text value of what `write` appends.
    ///
    /// # Errors
    /// The error of `write`; then nothing is kept.
    pub fn make_text(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), DecodeError>,
    ) -> Result<Slot, DecodeError> {
        let start = self.scratch.len();
        if let Err(error) = write(&mut self.scratch) {
            self.scratch.truncate(start);
            return Err(error);
        }
        let range = start..self.scratch.len();
        Ok(Slot { bits: pack(range), count: 0, state: State::Scratch })
    }

    /// Removes a text from the scratch, if it was the last one made.
    pub(crate) fn drop_text(&mut self, text: Slot) {
        let range = text.range();
        if text.state == State::Scratch && range.end == self.scratch.len() {
            self.scratch.truncate(range.start);
        }
    }

    /// Notes that the list of `points` is present, even if it is empty.
    pub fn note_list(&mut self) {
        self.has_list = true;
    }

    /// Whether the list of `points` was present in the last walk.
    #[must_use]
    pub fn has_list(&self) -> bool {
        self.has_list
    }

    /// Notes one element of the list of `points`.
    ///
    /// # Errors
    /// [`Cause::TooManyPoints`] past `points_max` in one list, or in all of one depth.
    pub fn push_element(&mut self, range: Range<usize>) -> Result<(), DecodeError> {
        self.elements_seen += 1;
        if self.elements_count() >= self.points_max || self.elements_seen > self.elements_max {
            return Err(DecodeError::new(Cause::TooManyPoints, "more points than the bound"));
        }
        let [start, end] = halves(pack(range));
        self.elements.push(start..end);
        Ok(())
    }

    /// Forgets the elements noted by the current walk (another member of a oneof, or a later copy,
    /// has won).
    pub fn clear_elements(&mut self) {
        self.elements_seen -= self.elements_count();
        self.elements.truncate(self.list_start);
        self.has_list = false;
    }

    /// How many elements the current walk has noted.
    #[must_use]
    pub fn elements_count(&self) -> usize {
        self.elements.len() - self.list_start
    }

    /// How many items are in all lists now.
    #[must_use]
    pub fn items_count(&self) -> usize {
        self.items.len()
    }

    /// The byte range of an element.
    #[must_use]
    pub fn element(&self, index: usize) -> Range<usize> {
        let range = &self.elements[index];
        range.start as usize..range.end as usize
    }
}
