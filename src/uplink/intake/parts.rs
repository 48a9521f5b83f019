//! What the workers' intakes share.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{Intake, Reply};
use crate::{
    dead_letter,
    env::Clock,
    mapping::Plans,
    model::ShardCount,
    spool::CommitHandle,
    telemetry::Metrics,
    uplink::{Limits, MemoryBudget, NameRegistry},
};

/// What every worker's intake is built from.
#[derive(Clone, Debug)]
pub struct IntakeParts {
    /// The plans in force; replaced whole by a reload.
    pub plans: Arc<ArcSwap<Plans>>,
    /// The bounds of one message.
    pub limits: Limits,
    /// The known names.
    pub names: Arc<NameRegistry>,
    /// One per shard, in order.
    pub lanes: Vec<CommitHandle>,
    /// The dead-letter log.
    pub letters: dead_letter::Handle,
    /// How many shards there are.
    pub shards: ShardCount,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The clock of times of receipt.
    pub clock: Arc<dyn Clock>,
    /// The memory budget of all groups, over all workers and lanes.
    pub memory: Arc<MemoryBudget>,
    /// Bytes of lines at which a group is handed over even in the middle of a turn.
    pub group_bytes_max: usize,
}

impl IntakeParts {
    /// Opens one worker's intake, with a ledger of its own. Each of its groups is answered once,
    /// through `reply`, on the lane's thread.
    pub fn open<K: Copy + PartialEq + Send + 'static>(&self, reply: Reply<K>) -> Intake<K> {
        Intake::new(self, reply)
    }
}
