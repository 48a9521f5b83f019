//! What may be configured.

use std::path::PathBuf;

/// Options of who may come in.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file of access rules; `None`: a vehicle's own topics only.
    pub rules: Option<PathBuf>,
    /// Bytes of one of the files.
    pub file_bytes_max: u64,
}
