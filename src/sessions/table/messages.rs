//! The messages that are needed: reference counts and places in the journal.

use std::collections::BTreeMap;

use crate::{model::Position, spool::Place};

/// The place of a message's block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::sessions) struct Block {
    /// The position that names its segment; 0 for a frame that is not appended yet.
    pub(in crate::sessions) segment: u64,
    /// Its offset in that file; before that, in the frame's payload.
    pub(in crate::sessions) offset: u32,
    pub(in crate::sessions) len: u32,
}

/// Not a segment: no position is this high.
const LOST: u64 = u64::MAX;

/// A message that is needed.
#[derive(Clone, Copy, Debug)]
struct Stored {
    block: Block,
    /// The number of queues, retained messages and wills that refer to it.
    wanted: u32,
}

/// How much of a segment is still needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::sessions) struct Wanted {
    pub(in crate::sessions) messages: u64,
    pub(in crate::sessions) bytes: u64,
}

/// The messages of all queues, by numbers that are reused.
#[derive(Debug, Default)]
pub(in crate::sessions) struct Messages {
    slots: Vec<Stored>,
    free: Vec<u32>,
    segments: BTreeMap<u64, Wanted>,
    bytes: u64,
}

impl Messages {
    /// Adds a message of a frame that is about to be appended, without references.
    pub(super) fn add(&mut self, offset: u32, len: u32) -> u32 {
        self.insert(Stored { block: Block { segment: 0, offset, len }, wanted: 0 })
    }

    /// Adds a message that is already on disk, without references.
    pub(super) fn add_placed(&mut self, block: Block) -> u32 {
        let message = self.insert(Stored { block, wanted: 0 });
        self.count(block, true);
        message
    }

    fn insert(&mut self, stored: Stored) -> u32 {
        if let Some(free) = self.free.pop() {
            self.slots[free as usize] = stored;
            return free;
        }
        self.slots.push(stored);
        u32::try_from(self.slots.len() - 1).expect("fewer messages than the disk has bytes / 28")
    }

    /// Removes messages without references, after a table was read.
    pub(in crate::sessions) fn drop_unwanted(&mut self) {
        for message in 0..self.slots.len() {
            let Stored { block, wanted } = self.slots[message];
            if wanted == 0 && block.segment != 0 {
                self.slots[message].block.segment = 0;
                self.count(block, false);
                self.free.push(u32::try_from(message).expect("it is one of them"));
            }
        }
    }

    /// The frame of a message was appended: sets its place, if the message is needed.
    pub(super) fn place(&mut self, message: u32, place: Place) {
        let stored = &mut self.slots[message as usize];
        if stored.wanted == 0 {
            self.free.push(message);
            return;
        }
        let begin = u32::try_from(place.offset).expect("segments are bounded far below 4 GiB");
        stored.block.segment = place.segment.0;
        stored.block.offset += begin;
        let block = stored.block;
        self.count(block, true);
    }

    /// Moves a message to another place.
    pub(in crate::sessions) fn relocate(&mut self, message: u32, block: Block) {
        let old = std::mem::replace(&mut self.slots[message as usize].block, block);
        self.count(old, false);
        self.count(block, true);
    }

    /// Marks messages as lost, because their places hold something else now, or nothing.
    pub(in crate::sessions) fn lose(&mut self, is_lost: impl Fn(Block) -> bool) {
        for message in 0..self.slots.len() {
            let Stored { block, wanted } = self.slots[message];
            if wanted > 0 && is_lost(block) {
                let message = u32::try_from(message).expect("it is one of them");
                self.relocate(message, Block { segment: LOST, offset: 0, len: block.len });
            }
        }
    }

    pub(super) fn want(&mut self, message: u32) {
        self.slots[message as usize].wanted += 1;
    }

    /// Removes one reference.
    pub(super) fn release_reference(&mut self, message: u32) {
        let stored = &mut self.slots[message as usize];
        stored.wanted -= 1;
        // A message that is not appended yet is removed when it is.
        if stored.wanted == 0 && stored.block.segment != 0 {
            let block = stored.block;
            stored.block.segment = 0;
            self.count(block, false);
            self.free.push(message);
        }
    }

    pub(in crate::sessions) fn block(&self, message: u32) -> Block {
        self.slots[message as usize].block
    }

    fn count(&mut self, block: Block, is_there: bool) {
        let wanted = self.segments.entry(block.segment).or_default();
        let bytes = u64::from(block.len);
        if is_there {
            wanted.messages += 1;
            wanted.bytes += bytes;
            self.bytes += bytes;
            return;
        }
        wanted.messages -= 1;
        wanted.bytes -= bytes;
        self.bytes -= bytes;
        if wanted.messages == 0 {
            self.segments.remove(&block.segment);
        }
    }

    /// How much of a segment is needed.
    pub(in crate::sessions) fn wanted_of(&self, segment: Position) -> Wanted {
        self.segments.get(&segment.0).copied().unwrap_or_default()
    }

    /// Bytes of all needed messages.
    pub(in crate::sessions) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The needed messages of a segment, in their order there.
    pub(in crate::sessions) fn of_segment(&self, segment: Position) -> Vec<(u32, Block)> {
        let all = self.slots.iter().zip(0_u32..);
        let inside =
            all.filter(|(stored, _)| stored.wanted > 0 && stored.block.segment == segment.0);
        let mut found: Vec<(u32, Block)> =
            inside.map(|(stored, message)| (message, stored.block)).collect();
        found.sort_unstable_by_key(|(_, block)| *block);
        found
    }
}
