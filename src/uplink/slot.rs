//! One value in the slot table, and one item of a list.

use std::ops::Range;

/// What a slot holds. It has 32 bits like the field beside it, so that a slot has no padding and a
/// table of slots is filled with whole words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// No value: absent on the wire, or null.
    #[default]
    Absent,
    /// 64 bits, as a [`Scalar`](crate::schema::Scalar) says how to read them.
    Bits,
    /// A range of the payload: start in the low 32 bits, end in the high ones.
    Payload,
    /// A range of `Slots::scratch`, for text that is not in the payload in this form (unescaped
    /// JSON, a formatted decimal). Packed as for `Payload`.
    Scratch,
    /// A list of items: head in the low 32 bits, tail in the high ones, both indexes of items.
    List,
}

/// One value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    pub(super) bits: u64,
    /// For a list the count of its items, else 0.
    pub(super) count: u32,
    pub(super) state: State,
}

impl Slot {
    /// No value.
    pub const ABSENT: Self = Self { bits: 0, count: 0, state: State::Absent };

    /// A number, a boolean, the number of an enum's symbol, or ticks.
    #[must_use]
    pub const fn bits(bits: u64) -> Self {
        Self { bits, count: 0, state: State::Bits }
    }

    /// Text or bytes of the payload. The caller has checked that the payload is smaller than 4 GiB.
    #[must_use]
    pub fn payload(range: Range<usize>) -> Self {
        Self { bits: pack(range), count: 0, state: State::Payload }
    }

    /// What it holds.
    #[must_use]
    pub const fn state(self) -> State {
        self.state
    }

    /// Whether it holds nothing.
    #[must_use]
    pub const fn is_absent(self) -> bool {
        matches!(self.state, State::Absent)
    }

    /// The 64 bits of a [`State::Bits`].
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.bits
    }

    /// The range of a [`State::Payload`] or [`State::Scratch`].
    pub(super) fn range(self) -> Range<usize> {
        let [start, end] = halves(self.bits);
        start as usize..end as usize
    }
}

/// Packs a range of a payload that is smaller than 4 GiB.
pub(super) fn pack(range: Range<usize>) -> u64 {
    range.start as u64 | (range.end as u64) << 32
}

/// The low and the high 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "both casts take exactly one half")]
pub(super) const fn halves(bits: u64) -> [u32; 2] {
    [bits as u32, (bits >> 32) as u32]
}

/// One element of a list, or one entry of a map.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// The key of a map's entry; absent in a list.
    pub key: Slot,
    /// The value.
    pub value: Slot,
    /// The item after it; [`NO_ITEM`] for the last.
    pub(super) next: u32,
    /// The first item of its list.
    pub(super) head: u32,
}

/// No item.
pub(super) const NO_ITEM: u32 = u32::MAX;
