//! Where the lines of a message go.

use crate::{model::ShardId, spool::EntryBuffer};

/// Where lines go: the open entry of each shard.
pub trait Lines {
    /// The entry of a shard.
    fn of(&mut self, shard: ShardId) -> &mut EntryBuffer;
}

/// One a shard, in order.
impl<const SHARDS: usize> Lines for [EntryBuffer; SHARDS] {
    fn of(&mut self, shard: ShardId) -> &mut EntryBuffer {
        &mut self[shard.as_usize()]
    }
}

/// One a shard, in order.
impl Lines for Vec<EntryBuffer> {
    fn of(&mut self, shard: ShardId) -> &mut EntryBuffer {
        &mut self[shard.as_usize()]
    }
}
