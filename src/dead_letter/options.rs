//! Where the log is and how large it may get.

use std::{path::PathBuf, time::Duration};

/// The bounds of the dead-letter log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Its folder, `dead-letter` in the data directory.
    pub dir: PathBuf,
    /// Bytes on disk past which whoever sets something aside waits; nothing is dropped. Default:
    /// 1 GiB.
    pub bytes_max: u64,
    /// Bytes of one segment, the unit in which room is taken and given back. Default: 16 MiB.
    pub segment_bytes_max: u64,
    /// How long letters may gather before they are made durable together. Default: 2 ms.
    pub commit_interval: Duration,
}

impl Options {
    /// The defaults for a folder.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            bytes_max: 1 << 30,
            segment_bytes_max: 16 << 20,
            commit_interval: Duration::from_millis(2),
        }
    }
}
