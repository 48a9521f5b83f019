//! The content of a simulated file: the durable bytes, the bytes that reads see, and the changes
//! between them.

/// A torn write is cut at multiples of this many bytes of the file.
const SECTOR_BYTES: usize = 512;

/// The content of a file.
#[derive(Clone, Default)]
pub(super) struct Node {
    pub durable: Vec<u8>,
    pub seen: Vec<u8>,
    /// The changes that lead from `durable` to `seen`.
    pub unsynced: Vec<Change>,
}

#[derive(Clone)]
pub(super) enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Len(usize),
}

impl Change {
    /// Applies the change; each change of length and each sector only if `keeps` returns true.
    pub(super) fn apply(&self, to: &mut Vec<u8>, mut keeps: impl FnMut() -> bool) {
        match self {
            Self::Len(len) => {
                if keeps() {
                    to.resize(*len, 0);
                }
            }
            Self::Write { offset, bytes } => {
                let mut at = 0;
                while at < bytes.len() {
                    let place = offset + at;
                    let sector_end = (place / SECTOR_BYTES + 1) * SECTOR_BYTES;
                    let n = (sector_end - place).min(bytes.len() - at);
                    if keeps() {
                        write(to, place, &bytes[at..at + n]);
                    }
                    at += n;
                }
            }
        }
    }
}

/// Writes into a buffer that grows.
pub(super) fn write(to: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    to[offset..end].copy_from_slice(bytes);
}
