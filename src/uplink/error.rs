//! The error of the walk over a payload's bytes.

use crate::{mapping::SlotIdx, model::Cause};

/// Why a payload could not be decoded. Small and `Copy`: nothing is formatted before it is
/// reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct DecodeError {
    /// The cause as counted and listed.
    pub cause: Cause,
    /// What exactly, in a few words.
    pub what: &'static str,
    /// Offset of the byte in the payload, if known.
    pub offset: Option<u32>,
    /// The slot whose value is wrong, if known; the operator sees the name of its field.
    pub slot: Option<SlotIdx>,
    /// Which item of the slot's list or map it was, from 0.
    pub item: Option<u32>,
}

impl DecodeError {
    /// An error without an offset, slot or item.
    #[must_use]
    pub const fn new(cause: Cause, what: &'static str) -> Self {
        Self { cause, what, offset: None, slot: None, item: None }
    }

    /// Adds the offset of the byte in the payload.
    #[must_use]
    pub fn at(mut self, offset: usize) -> Self {
        self.offset = u32::try_from(offset).ok();
        self
    }

    /// Adds the slot of the value.
    #[must_use]
    pub const fn in_slot(mut self, slot: SlotIdx) -> Self {
        self.slot = Some(slot);
        self
    }

    /// Adds the index of the item in the slot's list or map.
    #[must_use]
    pub fn in_item(mut self, index: usize) -> Self {
        self.item = u32::try_from(index).ok();
        self
    }
}
