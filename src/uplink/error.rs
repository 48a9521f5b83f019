//! Why a payload could not be decoded, as the walk over its bytes says it.

use crate::{mapping::SlotIdx, model::Cause};

/// Why a payload could not be decoded. Small and `Copy`: nothing is formatted until it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct DecodeError {
    /// The cause as counted and listed.
    pub cause: Cause,
    /// What exactly, in a few words.
    pub what: &'static str,
    /// The byte of the payload, where one can be named.
    pub offset: Option<u32>,
    /// The slot whose value it was, where one can be named; its field is told to the operator.
    pub slot: Option<SlotIdx>,
    /// Which item of the slot's list or map it was, from 0.
    pub item: Option<u32>,
}

impl DecodeError {
    /// An error whose place is not known yet.
    #[must_use]
    pub const fn new(cause: Cause, what: &'static str) -> Self {
        Self { cause, what, offset: None, slot: None, item: None }
    }

    /// The same, at a byte of the payload.
    #[must_use]
    pub fn at(mut self, offset: usize) -> Self {
        self.offset = u32::try_from(offset).ok();
        self
    }

    /// The same, of a slot's value.
    #[must_use]
    pub const fn in_slot(mut self, slot: SlotIdx) -> Self {
        self.slot = Some(slot);
        self
    }

    /// The same, of an item of the slot's list or map.
    #[must_use]
    pub fn in_item(mut self, index: usize) -> Self {
        self.item = u32::try_from(index).ok();
        self
    }
}
