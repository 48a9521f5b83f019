//! The bounds between a worker and the lanes.

/// The bounds of an intake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntakeOptions {
    /// Bytes of lines at which a group is handed over even in the middle of a turn. Default: 1 MiB.
    pub group_bytes_max: usize,
    /// Payload bytes that one worker may have between itself and one lane's disk; past it the
    /// sessions that wait on the lane are not read on. Default: 64 MiB.
    pub lane_bytes_max: usize,
}

impl Default for IntakeOptions {
    fn default() -> Self {
        Self { group_bytes_max: 1024 * 1024, lane_bytes_max: 64 * 1024 * 1024 }
    }
}
