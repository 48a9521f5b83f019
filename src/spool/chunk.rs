//! A read buffer over a file: it reads large chunks and serves small windows.

use std::io;

use crate::env::disk::DiskFile;

/// Bytes asked of the file at a time. One read call costs about as much as copying 2 KiB; at 1 MiB
/// it is lost in the copy, and the buffer still fits a second-level cache.
const CHUNK_BYTES: usize = 1 << 20;

/// One buffer that holds a stretch of a file.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// Only the first `len` bytes are the file's.
    bytes: Vec<u8>,
    /// Where in the file the first byte lies.
    start: u64,
    len: usize,
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
            self.fill(file, offset, want.max(CHUNK_BYTES).min(left))?;
        }
        let held = self.held(offset);
        let from = self.len - held;
        Ok(&self.bytes[from..from + want.min(held)])
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
        while self.len < bytes {
            let n = file.read_at(&mut self.bytes[self.len..bytes], offset + self.len as u64)?;
            if n == 0 {
                break;
            }
            self.len += n;
        }
        Ok(())
    }
}
