//! One entry under construction.

use crate::model::Position;

use super::format::{ENTRY_HEADER_BYTES, EntryHeader, PAYLOAD_BYTES_MAX};

/// The bytes of one entry while lines are gathered in it. It is reused, so that gathering allocates
/// nothing once the buffer has grown.
///
/// Room for the entry's header is kept in front of the payload, so that header and payload are
/// written in one call without a copy.
#[derive(Debug, Default)]
pub struct EntryBuffer {
    /// Empty, or [`ENTRY_HEADER_BYTES`] reserved for the header and then the payload.
    bytes: Vec<u8>,
    /// How many things the payload holds; stored with the entry, not interpreted.
    pub items: u32,
}

impl EntryBuffer {
    /// An empty buffer; allocates with the first byte.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), items: 0 }
    }

    /// The buffer to append to. Its first bytes are reserved for the header: the caller may only
    /// append, and truncate back to a length that it has seen before.
    pub fn bytes_mut(&mut self) -> &mut Vec<u8> {
        if self.bytes.len() < ENTRY_HEADER_BYTES {
            self.bytes.clear();
            self.bytes.resize(ENTRY_HEADER_BYTES, 0);
        }
        &mut self.bytes
    }

    /// What was appended.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.bytes.get(ENTRY_HEADER_BYTES..).unwrap_or(&[])
    }

    /// What was appended, for changes in place.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(ENTRY_HEADER_BYTES..).unwrap_or(&mut [])
    }

    /// Bytes of the payload.
    #[must_use]
    pub fn len(&self) -> usize {
        self.payload().len()
    }

    /// Whether nothing was appended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that the buffer holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Removes payload and items, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.truncate(ENTRY_HEADER_BYTES);
        self.items = 0;
    }

    /// Bytes that the entry takes in a segment.
    pub(super) fn entry_bytes(&self) -> u64 {
        (ENTRY_HEADER_BYTES + self.len()) as u64
    }

    /// Fills in the header and gives the whole entry; `None` if the payload is over its bound.
    pub(super) fn seal(&mut self, position: Position) -> Option<&[u8]> {
        let payload_bytes =
            u32::try_from(self.len()).ok().filter(|_| self.len() <= PAYLOAD_BYTES_MAX)?;
        let items = self.items;
        let bytes = self.bytes_mut();
        let payload_crc = crc32fast::hash(&bytes[ENTRY_HEADER_BYTES..]);
        let header = EntryHeader { payload_bytes, position, items, payload_crc };
        bytes[..ENTRY_HEADER_BYTES].copy_from_slice(&header.encode());
        Some(bytes)
    }
}
