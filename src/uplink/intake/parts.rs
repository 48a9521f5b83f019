//! What the workers' ways into the lanes are made of.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::{Intake, IntakeOptions};
use crate::{
    dead_letter,
    env::Clock,
    mapping::Plans,
    model::ShardCount,
    spool::{CommitHandle, Settled},
    telemetry::Metrics,
    uplink::Limits,
};

/// A lane's answer about a group, for [`Intake::settled`].
pub type LaneAnswer = Settled;

/// What every worker's intake is made of.
#[derive(Clone, Debug)]
pub struct IntakeParts {
    /// The plans in force; replaced whole by a reload.
    pub plans: Arc<ArcSwap<Plans>>,
    /// The bounds of one message.
    pub limits: Limits,
    /// One a shard, in order.
    pub lanes: Vec<CommitHandle>,
    /// The dead-letter log.
    pub letters: dead_letter::Handle,
    /// How many shards there are.
    pub shards: ShardCount,
    /// Where everything is counted.
    pub metrics: Arc<Metrics>,
    /// The time of receipt.
    pub clock: Arc<dyn Clock>,
}

impl IntakeParts {
    /// One worker's intake with a ledger of its own, and what the lanes answer it.
    pub fn open<T: Clone + PartialEq>(
        &self,
        options: IntakeOptions,
    ) -> (Intake<T>, UnboundedReceiver<LaneAnswer>) {
        // Bounded by what sessions may have unsettled: one answer a group that a lane still holds.
        let (replies, answers) = unbounded_channel();
        (Intake::new(self, replies, options), answers)
    }
}
