//! The bytes on disk. No other file knows an offset.
//!
//! # Warning
//! Files that exist depend on every constant and every offset here. Do not reorder, resize or reuse
//! a field: add a new [`VERSION`]. `tests/golden/spool-segment.hex` holds a whole segment, and a
//! test compares it byte by byte.
//!
//! All integers are little-endian. The two record magics hold bytes that UTF-8 never contains, so a
//! search for the next record does not stop inside a payload of text.

use crate::model::{LineDialect, Position};

/// The version this build writes, and the only one it reads.
pub(super) const VERSION: u16 = 1;

/// First bytes of a segment.
pub(super) const SEGMENT_MAGIC: [u8; 8] = *b"FLSEGMT\n";
/// First bytes of an entry.
pub(super) const ENTRY_MAGIC: [u8; 4] = [0xff, 0xf6, b'E', 0xfe];
/// First bytes of a footer.
pub(super) const FOOTER_MAGIC: [u8; 4] = [0xff, 0xf6, b'Z', 0xfe];
/// First bytes of a cursor slot.
pub(super) const CURSOR_MAGIC: [u8; 8] = *b"FLCURSR\n";

/// Bytes of a segment's header.
pub(super) const SEGMENT_HEADER_BYTES: usize = 32;
/// Bytes of an entry's header.
pub(super) const ENTRY_HEADER_BYTES: usize = 28;
/// Bytes of a sealed segment's footer.
pub(super) const FOOTER_BYTES: usize = 36;
/// Bytes of one cursor slot that carry something.
pub(super) const CURSOR_SLOT_BYTES: usize = 32;
/// Where the second slot begins: in another page, so that one torn write cannot reach both.
pub(super) const CURSOR_SLOT_STRIDE: u64 = 4096;
/// Bytes of the cursor file.
pub(super) const CURSOR_FILE_BYTES: u64 = 2 * CURSOR_SLOT_STRIDE;

/// The maximum size of one payload. It is far above any batch, and a `u32` length cannot overflow
/// when the header is added.
pub(super) const PAYLOAD_BYTES_MAX: usize = 1 << 30;

/// A segment's header and footer, as file lengths.
pub(super) const SEGMENT_HEADER_LEN: u64 = SEGMENT_HEADER_BYTES as u64;
/// See [`SEGMENT_HEADER_LEN`].
pub(super) const FOOTER_LEN: u64 = FOOTER_BYTES as u64;

const _: () = assert!(CURSOR_SLOT_BYTES as u64 <= CURSOR_SLOT_STRIDE);
const _: () = assert!(PAYLOAD_BYTES_MAX + ENTRY_HEADER_BYTES < u32::MAX as usize);

/// The content of a segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// The position of the first entry.
    pub first: Position,
    /// The dialect of every line in it.
    pub dialect: LineDialect,
}

/// Why a segment's first bytes are not a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderFault {
    /// Intact, but of a version that this build does not know.
    Version(u16),
    /// Damaged bytes.
    Damaged,
}

impl SegmentHeader {
    /// The header's bytes.
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        put(&mut bytes, 0, &SEGMENT_MAGIC);
        put(&mut bytes, 8, &VERSION.to_le_bytes());
        bytes[10] = match self.dialect {
            LineDialect::Signed => 0,
            LineDialect::Unsigned => 1,
        };
        put(&mut bytes, 16, &self.first.0.to_le_bytes());
        sealed(bytes)
    }

    /// Reads a header.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HeaderFault> {
        check_versioned::<SEGMENT_HEADER_BYTES>(bytes, &SEGMENT_MAGIC)?;
        let dialect = match bytes[10] {
            0 => LineDialect::Signed,
            1 => LineDialect::Unsigned,
            _ => return Err(HeaderFault::Damaged),
        };
        Ok(Self { first: Position(u64_at(bytes, 16)), dialect })
    }
}

/// The content of an entry's header, which precedes the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EntryHeader {
    /// Bytes of the payload, at most [`PAYLOAD_BYTES_MAX`].
    pub payload_bytes: u32,
    /// The entry's number.
    pub position: Position,
    /// A count that the spool does not interpret.
    pub items: u32,
    /// CRC-32 of the payload.
    pub payload_crc: u32,
}

impl EntryHeader {
    /// The header's bytes.
    pub(super) fn encode(&self) -> [u8; ENTRY_HEADER_BYTES] {
        let mut bytes = [0; ENTRY_HEADER_BYTES];
        put(&mut bytes, 0, &ENTRY_MAGIC);
        put(&mut bytes, 4, &self.payload_bytes.to_le_bytes());
        put(&mut bytes, 8, &self.position.0.to_le_bytes());
        put(&mut bytes, 16, &self.items.to_le_bytes());
        put(&mut bytes, 20, &self.payload_crc.to_le_bytes());
        sealed(bytes)
    }

