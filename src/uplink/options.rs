//! The bounds between vehicles and disk.

use super::NameOptions;

/// The bounds of everything that is gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes of memory for lines and dead letters that are not durable yet, over all workers and
    /// lanes. Past it publishes wait. Default: the smaller of 512 MiB and a quarter of the control
    /// group's memory.
    pub memory_max: usize,
    /// Bytes of lines at which a group is handed over even in the middle of a turn. Default: 1 MiB.
    pub group_bytes_max: usize,
    /// How many new names payloads may introduce.
    pub names: NameOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            memory_max: 512 * 1024 * 1024,
            group_bytes_max: 1024 * 1024,
            names: NameOptions::default(),
        }
    }
}
