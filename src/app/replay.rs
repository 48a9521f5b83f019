//! What the store has confirmed, sent again: held segments of a data directory on which nothing
//! runs are put back in front of their cursors.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::layout::{DataDir, DataDirError, shards_of};
use crate::{
    config::shard_dir,
    env::disk::Disk,
    model::{ShardId, UnixNanos},
    spool::{self, ReplayError, Replayed},
};

/// Why nothing, or not all of it, will be sent again. It can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayFailure {
    /// It is in use, or cannot be read.
    #[error("the data directory is not usable")]
    DataDir(#[source] DataDirError),
    /// There is nothing to send; the operator names the right `data-dir`.
    #[error("nothing has ever run on the data directory `{}`: it has no shards", path.display())]
    Empty {
        /// The directory.
        path: PathBuf,
    },
    /// Its number of shards cannot be read; the operator puts the file back.
    #[error("`{found}` in the data directory is not a number of shards")]
    Unreadable {
        /// As it stands there.
        found: String,
    },
    /// A spool does not let itself be set back.
    #[error("the spool of shard {} cannot be set back", shard.0)]
    Spool {
        /// Which.
        shard: ShardId,
        /// Why.
        #[source]
        source: Box<ReplayError>,
    },
}

/// Sets every spool back to what was confirmed at `from` or later; the sum of what will be sent
/// again. `done` is told each shard, and how many there are.
///
/// # Errors
/// See [`ReplayFailure`].
pub fn replay(
    disk: &Arc<dyn Disk>,
    data_dir: &Path,
    from: UnixNanos,
    mut done: impl FnMut(u16, u16),
) -> Result<Replayed, ReplayFailure> {
    let found = shards_of(disk.as_ref(), data_dir).map_err(ReplayFailure::DataDir)?;
    let found = found.ok_or_else(|| ReplayFailure::Empty { path: data_dir.to_path_buf() })?;
    let _dir = DataDir::hold(Arc::clone(disk), data_dir).map_err(ReplayFailure::DataDir)?;
    let shards: u16 = found.parse().map_err(|_no_number| ReplayFailure::Unreadable { found })?;
    let mut sum = Replayed::default();
    for shard in (0..shards).map(ShardId) {
        let dir = shard_dir(&data_dir.join("spool"), shard);
        let replayed = spool::replay(disk, &dir, from)
            .map_err(|source| ReplayFailure::Spool { shard, source: Box::new(source) })?;
        sum.segments += replayed.segments;
        sum.items += replayed.items;
        done(shard.0 + 1, shards);
    }
    Ok(sum)
}
