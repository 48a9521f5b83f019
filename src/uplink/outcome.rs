//! How a message ends.

/// How a message ends: decided when it is decoded, counted when it waits for nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageOutcome {
    /// Its points are in the spool.
    Spooled,
    /// At least one of its mappings failed; it is in the dead-letter log, and the points of its
    /// other mappings are in the spool.
    DeadLettered,
    /// Its mappings said not to store it, or it held no field.
    Filtered,
    /// No mapping matches its topic.
    Unmapped,
    /// Turned away before decoding.
    Refused,
}
