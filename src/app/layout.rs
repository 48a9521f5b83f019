//! The data directory: its lock and its number of shards.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    env::disk::{Access, Disk, DiskLock},
    model::ShardCount,
};

/// The data directory, held by this process.
#[derive(Debug)]
pub(super) struct DataDir {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    lock: Box<dyn DiskLock>,
}

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It cannot be created, read or written: check the path, its owner and its file system.
    #[error("cannot use the data directory {}", path.display())]
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// Another Fleetline uses it: stop that one, or configure another directory for this one.
    #[error("the data directory {} is in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// It has another number of shards. A vehicle's shard depends on the number, so a change
    /// requires moving the entries in the spools.
    #[error(
        "the data directory {} has {found} shards and the configuration asks for {asked}; set \
         spool.shards = {found}, or change the directory with `fleetline spool reshard {asked}`, \
         which keeps all that is in it", path.display()
    )]
    Shards {
        /// The directory.
        path: PathBuf,
        /// The number that it has.
        found: String,
        /// The configured number.
        asked: u16,
    },
}

/// Why the data directory of a stopped appliance cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// It is in use, or cannot be read.
    #[error("the data directory is not usable")]
    DataDir(#[source] DataDirError),
    /// There is nothing to change: configure the right `data-dir`.
    #[error("nothing has ever run on the data directory `{}`: it has no shards", path.display())]
    Empty {
        /// The directory.
        path: PathBuf,
    },
    /// Its number of shards cannot be read: restore the file.
    #[error("`{found}` in the data directory is not a number of shards")]
    Unreadable {
        /// The content of the file.
        found: String,
    },
}

impl DataDir {
    /// Takes the lock, creates what is missing, and checks the number of shards.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        path: &Path,
        shards: ShardCount,
    ) -> Result<Self, DataDirError> {
        let unusable = |at: &Path| {
            let path = at.to_path_buf();
            |source| DataDirError::Unusable { path, source }
        };
        let spool = path.join(SPOOL_DIR);
        disk.create_dirs(&spool).map_err(unusable(&spool))?;
        let dir = Self::hold(disk, path)?;
        dir.hold_shards(&spool, shards)?;
        Ok(dir)
    }

    /// Takes the lock of an existing data directory, and returns its number of shards.
    pub(super) fn hold_idle(disk: &Arc<dyn Disk>, path: &Path) -> Result<(Self, u16), HoldError> {
        let found = shards_of(disk.as_ref(), path).map_err(HoldError::DataDir)?;
        let found = found.ok_or_else(|| HoldError::Empty { path: path.to_path_buf() })?;
        let dir = Self::hold(Arc::clone(disk), path).map_err(HoldError::DataDir)?;
        let shards = found.parse().map_err(|_no_number| HoldError::Unreadable { found })?;
        Ok((dir, shards))
    }

    /// Takes the lock of an existing directory with any content.
    fn hold(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, DataDirError> {
        let lock_path = path.join("lock");
        let lock = disk.lock(&lock_path);
        let lock =
            lock.map_err(|source| DataDirError::Unusable { path: lock_path.clone(), source })?;
        let lock = lock.ok_or_else(|| DataDirError::InUse { path: path.to_path_buf() })?;
        Ok(Self { disk, path: path.to_path_buf(), lock })
    }

    /// Writes the addresses of the running appliance, for commands on this machine.
    pub(super) fn announce(&self, content: &str) -> Result<(), DataDirError> {
        let path = self.path.join("lock");
        let written = self.lock.write(content.as_bytes());
        written.map_err(|source| DataDirError::Unusable { path, source })
    }

    fn hold_shards(&self, spool: &Path, asked: ShardCount) -> Result<(), DataDirError> {
        match shards_of(self.disk.as_ref(), &self.path)? {
            None => self.set_shards(spool, asked),
            Some(found) if found == asked.0.get().to_string() => Ok(()),
            Some(found) => {
                Err(DataDirError::Shards { path: self.path.clone(), found, asked: asked.0.get() })
            }
        }
    }

    /// Sets the number of shards.
    pub(super) fn set_shards(&self, spool: &Path, count: ShardCount) -> Result<(), DataDirError> {
        let path = spool.join(SHARDS_FILE);
        let written = self.write_shards(spool, &count.0.get().to_string());
        written.map_err(|source| DataDirError::Unusable { path, source })
    }

    /// Written under another name and then renamed, so that a crash leaves either the old file or
    /// the new one.
    fn write_shards(&self, spool: &Path, count: &str) -> io::Result<()> {
        let (temporary, path) = (spool.join("shards.new"), spool.join(SHARDS_FILE));
        if self.disk.files(spool)?.iter().any(|name| name == "shards.new") {
            self.disk.remove(&temporary)?;
        }
        let file = self.disk.create(&temporary)?;
        file.write_all_at(format!("{count}\n").as_bytes(), 0)?;
        file.sync_data()?;
        self.disk.rename(&temporary, &path)?;
        self.disk.sync_dir(spool)
    }
}

/// The number of shards in a data directory, as text; `None` if the file is missing.
pub(super) fn shards_of(disk: &dyn Disk, path: &Path) -> Result<Option<String>, DataDirError> {
    let spool = path.join(SPOOL_DIR);
    let path = spool.join(SHARDS_FILE);
    let unusable = |source| DataDirError::Unusable { path: path.clone(), source };
    let read = || -> io::Result<String> {
        let file = disk.open(&path, Access::Read)?;
        let mut bytes = [0; 16];
        let len = file.read_at(&mut bytes, 0)?;
        Ok(String::from_utf8_lossy(&bytes[..len]).trim().to_owned())
    };
    match read() {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unusable(error)),
    }
}

/// The folder of the spools.
const SPOOL_DIR: &str = "spool";

/// Holds the number of shards as text.
const SHARDS_FILE: &str = "shards";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::disk::RealDisk;

    fn count(n: u16) -> ShardCount {
        ShardCount(n.try_into().expect("not zero"))
    }

    #[test]
    fn one_process_owns_it_and_its_shards_never_change() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("a/b");
        let disk = || Arc::new(RealDisk);
        let first = DataDir::open(disk(), &path, count(2)).expect("opens");
        assert!(matches!(DataDir::open(disk(), &path, count(2)), Err(DataDirError::InUse { .. })));
        drop(first);
        let error = DataDir::open(disk(), &path, count(3)).expect_err("another number");
        assert!(error.to_string().contains("has 2 shards"), "{error}");
        DataDir::open(disk(), &path, count(2)).expect("opens again");
    }
}
