//! The durable cursor: how far the store has confirmed.
//!
//! One small file of two slots, written in turn and in place, each with a sequence number and a
//! checksum. A torn write damages only the slot that was being written; the other one still holds
//! the previous cursor. So a crash may cause entries to be sent again, but never skips one. Why not
//! a temporary file and a rename: that needs two syncs per flush instead of one, and it needs room
//! on the disk. On a full disk the cursor must still move, so that segments can be deleted.

use std::{io, path::PathBuf, sync::Arc};

use tokio::sync::watch;

use crate::{
    env::disk::{Access, Disk, DiskFile},
    model::{Disposition, Position},
};

use super::{
    fault::DiskFault,
    format::{CURSOR_FILE_BYTES, CURSOR_SLOT_BYTES, CursorSlot, HeaderFault},
    reading::Reading,
    shared::{Released, Shared},
    view::View,
};

/// The file's name in the spool's folder.
pub(super) const CURSOR_NAME: &str = "cursor";

/// Why the cursor could not be made durable, or confirmed segments could not be deleted. The data
/// is safe in every case: after a restart, everything past the durable cursor is sent to the store
/// again.
#[derive(Debug, thiserror::Error)]
pub enum CursorError {
    /// The disk is full and the cursor file does not exist yet. Free some space; it is tried again.
    #[error("no room for the cursor")]
    Room {
        /// What failed.
        #[source]
        fault: DiskFault,
    },
    /// A write or sync of the cursor failed; what the disk holds is not known. Check the disk and
    /// restart.
    #[error("cannot make the cursor durable")]
    Write {
        /// What failed.
        #[source]
        fault: DiskFault,
    },
    /// An earlier write of the cursor failed. Check the disk and restart.
    #[error("the cursor is not written any more since an earlier failure")]
    Broken,
    /// A segment that is no longer needed could not be deleted; it is tried at the next flush.
    #[error("cannot release confirmed segments")]
    Release {
        /// What failed.
        #[source]
        fault: DiskFault,
    },
}

impl CursorError {
    /// What to do about it.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Room { .. } | Self::Release { .. } => Disposition::Retry,
            Self::Write { .. } | Self::Broken => Disposition::Halt,
        }
    }
}

/// How far the store has confirmed: the position in memory, and the durable one.
#[derive(Debug)]
pub struct Cursor {
    shared: Arc<Shared>,
    file: CursorFile,
    /// `flushed <= confirmed <= durable` (SP-4).
    confirmed: Position,
    flushed: Position,
}

impl Cursor {
    pub(super) fn new(shared: Arc<Shared>, file: CursorFile, confirmed: Position) -> Self {
        Self { shared, file, confirmed, flushed: confirmed }
    }

    /// A reading that begins just after the cursor.
    pub(super) fn reading(&self) -> Reading {
        Reading::new(Arc::clone(&self.shared), self.confirmed.next())
    }

    /// Moves the cursor, in memory: the store has confirmed everything up to here. Earlier
    /// positions than the cursor's change nothing.
    ///
    /// # Panics
    /// If the position is not durable (SP-4).
    pub fn confirm(&mut self, upto: Position) {
        assert!(upto <= self.shared.durable(), "SP-4: the cursor is not past the data");
        self.confirmed = self.confirmed.max(upto);
    }

    /// Makes the cursor durable, then deletes the segments that it covers, then makes their
    /// deletion durable; gives their bytes back and wakes a writer that waits for room.
    ///
    /// # Errors
    /// See [`CursorError`]. In memory the cursor stays where it is.
    pub fn flush(&mut self) -> Result<Released, CursorError> {
        if self.confirmed > self.flushed {
            self.file.store(self.confirmed)?;
            self.flushed = self.confirmed;
            assert!(self.flushed <= self.shared.durable(), "SP-4: the cursor is not past the data");
            self.shared.flushed(self.flushed);
        }
        self.shared.release().map_err(|fault| CursorError::Release { fault })
    }

    /// A receiver of the last durable position; it moves after each sync.
    #[must_use]
    pub fn durable(&self) -> watch::Receiver<Position> {
        self.shared.watch_durable()
    }

    /// The cursor in memory.
    #[must_use]
    pub fn confirmed(&self) -> Position {
        self.confirmed
    }

