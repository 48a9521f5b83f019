//! Where the log is, how large it may get, and what happens then.

use std::{path::PathBuf, time::Duration};

use crate::model::LetterKind;

/// The smallest segment: a header, a footer, and a letter or two.
const SEGMENT_BYTES_MIN: u64 = 4096;
/// Segments that each log has room for, so that the oldest letters can go without all going.
const SEGMENTS_MIN: u64 = 4;
/// The share of the log that is kept for points, as a divisor.
const POINTS_SHARE: u64 = 4;

/// What becomes of a message that finds no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// It waits, unacknowledged.
    Block,
    /// The oldest go for it: of its own vehicle where that has used up its share, else of all.
    DropOldest,
}

/// What becomes of a point that finds no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkWhenFull {
    /// The oldest points go for it.
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
    /// What becomes of messages past one of these. Default: they wait.
    pub when_full: WhenFull,
    /// What becomes of points past their quarter. Default: they replace the oldest.
    pub sink_when_full: SinkWhenFull,
    /// Bytes of one segment, the unit in which room is taken, and the oldest go; smaller where the
    /// log is. Default: 16 MiB.
    pub segment_bytes_max: u64,
    /// How long letters may gather before they are made durable together. Default: 2 ms.
    pub commit_interval: Duration,
    /// How often a disk that is full is looked at again. Default: 250 ms.
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
