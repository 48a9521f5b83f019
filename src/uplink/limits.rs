//! The bounds of one message, from bytes to line.

use std::time::Duration;

/// What one message may cost. A message over a bound becomes a dead letter with the cause that is
/// named here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Points per message. Default: 10,000. Past it: `too-many-points`.
    pub points_max: usize,
    /// Bytes of lines per message, over all its mappings. Default: 8 MiB. Past it:
    /// `too-many-bytes`.
    pub bytes_max: usize,
    /// How deep a payload may nest, unknown groups and skipped values included. Default: 32. Past
    /// it: `payload-too-deep`.
    pub depth_max: u32,
    /// Elements of one repeated field or map. Default: 1,024. Past it: `too-many-elements`.
    pub repeated_max: u32,
    /// Fields of one point. Default: 8,192, as many values as a mapping can name. Past it:
    /// `too-many-fields`.
    pub fields_max: u32,
    /// Tags of one line of a line-protocol payload, the mapping's included. Default: 128, as many
    /// as TDengine keeps. Past it: `too-many-tags`.
    pub tags_max: u32,
    /// Steps that one message may cost over all its mappings, in addition to the work that is
    /// proportional to its bytes: slots cleared or read again for each point, elements, key
    /// comparisons. Default: 16 Mi, some 50 ms; 10,000 points of a mapping of 1,000 fields need
    /// less. Past it: `too-many-steps`.
    pub steps_max: u64,
    /// Bytes of a tag's value, and of a vehicle's identity. Default: 256; with TDengine 100, which
    /// fails on long ones. Past it: `tag-invalid`, `vehicle-invalid`.
    pub tag_bytes_max: usize,
    /// How far a point's time may lie before the time of receipt. Default: 10 years of 365 days.
    /// Past it: `time-out-of-bounds`.
    pub time_past: Duration,
    /// How far a point's time may lie after the time of receipt. Default: 1 day. Past it:
    /// `time-out-of-bounds`.
    pub time_ahead: Duration,
}

/// One day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for Limits {
    fn default() -> Self {
        Self {
            points_max: 10_000,
            bytes_max: 8 * 1024 * 1024,
            depth_max: 32,
            repeated_max: 1024,
            fields_max: 8192,
            tags_max: 128,
            steps_max: 16 * 1024 * 1024,
            tag_bytes_max: 256,
            time_past: DAY.saturating_mul(10 * 365),
            time_ahead: DAY,
        }
    }
}
