//! The log's folder, its bounds, and what happens at them.

use std::{path::PathBuf, time::Duration};

use crate::model::LetterKind;

/// The smallest segment: a header, a footer, and a letter or two.
const SEGMENT_BYTES_MIN: u64 = 4096;
/// The least number of segments, so that the oldest letters can be dropped without the others.
const SEGMENTS_MIN: u64 = 4;
/// The share of the log that is kept for points, as a divisor.
const POINTS_SHARE: u64 = 4;

/// What is done with a message for which there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// It waits, unacknowledged.
    Block,
    /// The oldest are dropped: those of its vehicle if its share is used up, else of all.
    DropOldest,
}

/// What is done with a point for which there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkWhenFull {
    /// The oldest points are dropped.
    Replace,
    /// It waits, and its shard ships nothing.
    Hold,
}

/// The bounds of the dead-letter log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Its folder, `dead-letter` in the data directory.
    pub dir: PathBuf,
    /// Bytes on disk, of which a quarter is kept for points that the store refuses. Default: 1 GiB.
    pub bytes_max: u64,
    /// Bytes that one vehicle's messages may take. Default: a tenth of the whole.
    pub vehicle_bytes_max: u64,
    /// What is done with messages beyond these bounds. Default: they wait.
    pub when_full: WhenFull,
    /// What is done with points beyond their quarter. Default: they replace the oldest.
    pub sink_when_full: SinkWhenFull,
    /// Bytes of one segment, the unit in which room is reserved and the oldest letters are dropped;
    /// less in a small log. Default: 16 MiB.
    pub segment_bytes_max: u64,
    /// How long letters may gather before they are made durable together. Default: 2 ms.
    pub commit_interval: Duration,
    /// How often a full disk is tried again. Default: 250 ms.
    pub recheck: Duration,
}

impl Options {
    /// The defaults for a folder.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            bytes_max: 1 << 30,
            vehicle_bytes_max: (1 << 30) / 10,
            when_full: WhenFull::Block,
            sink_when_full: SinkWhenFull::Replace,
            segment_bytes_max: 16 << 20,
            commit_interval: Duration::from_millis(2),
            recheck: Duration::from_millis(250),
        }
    }

    /// The part of the log that a kind of letters has.
    pub(super) fn part_bytes(&self, kind: LetterKind) -> u64 {
        let points = self.bytes_max / POINTS_SHARE;
        match kind {
            LetterKind::Message => self.bytes_max - points,
            LetterKind::Point => points,
        }
    }

    pub(super) fn segment_bytes(&self, kind: LetterKind) -> u64 {
        let fair = (self.part_bytes(kind) / SEGMENTS_MIN).max(SEGMENT_BYTES_MIN);
        self.segment_bytes_max.min(fair)
    }
}
