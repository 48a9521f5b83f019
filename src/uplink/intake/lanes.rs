//! One worker's side of all lanes: the open groups, and the empty groups that are kept for reuse.

use std::{fmt, sync::Arc};

use super::group::{Group, Reply};
use crate::{
    model::ShardId,
    spool::{CommitHandle, EntryBuffer, Feed},
    uplink::{LastLines, MemoryBudget, ShardBuffers},
};

/// The open groups of a worker, one per shard.
pub(super) struct Lanes<K: Copy + PartialEq + Send + 'static> {
    lanes: Vec<Lane<K>>,
    /// Empty groups for reuse.
    #[expect(clippy::vec_box, reason = "a group moves between threads as a pointer")]
    spare: Vec<Box<Group<K>>>,
    budget: Arc<MemoryBudget>,
    reply: Reply<K>,
    group_bytes_max: usize,
}

/// One worker's side of one lane.
struct Lane<K: Copy + PartialEq + Send + 'static> {
    feed: Feed<Group<K>>,
    /// The group that this turn fills. Between turns it is in the feed, where the lane takes it
    /// when it is free.
    open: Option<Box<Group<K>>>,
}

/// How many empty groups are kept. Under an even load there are two groups per lane: one open and
/// one handed over.
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

    /// Notes the publish that waits for the lines just appended to a lane's open group.
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

    /// Notes points, just appended to a lane's open group, for which no publish waits.
    pub(super) fn add(&mut self, lane: usize, points: u64) {
        self.open(lane).add(points);
    }

    /// Offers every open group to its lane.
    pub(super) fn hand_over_all(&mut self) {
        (0..self.lanes.len()).for_each(|lane| self.hand_over(lane));
    }

    fn hand_over(&mut self, lane: usize) {
        let Lane { feed, open } = &mut self.lanes[lane];
        if let Some(group) = open.take_if(|group| !group.is_empty()) {
            feed.offer(group);
        } else if let Some(group) = open {
            // The buffer may have grown by a message whose lines were removed again; that is
            // charged too.
            group.update_charge();
        }
    }

    /// Takes an answered group back for reuse.
    pub(super) fn reuse(&mut self, mut group: Box<Group<K>>) {
        if group.clear() && self.spare.len() < SPARE_MAX && self.budget.may_keep_buffers() {
            self.spare.push(group);
        }
    }
}

impl<K: Copy + PartialEq + Send + 'static> ShardBuffers for Lanes<K> {
    fn of(&mut self, shard: ShardId) -> &mut EntryBuffer {
        self.open(shard.as_usize()).lines()
    }
}
