//! What the disk refused, said once for every operation of the spool.

use std::{
    io,
    path::{Path, PathBuf},
};

/// A disk operation that failed, and on what. The source tells the machine's reason.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub struct DiskFault {
    /// What was being done, as a verb.
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What the machine said.
    #[source]
    pub source: io::Error,
}

impl DiskFault {
    /// For `map_err`: puts action and path to an error.
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
