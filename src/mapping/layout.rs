//! Where each planned value of a payload goes: the slot table, as a tree that follows the shape.
//!
//! A format compiles its decode program from a [`Layout`] and its own schema: for each member of a
//! record either a [`Place`] or nothing (skip it). Slots of one record, with all that is nested in
//! it, are contiguous, in declaration order, so a record can be cleared or set to its defaults by
//! copying a range.
//!
//! The table has one part for the message, filled once, and one for each list of `points`,
//! outermost first, filled again for each of its elements; the last one's for each point.

use std::ops::Range;

use crate::schema::Scalar;

/// An index into the slot table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotIdx(pub u16);

impl SlotIdx {
    /// As an index.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::from(self.0)
    }

    /// The slot after it: where a [`Scalar::Timestamp`] has its nanoseconds.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The whole table.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The payload's root record.
    pub message: RecordLayout,
    /// The lists that `points` leads through, outermost first; the place of each, in the message or
    /// in the element around it, is [`Place::Points`].
    pub levels: Vec<Level>,
    /// How many slots the table has.
    pub slots_count: u16,
}

/// One list of `points`.
#[derive(Clone, Debug)]
pub struct Level {
    /// Its path in what holds it.
    pub name: String,
    /// From here on the slots belong to one of its elements and to what lies in it.
    pub start: u16,
    /// Where the key of an element is stored, if the list is a map.
    pub key: Option<(SlotIdx, Scalar)>,
    /// One element; of a map its value, which has a presence slot then.
    pub record: RecordLayout,
}

/// One record's places.
#[derive(Clone, Debug)]
pub struct RecordLayout {
    /// All slots of the record, its own and the nested ones; the presence slot stands right before
    /// them.
    pub slots: Range<u16>,
    /// Set to bits 1 by the decoder when the record is seen; `None` for a root and an element,
    /// which are always there.
    pub presence: Option<SlotIdx>,
    /// The planned members by their index in [`crate::schema::Record::members`], ascending. What is
    /// not listed is skipped.
    pub members: Vec<(usize, Place)>,
    /// What it has as soon as it is seen.
    pub implicit: Implicit,
}

/// The slots of members with implicit presence: what they hold where nothing is on the wire.
#[derive(Clone, Debug, Default)]
pub struct Implicit {
    /// Bits 0.
    pub numbers: Vec<SlotIdx>,
    /// An empty range of the payload.
    pub texts: Vec<SlotIdx>,
}

impl Implicit {
    /// Adds a member.
    pub(crate) fn add(&mut self, slot: SlotIdx, scalar: &Scalar) {
        match scalar {
            Scalar::String | Scalar::Bytes => self.texts.push(slot),
            _ => self.numbers.push(slot),
        }
    }
}

/// What a decoder does with one member's value.
#[derive(Clone, Debug)]
pub enum Place {
    /// Stores it in this slot (and the next one, where [`Scalar::slots`] says two).
    Slot(SlotIdx, Scalar),
    /// Goes on in the nested record; its presence slot is set.
    Record(RecordLayout),
    /// Pushes each element to this slot's list.
    List(SlotIdx, Scalar),
    /// Pushes each key and value to this slot's list; of equal keys the last counts.
    Map {
        /// The slot of the list.
        slot: SlotIdx,
        /// How a key lies in its item.
        key: Scalar,
        /// How a value lies in its item.
        value: Scalar,
    },
    /// Notes the byte range of each element; the next of [`Layout::levels`] says what to do with
    /// one.
    Points,
}

impl RecordLayout {
    /// The place of a member, if it is planned.
    #[must_use]
    pub fn place(&self, member: usize) -> Option<&Place> {
        let at = self.members.binary_search_by_key(&member, |(index, _)| *index).ok()?;
        Some(&self.members[at].1)
    }
}
