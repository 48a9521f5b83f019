//! What the store has confirmed, sent again: held segments of a data directory on which nothing
//! runs are put back in front of their cursors.

use std::{path::Path, sync::Arc};

use super::layout::{DataDir, HoldError};
use crate::{
    config::shard_dir,
    env::disk::Disk,
    model::{ShardId, UnixNanos},
    spool::{self, ReplayError, Replayed},
};

/// Why nothing, or not all of it, will be sent again. It can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayFailure {
    /// The data directory cannot be worked on.
    #[error(transparent)]
    DataDir(#[from] HoldError),
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
    let (_dir, shards) = DataDir::hold_idle(disk, data_dir)?;
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
