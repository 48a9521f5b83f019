//! The options of persistent sessions.

use std::{path::PathBuf, time::Duration};

use crate::spool::CommitOptions;

/// The bounds of persistent sessions. Defaults are those of the configuration reference.
#[derive(Clone, Debug)]
pub struct Options {
    /// The journal's folder.
    pub dir: PathBuf,
    /// Bytes of all sessions on disk. Default: 4 GiB.
    pub bytes_max: u64,
    /// The longest session expiry interval. Default: 7 days.
    pub expiry_max: Duration,
    /// Sessions. Default: 1,000,000.
    pub count_max: usize,
    /// Sessions of one identity; not of anonymous ones. Default: 10.
    pub per_identity_max: usize,
    /// Messages in one session's queue. Default: 100,000.
    pub queue_messages_max: usize,
    /// Bytes on disk of one session's queue. Default: 64 MiB.
    pub queue_bytes_max: u64,
    /// What happens to a message for a full queue. Default: refuse.
    pub overflow: QueueOverflow,
    /// How the journal's thread works.
    pub commit: CommitOptions,
}

impl Options {
    /// The default options, with a folder.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            bytes_max: 4 << 30,
            expiry_max: Duration::from_secs(7 * 24 * 60 * 60),
            count_max: 1_000_000,
            per_identity_max: 10,
            queue_messages_max: 100_000,
            queue_bytes_max: 64 << 20,
            overflow: QueueOverflow::default(),
            commit: CommitOptions::default(),
        }
    }

    /// Bytes of one file: the journal has about sixty files or more, so that each deleted one frees
    /// room.
    pub(super) fn segment_bytes(&self) -> u64 {
        (self.bytes_max / 64).clamp(4 << 10, 64 << 20)
    }

    /// Bytes past which nothing new is queued: a sixteenth is kept for records that free room.
    pub(super) fn full_bytes(&self) -> u64 {
        self.bytes_max - self.bytes_max / 16
    }
}

/// What happens to a message for a session whose queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueueOverflow {
    /// The session does not get it.
    #[default]
    Refuse,
    /// The session gets it, and the oldest queued message is dropped.
    DropOldest,
    /// Its session ends.
    EndSession,
}
