//! The machine's disk, with operations that can be made to fail.

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::env::disk::{Access, Disk, DiskFile, DiskLock, RealDisk};

/// Which operations fail now. Each file remembers what it is part of.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Reads of segments.
    pub(super) reads: AtomicBool,
    /// Reads of segments, by a panic.
    pub(super) panics: AtomicBool,
    /// Syncs of cursor files.
    pub(super) cursors: AtomicBool,
    /// Syncs of segments of the dead-letter log.
    pub(super) letters: AtomicBool,
}

/// A disk that fails what its [`Faults`] say.
#[derive(Debug, Default)]
pub(super) struct FaultDisk {
    pub(super) faults: Arc<Faults>,
}

#[derive(Debug)]
struct FaultFile {
    file: Box<dyn DiskFile>,
    faults: Arc<Faults>,
    is_segment: bool,
    is_letters: bool,
}

impl FaultDisk {
    fn file(&self, path: &Path, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        let is_segment = path.extension().is_some_and(|extension| extension == "seg");
        let is_letters = path.components().any(|part| part.as_os_str() == "dead-letter");
        Box::new(FaultFile { file, faults: Arc::clone(&self.faults), is_segment, is_letters })
    }
}

fn fail_if(fault: bool) -> io::Result<()> {
    if fault { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
}

impl Disk for FaultDisk {
    fn create_dir(&self, path: &Path) -> io::Result<bool> {
        RealDisk.create_dir(path)
    }

    fn files(&self, path: &Path) -> io::Result<Vec<String>> {
        RealDisk.files(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.file(path, RealDisk.create(path)?))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.file(path, RealDisk.open(path, access)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_dir(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DiskLock>>> {
        RealDisk.lock(path)
    }
}

impl DiskFile for FaultFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        assert!(!(self.is_segment && self.faults.panics.load(Ordering::SeqCst)), "on purpose");
        fail_if(self.is_segment && self.faults.reads.load(Ordering::SeqCst))?;
        self.file.read_at(into, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        fail_if(!self.is_segment && self.faults.cursors.load(Ordering::SeqCst))?;
        fail_if(self.is_segment && self.is_letters && self.faults.letters.load(Ordering::SeqCst))?;
        self.file.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.file.allocate(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
}
