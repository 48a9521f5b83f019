//! Sends confirmed points again: puts the held segments of a stopped appliance back in front of
//! their cursors.

use std::{path::Path, sync::Arc};

use super::layout::{DataDir, HoldError};
use crate::{
    config::shard_dir,
    env::disk::Disk,
    model::{ShardId, UnixNanos},
    spool::{self, ReplayError, Replayed},
};

/// Why a replay failed or was incomplete. It can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayFailure {
    /// The data directory cannot be changed.
    #[error(transparent)]
    DataDir(#[from] HoldError),
    /// A spool cannot be set back.
    #[error("the spool of shard {} cannot be set back", shard.0)]
    Spool {
        /// The shard.
        shard: ShardId,
        /// The cause.
        #[source]
        source: Box<ReplayError>,
    },
}

/// Sets every spool back to what was confirmed at `from` or later; returns the sum of what will be
/// sent again. `done` is called for each shard, with the number of shards.
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
