//! The disk: the few operations that durability is built from.
//!
//! The doc of every call says what is durable when it returns; if it says nothing, nothing is. A
//! written byte needs [`DiskFile::sync_data`], a created, renamed or removed name needs
//! [`Disk::sync_dir`].

use std::{
    fmt,
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

/// Whether a file is opened for writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads only.
    Read,
    /// Reads and writes.
    Write,
}

/// A file system as the spool sees it.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Creates a directory, whose name is not durable yet; false if it exists already.
    fn create_dir(&self, path: &Path) -> io::Result<bool>;
    /// Creates a directory and its missing parents. All these names are durable on return, also
    /// those that an earlier process has created and not synced.
    fn create_dirs(&self, path: &Path) -> io::Result<()> {
        let Some(parent) = path.parent() else { return Ok(()) };
        self.create_dirs(parent)?;
        let is_new = self.create_dir(path)?;
        match self.sync_dir(parent) {
            // A process that cannot sync it cannot have created it.
            Err(error) if !is_new && is_out_of_reach(&error) => Ok(()),
            synced => synced,
        }
    }
    /// The names of the files (not the folders) in a directory, sorted.
    fn files(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Creates a new empty file; it is an error if it exists.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Opens an existing file.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>>;
    /// Moves a file within its file system, replacing the target.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file's name.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Takes the exclusive lock of a file, which is created if missing; `None` if another process
    /// or handle holds it.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DiskLock>>>;
}

/// Whether a folder belongs to the system, so that this process can neither change nor sync it.
fn is_out_of_reach(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::Unsupported
    )
}

/// An open file.
#[expect(clippy::len_without_is_empty, reason = "an empty file is of no interest here")]
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Reads up to `into.len()` bytes at an offset; 0 at the end.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all bytes at an offset; nothing is durable yet.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes everything that was written durable, with the file size needed to read it back
    /// (`fdatasync`). After an error nothing may be assumed about any byte written since the last
    /// success.
    fn sync_data(&self) -> io::Result<()>;
    /// Cuts or extends (with zeros) the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Reserves room from 0 to `len`, reading as zeros, so that later writes there cannot fail for
    /// lack of space.
    fn allocate(&self, len: u64) -> io::Result<()>;
    /// The size of the file in bytes.
    fn len(&self) -> io::Result<u64>;
}

/// A held lock with a few bytes of content that others may read; released on drop.
pub trait DiskLock: fmt::Debug + Send + Sync {
    /// Replaces the content of the lock file.
    fn write(&self, content: &[u8]) -> io::Result<()>;
}

/// The machine's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl RealDisk {
    /// Bytes that an unprivileged writer may still use on the file system of a path: to be
    /// reported, not to be relied on.
    pub fn free_bytes(self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

impl Disk for RealDisk {
    fn create_dir(&self, path: &Path) -> io::Result<bool> {
        // Checked first: an existing folder may be in a place where this process may not create
        // one.
        if path.try_exists()? {
            return Ok(false);
        }
        match std::fs::create_dir(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    fn files(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for found in std::fs::read_dir(path)? {
            let found = found?;
            if found.file_type()?.is_file()
                && let Ok(name) = found.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(access == Access::Write).open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        File::open(path)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn DiskLock>>> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(RealLock(file)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.0.read_at(into, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        Ok(rustix::fs::fallocate(&self.0, rustix::fs::FallocateFlags::empty(), 0, len)?)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

#[derive(Debug)]
struct RealLock(File);

impl DiskLock for RealLock {
    fn write(&self, content: &[u8]) -> io::Result<()> {
        self.0.set_len(0)?;
        self.0.write_all_at(content, 0)
    }
}
