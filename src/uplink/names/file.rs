//! The bytes of the file `names`: a header, then one record per name.
//!
//! ```text
//! header  "FLNAMES\n" · version u16 · 0 u16 · CRC-32 u32 of what is before
//! record  CRC-32 u32 of what follows · day u32 · kind u8 · measurement's bytes u16 · name's bytes
//!         u16 · measurement · name
//! ```
//! Integers are little-endian. A record without names says that all names of the store are in the
//! file.

use super::known::{Kind, NewName};

const MAGIC: [u8; 8] = *b"FLNAMES\n";
const VERSION: u16 = 1;
/// Bytes of the header.
pub(super) const HEADER_BYTES: usize = 16;
/// Bytes of a record before its names.
const RECORD_BYTES: usize = 13;

/// The header.
pub(super) fn header() -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 2]);
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// Appends a record; a name that is too long for one is left out.
pub(super) fn push(into: &mut Vec<u8>, name: &NewName) {
    let lens = [&name.measurement, &name.name].map(|text| u16::try_from(text.len()));
    let [Ok(measurement_len), Ok(name_len)] = lens else { return };
    let start = into.len();
    into.extend_from_slice(&[0; 4]);
    into.extend_from_slice(&name.day.to_le_bytes());
    into.push(match name.kind {
        Kind::Field => 0,
        Kind::Tag => 1,
    });
    into.extend_from_slice(&measurement_len.to_le_bytes());
    into.extend_from_slice(&name_len.to_le_bytes());
    into.extend_from_slice(name.measurement.as_bytes());
    into.extend_from_slice(name.name.as_bytes());
    let crc = crc32fast::hash(&into[start + 4..]);
    into[start..start + 4].copy_from_slice(&crc.to_le_bytes());
}

/// The content of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    /// Its names.
    pub(super) names: Vec<NewName>,
    /// Whether they include all names of the store.
    pub(super) has_stored: bool,
    /// Length of its valid part.
    pub(super) len: usize,
}

/// A version that this build does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UnknownVersion(pub(super) u16);

/// Reads the valid part of a file; a file with a damaged header has none.
pub(super) fn read(bytes: &[u8]) -> Result<Read, UnknownVersion> {
    let mut read = Read::default();
    let Some(head) = bytes.get(..HEADER_BYTES) else { return Ok(read) };
    let crc = u32::from_le_bytes([head[12], head[13], head[14], head[15]]);
    if head[..8] != MAGIC || crc32fast::hash(&head[..12]) != crc {
        return Ok(read);
    }
    let version = u16::from_le_bytes([head[8], head[9]]);
    if version != VERSION {
        return Err(UnknownVersion(version));
    }
    read.len = HEADER_BYTES;
    while let Some((name, len)) = record(&bytes[read.len..]) {
        read.len += len;
        if name.measurement.is_empty() {
            read.has_stored = true;
        } else {
            read.names.push(name);
        }
    }
    Ok(read)
}

/// The first record and its length; `None` if it is truncated or damaged.
fn record(bytes: &[u8]) -> Option<(NewName, usize)> {
    let head = bytes.get(..RECORD_BYTES)?;
    let crc = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
    let day = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    let kind = match head[8] {
        0 => Kind::Field,
        1 => Kind::Tag,
        _ => return None,
    };
    let measurement_end = RECORD_BYTES + usize::from(u16::from_le_bytes([head[9], head[10]]));
    let end = measurement_end + usize::from(u16::from_le_bytes([head[11], head[12]]));
    if crc32fast::hash(bytes.get(4..end)?) != crc {
        return None;
    }
    let text = |range: std::ops::Range<usize>| Some(str::from_utf8(&bytes[range]).ok()?.into());
    let measurement = text(RECORD_BYTES..measurement_end)?;
    Some((NewName { day, measurement, kind, name: text(measurement_end..end)? }, end))
}
