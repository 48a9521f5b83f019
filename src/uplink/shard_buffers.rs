//! The buffers that the lines of messages are appended to.

use crate::{model::ShardId, spool::EntryBuffer};

/// One buffer per shard: the entry that is open for it.
pub trait ShardBuffers {
    /// The buffer of a shard.
    fn of(&mut self, shard: ShardId) -> &mut EntryBuffer;
}

/// One buffer per shard, in order.
impl<const SHARDS: usize> ShardBuffers for [EntryBuffer; SHARDS] {
    fn of(&mut self, shard: ShardId) -> &mut EntryBuffer {
        &mut self[shard.as_usize()]
    }
}

/// One buffer per shard, in order.
impl ShardBuffers for Vec<EntryBuffer> {
    fn of(&mut self, shard: ShardId) -> &mut EntryBuffer {
        &mut self[shard.as_usize()]
    }
}
