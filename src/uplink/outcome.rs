//! How a message ends.

/// How a message ends: decided when it is decoded, counted when everything it waits for is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageOutcome {
    /// Its points are in the spool.
    Spooled,
    /// At least one of its mappings failed; it is in the dead-letter log, and the points of its
    /// other mappings are in the spool.
    DeadLettered,
    /// Its mappings excluded it, or none of its points had a field.
    Filtered,
    /// No mapping matches its topic.
    Unmapped,
    /// Refused before it was decoded.
    Refused,
}
