//! A read buffer over a file: it reads large chunks and serves small windows.
//!
//! Bytes that are appended to a batch are read straight into it if they are [`DIRECT_BYTES`] or
//! more and not in the buffer, because a copy through the buffer costs as much again as the read.
//! After such an entry the next one is probably as large, so only a little is read ahead.

use std::io;

use crate::env::disk::DiskFile;

/// Bytes asked of the file at a time. One read call costs about as much as copying 2 KiB; at 1 MiB
/// it is lost in the copy, and the buffer still fits a second-level cache.
const CHUNK_BYTES: usize = 1 << 20;
/// Bytes read ahead after an entry that was read directly: enough for a header.
const HEAD_BYTES: usize = 4 << 10;
/// Bytes of an entry from which on it is read directly.
const DIRECT_BYTES: usize = 16 << 10;

/// One buffer that holds a stretch of a file.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// Only the first `len` bytes are the file's.
    bytes: Vec<u8>,
    /// Where in the file the first byte lies.
    start: u64,
    len: usize,
    /// The last entry was read directly.
    is_direct: bool,
}

impl Chunk {
    /// Empties the buffer, because the next read is from another file.
    pub(super) fn reset(&mut self) {
        self.len = 0;
    }

    /// The bytes from `offset` on: `want` of them, or fewer where `limit` or the file ends.
    pub(super) fn window(
        &mut self,
        file: &dyn DiskFile,
        offset: u64,
        want: usize,
        limit: u64,
    ) -> io::Result<&[u8]> {
        let left = usize::try_from(limit.saturating_sub(offset)).unwrap_or(usize::MAX);
        let want = want.min(left);
        if self.held(offset) < want {
            let ahead = if self.is_direct { HEAD_BYTES } else { CHUNK_BYTES };
            self.fill(file, offset, want.max(ahead).min(left))?;
        }
        let held = self.held(offset);
        let from = self.len - held;
        Ok(&self.bytes[from..from + want.min(held)])
    }

    /// Appends the `want` bytes from `offset` on to `into`, or fewer if `limit` or the end of the
    /// file is before.
    ///
    /// # Errors
    /// The file cannot be read; `into` is as before.
    pub(super) fn append(
        &mut self,
        file: &dyn DiskFile,
        offset: u64,
        want: usize,
        limit: u64,
        into: &mut Vec<u8>,
    ) -> io::Result<()> {
        self.is_direct = want >= DIRECT_BYTES && self.held(offset) < want;
        if !self.is_direct {
            into.extend_from_slice(self.window(file, offset, want, limit)?);
            return Ok(());
        }
        let left = usize::try_from(limit.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mark = into.len();
        into.resize(mark + want.min(left), 0);
        let read = read_full(file, &mut into[mark..], offset);
        into.truncate(mark + *read.as_ref().unwrap_or(&0));
        read.map(drop)
    }

    /// How many bytes from `offset` on are held.
    fn held(&self, offset: u64) -> usize {
        match offset.checked_sub(self.start).and_then(|skip| usize::try_from(skip).ok()) {
            Some(skip) => self.len.saturating_sub(skip),
            None => 0,
        }
    }

    /// Reads `bytes` bytes at `offset`, or as many as there are.
    fn fill(&mut self, file: &dyn DiskFile, offset: u64, bytes: usize) -> io::Result<()> {
        if self.bytes.len() < bytes {
            self.bytes.resize(bytes, 0);
        }
        self.start = offset;
        self.len = 0;
        self.len = read_full(file, &mut self.bytes[..bytes], offset)?;
        Ok(())
    }
}

/// Fills `into` from `offset` on, as far as the file goes; how far that was.
fn read_full(file: &dyn DiskFile, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut len = 0;
    while len < into.len() {
        let n = file.read_at(&mut into[len..], offset + len as u64)?;
        if n == 0 {
            break;
        }
        len += n;
    }
    Ok(len)
}
