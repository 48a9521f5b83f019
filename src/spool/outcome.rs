//! The outcomes and errors of appends and syncs, and what to do about the errors.

use crate::model::{Disposition, Position};

use super::fault::DiskFault;

/// The outcome of [`Writer::append_unsynced`](super::Writer::append_unsynced).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Append {
    /// Written, not durable yet.
    Done {
        /// Its number.
        position: Position,
    },
    /// There is no room, in the budget or on the disk. Nothing of the entry was written; the same
    /// call may succeed later.
    Full,
}

/// Where an entry's payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The position of its segment's first entry, which names the file.
    pub segment: Position,
    /// The offset of the first byte of payload in that file.
    pub offset: u64,
}

/// What a sync made durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Synced {
    /// The last durable position.
    pub upto: Position,
    /// Entries made durable by this call.
    pub entries: u64,
    /// Their items.
    pub items: u64,
}

/// Why an entry could not be appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The payload is over the format's bound of 1 GiB; no retry makes it smaller.
    #[error("an entry of {bytes} bytes is over the bound of {bytes_max}")]
    TooLong {
        /// Bytes of the payload.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// The next segment's file cannot be created, and not for lack of room (descriptors,
    /// permissions, a read-only file system). Nothing was written; the same call may succeed later.
    #[error("cannot begin a segment")]
    Create {
        /// What failed.
        #[source]
        fault: DiskFault,
    },
    /// The next segment could not be prepared: the disk fails writes or syncs.
    #[error("cannot prepare a segment")]
    Prepare {
        /// What failed.
        #[source]
        fault: DiskFault,
    },
    /// The write failed. This includes a lack of room: the segment was reserved, so the disk has
    /// promised room that it does not have (thin provisioning), and nobody knows what else is lost.
    #[error("cannot write entry {}", position.0)]
    Write {
        /// The entry.
        position: Position,
        /// What failed.
        #[source]
        fault: DiskFault,
    },
    /// The full segment could not be closed durably.
    #[error("cannot seal a segment")]
    Seal {
        /// What failed.
        #[source]
        fault: DiskFault,
    },
    /// An earlier write or sync failed. Check the disk and restart.
    #[error("nothing is written any more since an earlier failure")]
    Poisoned,
}

impl AppendError {
    /// What to do about it.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::TooLong { .. } => Disposition::Reject,
            Self::Create { .. } => Disposition::Retry,
            Self::Prepare { .. } | Self::Write { .. } | Self::Seal { .. } | Self::Poisoned => {
                Disposition::Halt
            }
        }
    }
}

/// Why nothing became durable.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The sync failed. The kernel may have dropped what was written, so a later success would
    /// prove nothing: it is never tried again. Check the disk and restart.
    #[error("cannot make entries durable")]
    Sync {
        /// What failed.
        #[source]
        fault: DiskFault,
    },
    /// An earlier write or sync failed. Check the disk and restart.
    #[error("nothing is written any more since an earlier failure")]
    Poisoned,
}

impl SyncError {
    /// What to do about it.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Sync { .. } | Self::Poisoned => Disposition::Halt,
        }
    }
}