    /// Reads a header; `None` unless its checksum matches, so that a length, a position or a count
    /// is never taken from damaged bytes.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        is_whole::<ENTRY_HEADER_BYTES>(bytes, &ENTRY_MAGIC).then(|| Self {
            payload_bytes: u32_at(bytes, 4),
            position: Position(u64_at(bytes, 8)),
            items: u32_at(bytes, 16),
            payload_crc: u32_at(bytes, 20),
        })
    }

    /// Bytes of header and payload together.
    pub(super) fn entry_bytes(&self) -> usize {
        ENTRY_HEADER_BYTES + self.payload_bytes as usize
    }
}

/// The content of the footer of a sealed segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    /// The position of the first entry.
    pub first: Position,
    /// The position of the last entry.
    pub last: Position,
    /// The sum of the entries' items.
    pub items: u64,
}

impl Footer {
    /// The footer's bytes.
    pub(super) fn encode(&self) -> [u8; FOOTER_BYTES] {
        let mut bytes = [0; FOOTER_BYTES];
        put(&mut bytes, 0, &FOOTER_MAGIC);
        put(&mut bytes, 8, &self.first.0.to_le_bytes());
        put(&mut bytes, 16, &self.last.0.to_le_bytes());
        put(&mut bytes, 24, &self.items.to_le_bytes());
        sealed(bytes)
    }

    /// Reads a footer; `None` unless its checksum matches.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        is_whole::<FOOTER_BYTES>(bytes, &FOOTER_MAGIC).then(|| Self {
            first: Position(u64_at(bytes, 8)),
            last: Position(u64_at(bytes, 16)),
            items: u64_at(bytes, 24),
        })
    }
}

/// One of the two slots of the cursor file, which are written in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CursorSlot {
    /// Counts the writes; of two intact slots the one with the higher number is newer.
    pub sequence: u64,
    /// The last position that the store has confirmed.
    pub confirmed: Position,
}

impl CursorSlot {
    /// The slot's bytes.
    pub(super) fn encode(&self) -> [u8; CURSOR_SLOT_BYTES] {
        let mut bytes = [0; CURSOR_SLOT_BYTES];
        put(&mut bytes, 0, &CURSOR_MAGIC);
        put(&mut bytes, 8, &VERSION.to_le_bytes());
        put(&mut bytes, 12, &self.sequence.to_le_bytes());
        put(&mut bytes, 20, &self.confirmed.0.to_le_bytes());
        sealed(bytes)
    }

    /// Reads a slot, by the same rules as a segment's header.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, HeaderFault> {
        check_versioned::<CURSOR_SLOT_BYTES>(bytes, &CURSOR_MAGIC)?;
        Ok(Self { sequence: u64_at(bytes, 12), confirmed: Position(u64_at(bytes, 20)) })
    }

    /// Where the slot of a sequence number begins in the file.
    pub(super) fn offset(sequence: u64) -> u64 {
        (sequence % 2) * CURSOR_SLOT_STRIDE
    }
}

/// The file name of the segment that begins at a position: zero-padded to the width of the largest,
/// so that names sort like positions.
pub fn segment_name(first: Position) -> String {
    format!("{:020}.seg", first.0)
}

/// Reads a segment's name, strictly: twenty digits, at least 1, and the suffix.
pub(super) fn parse_segment_name(name: &str) -> Option<Position> {
    let digits = name.strip_suffix(".seg")?;
    if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|first| *first > 0).map(Position)
}

/// Bytes of the checksum at the end of each of these records; it covers all bytes before it.
const CRC_BYTES: usize = 4;

/// The bytes with their checksum filled in.
fn sealed<const N: usize>(mut bytes: [u8; N]) -> [u8; N] {
    let crc = crc32fast::hash(&bytes[..N - CRC_BYTES]);
    put(&mut bytes, N - CRC_BYTES, &crc.to_le_bytes());
    bytes
}

/// Whether the first `N` bytes are a record with this magic and a matching checksum, as [`sealed`]
/// writes it.
fn is_whole<const N: usize>(bytes: &[u8], magic: &[u8]) -> bool {
    bytes.first_chunk::<N>().is_some_and(|bytes| {
        bytes.starts_with(magic)
            && u32_at(bytes, N - CRC_BYTES) == crc32fast::hash(&bytes[..N - CRC_BYTES])
    })
}

/// The same for a record with a version after its magic. The checksum covers every byte and is at
/// the same place in every version: so a damaged version number is reported as damage, and only an
/// intact one as an unknown version.
fn check_versioned<const N: usize>(bytes: &[u8], magic: &[u8; 8]) -> Result<(), HeaderFault> {
    if !is_whole::<N>(bytes, magic) {
        return Err(HeaderFault::Damaged);
    }
    match u16::from_le_bytes([bytes[8], bytes[9]]) {
        VERSION => Ok(()),
        version => Err(HeaderFault::Version(version)),
    }
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("the slice has four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("the slice has eight bytes"))
}
