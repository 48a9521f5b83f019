//! A file with one line for each acknowledged message, for tests that compare it with a store.
//!
//! A line is `VEHICLE,NUMBER,TIME`: the message's number in its vehicle's script, and its time in
//! nanoseconds since the Unix epoch.

use std::{io, io::Write, path::Path};

use crate::env::disk::{Disk, DiskFile};

/// Written in pieces of about this size, and at the end.
const BUFFER_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(crate) struct AckLog {
    file: Box<dyn DiskFile>,
    offset: u64,
    buffer: Vec<u8>,
}

impl AckLog {
    /// Makes the file; an existing one is an error.
    pub(crate) fn create(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        Ok(Self { file: disk.create(path)?, offset: 0, buffer: Vec::new() })
    }

    pub(super) fn add(&mut self, vehicle: &str, message: u64, nanos: i64) -> io::Result<()> {
        writeln!(self.buffer, "{vehicle},{message},{nanos}")?;
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.buffer, self.offset)?;
        self.offset += u64::try_from(self.buffer.len()).unwrap_or(0);
        self.buffer.clear();
        Ok(())
    }
}
