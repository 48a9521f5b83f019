//! One worker's side of all lanes: the open groups, and the empty ones that are kept.

use std::{fmt, sync::Arc};

use super::group::{Group, Reply};
use crate::{
    model::ShardId,
    spool::{CommitHandle, EntryBuffer, Feed},
    uplink::{LastLines, Lines, MemoryBudget},
};

/// The open groups of a worker, one a shard.
pub(super) struct Lanes<K: Copy + PartialEq + Send + 'static> {
    lanes: Vec<Lane<K>>,
    /// Emptied groups, to be used again.
    #[expect(clippy::vec_box, reason = "a group moves between threads as a pointer")]
    spare: Vec<Box<Group<K>>>,
    budget: Arc<MemoryBudget>,
    reply: Reply<K>,
    group_bytes_max: usize,
}

/// One worker's side of one lane.
struct Lane<K: Copy + PartialEq + Send + 'static> {
    feed: Feed<Group<K>>,
    /// What this turn gathers; between turns it lies in the feed, where the lane takes it when it
    /// is free.
    open: Option<Box<Group<K>>>,
}

/// How many emptied groups are kept: one open and one on its way a lane is what there is under an
/// even load.
const SPARE_MAX: usize = 8;

impl<K: Copy + PartialEq + Send + 'static> fmt::Debug for Lanes<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").field("lanes", &self.lanes.len()).finish_non_exhaustive()
    }
}

impl<K: Copy + PartialEq + Send + 'static> Lanes<K> {
    /// `lanes` are those of the shards, in order.
    pub(super) fn new(
        lanes: &[CommitHandle],
        budget: Arc<MemoryBudget>,
        reply: Reply<K>,
        group_bytes_max: usize,
    ) -> Self {
        let lanes = lanes.iter().map(|commit| Lane { feed: commit.feed(), open: None }).collect();
        Self { lanes, spare: Vec::new(), budget, reply, group_bytes_max }
    }

    /// The open group of a lane.
    fn open(&mut self, lane: usize) -> &mut Group<K> {
        let Lane { feed, open } = &mut self.lanes[lane];
        open.get_or_insert_with(|| {
            let waiting = feed.reclaim(|group| group.len() < self.group_bytes_max);
            waiting.or_else(|| self.spare.pop()).unwrap_or_else(|| {
                Box::new(Group::new(Arc::clone(&self.budget), Arc::clone(&self.reply)))
            })
        })
    }

    /// Notes who waits for what was just appended to a lane's open group.
    pub(super) fn wait(
        &mut self,
        lane: usize,
        points: u64,
        owner: K,
        seq: u64,
        last_lines: &LastLines,
    ) {
        let bytes_max = self.group_bytes_max;
        let group = self.open(lane);
        group.wait(points, owner, seq, last_lines);
        if group.len() >= bytes_max {
            self.hand_over(lane);
        }
    }

    /// Notes points, just appended to a lane's open group, for which nobody waits.
    pub(super) fn add(&mut self, lane: usize, points: u64) {
        self.open(lane).add(points);
    }

    /// Puts every open group where its lane finds it.
    pub(super) fn hand_over_all(&mut self) {
        (0..self.lanes.len()).for_each(|lane| self.hand_over(lane));
    }

    fn hand_over(&mut self, lane: usize) {
        let Lane { feed, open } = &mut self.lanes[lane];
        if let Some(group) = open.take_if(|group| !group.is_empty()) {
            feed.offer(group);
        } else if let Some(group) = open {
            // What a message that was taken back has grown is charged all the same.
            group.weigh();
        }
    }

    /// Takes an answered group back, to be filled again.
    pub(super) fn reuse(&mut self, mut group: Box<Group<K>>) {
        if group.clear() && self.spare.len() < SPARE_MAX && self.budget.is_relaxed() {
            self.spare.push(group);
        }
    }
}

impl<K: Copy + PartialEq + Send + 'static> Lines for Lanes<K> {
    fn of(&mut self, shard: ShardId) -> &mut EntryBuffer {
        self.open(shard.as_usize()).lines()
    }
}