    /// A handle that tells how full the spool is.
    #[must_use]
    pub fn view(&self) -> View {
        View::new(Arc::clone(&self.shared))
    }
}

/// What the cursor file said at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CursorRead {
    /// The newer intact slot.
    pub newest: Option<CursorSlot>,
    /// The file exists and is not empty, but no slot is intact.
    pub damaged: bool,
}

/// Reads the cursor; the inner error is an unknown version.
pub(super) fn read(disk: &dyn Disk, path: &std::path::Path) -> io::Result<Result<CursorRead, u16>> {
    let file = match disk.open(path, Access::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Ok(CursorRead { newest: None, damaged: false }));
        }
        Err(error) => return Err(error),
    };
    let mut newest: Option<CursorSlot> = None;
    let mut written = false;
    for slot in 0..2 {
        let mut bytes = [0; CURSOR_SLOT_BYTES];
        let n = read_up_to(file.as_ref(), &mut bytes, CursorSlot::offset(slot))?;
        written |= bytes.iter().any(|byte| *byte != 0);
        match CursorSlot::decode(&bytes[..n]) {
            Ok(slot) if newest.is_none_or(|newest| newest.sequence < slot.sequence) => {
                newest = Some(slot);
            }
            Ok(_) | Err(HeaderFault::Damaged) => {}
            Err(HeaderFault::Version(version)) => return Ok(Err(version)),
        }
    }
    Ok(Ok(CursorRead { newest, damaged: written && newest.is_none() }))
}

/// Fills `into` up to the end of the file; returns the bytes read.
pub(super) fn read_up_to(file: &dyn DiskFile, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut n = 0;
    while n < into.len() {
        match file.read_at(&mut into[n..], offset + n as u64)? {
            0 => break,
            more => n += more,
        }
    }
    Ok(n)
}

/// The cursor file, open for writing.
#[derive(Debug)]
pub(super) struct CursorFile {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// `None` until there is room to make it.
    file: Option<Box<dyn DiskFile>>,
    /// Of the last slot written; the next goes to the other slot.
    sequence: u64,
    /// A write or sync failed: nothing is written any more.
    broken: bool,
}

impl CursorFile {
    pub(super) fn new(disk: Arc<dyn Disk>, dir: PathBuf, sequence: u64) -> Self {
        Self { disk, dir, file: None, sequence, broken: false }
    }

    /// Makes the file if it is missing and reserves its room.
    pub(super) fn ensure(&mut self) -> Result<(), CursorError> {
        if self.file.is_some() {
            return Ok(());
        }
        let path = self.path();
        self.file = Some(self.make().map_err(|source| {
            let fault = DiskFault::at("create", &path)(source);
            if fault.is_no_room() {
                CursorError::Room { fault }
            } else {
                CursorError::Write { fault }
            }
        })?);
        Ok(())
    }

    /// Makes a position durable as the cursor.
    pub(super) fn store(&mut self, confirmed: Position) -> Result<(), CursorError> {
        if self.broken {
            return Err(CursorError::Broken);
        }
        self.ensure()?;
        let sequence = self.sequence + 1;
        let slot = CursorSlot { sequence, confirmed };
        let file = self.file.as_ref().expect("ensure has opened it");
        let written = file
            .write_all_at(&slot.encode(), CursorSlot::offset(sequence))
            .and_then(|()| file.sync_data());
        if let Err(source) = written {
            self.broken = true;
            let fault = DiskFault::at("write", &self.path())(source);
            return Err(CursorError::Write { fault });
        }
        self.sequence = sequence;
        Ok(())
    }

    fn make(&self) -> io::Result<Box<dyn DiskFile>> {
        let path = self.path();
        let file = match self.disk.open(&path, Access::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.disk.create(&path)?,
            opened => opened?,
        };
        if file.len()? < CURSOR_FILE_BYTES {
            match file.allocate(CURSOR_FILE_BYTES) {
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    file.set_len(CURSOR_FILE_BYTES)?;
                }
                reserved => reserved?,
            }
            file.sync_data()?;
        }
        // Also for a file that existed: a crash may have happened before its name was durable.
        self.disk.sync_dir(&self.dir)?;
        Ok(file)
    }

    fn path(&self) -> PathBuf {
        self.dir.join(CURSOR_NAME)
    }
}
