//! The data directory: who owns it, and how many shards it was made for.

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
    /// It cannot be made, read or written: check the path, its owner and its file system.
    #[error("cannot use the data directory {}", path.display())]
    Unusable {
        /// What was touched.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another Fleetline runs on it: stop that one, or give this one a directory of its own.
    #[error("the data directory {} is in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// It was made for another number of shards. A vehicle's shard follows from the number, so it
    /// cannot change while points wait: drain with the old number, then move the directory away.
    #[error(
        "the data directory {} has {found} shards and the configuration asks for {asked}; set \
         spool.shards = {found}, or drain it and start with an empty directory", path.display()
    )]
    Shards {
        /// The directory.
        path: PathBuf,
        /// How many it has.
        found: String,
        /// How many were asked for.
        asked: u16,
    },
}

impl DataDir {
    /// Takes the lock, makes what is missing, and holds the number of shards to what it was.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        path: &Path,
        shards: ShardCount,
    ) -> Result<Self, DataDirError> {
        let unusable = |at: &Path| {
            let path = at.to_path_buf();
            |source| DataDirError::Unusable { path, source }
        };
        let spool = path.join("spool");
        disk.create_dirs(&spool).map_err(unusable(&spool))?;
        let lock_path = path.join("lock");
        let lock = disk.lock(&lock_path).map_err(unusable(&lock_path))?;
        let lock = lock.ok_or_else(|| DataDirError::InUse { path: path.to_path_buf() })?;
        let dir = Self { disk, path: path.to_path_buf(), lock };
        dir.hold_shards(&spool, shards)?;
        Ok(dir)
    }

    /// Tells commands on this machine where the running appliance listens.
    pub(super) fn announce(&self, content: &str) -> Result<(), DataDirError> {
        let path = self.path.join("lock");
        let written = self.lock.write(content.as_bytes());
        written.map_err(|source| DataDirError::Unusable { path, source })
    }

    fn hold_shards(&self, spool: &Path, asked: ShardCount) -> Result<(), DataDirError> {
        let path = spool.join(SHARDS_FILE);
        let unusable = |source| DataDirError::Unusable { path: path.clone(), source };
        let names = self.disk.files(spool).map_err(unusable)?;
        let wanted = asked.0.get().to_string();
        if !names.iter().any(|name| name == SHARDS_FILE) {
            return self.write_shards(spool, &wanted).map_err(unusable);
        }
        let file = self.disk.open(&path, Access::Read).map_err(unusable)?;
        let mut bytes = [0; 16];
        let len = file.read_at(&mut bytes, 0).map_err(unusable)?;
        let found = String::from_utf8_lossy(&bytes[..len]).trim().to_owned();
        if found == wanted {
            return Ok(());
        }
        Err(DataDirError::Shards { path: self.path.clone(), found, asked: asked.0.get() })
    }

    /// Written once, under another name first, so that a crash leaves either nothing or all of it.
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
