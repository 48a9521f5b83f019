//! The one error for a refused disk operation, shared by all operations of the spool.

use std::{
    io,
    path::{Path, PathBuf},
};

/// A disk operation that failed, and the file. The source is the operating system's error.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub struct DiskFault {
    /// The operation, as a verb: it completes "cannot …".
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// The operating system's error.
    #[source]
    pub source: io::Error,
}

impl DiskFault {
    /// For `map_err`: adds action and path to an error.
    pub(super) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { action, path: path.to_owned(), source }
    }

    /// Whether the disk has no room (or the user no quota) left.
    pub(super) fn is_no_room(&self) -> bool {
        is_no_room(&self.source)
    }
}

/// Whether the disk has no room (or the user no quota) left.
pub(super) fn is_no_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
