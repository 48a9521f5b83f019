//! What a script is asked.

use std::fmt;

/// One vehicle's part.
#[derive(Debug)]
pub(crate) struct Part {
    /// Its identity, which is also its client id.
    pub(crate) vehicle: String,
    pub(crate) topic: Box<str>,
}

/// Everything that a fleet will say, message by message. Vehicles are known by their index among
/// the parts, messages of a vehicle are numbered from 0.
pub(crate) trait Script: fmt::Debug {
    /// The vehicles.
    fn parts(&self) -> &[Part];
    /// How many messages there are in all; `None` for no end.
    fn total(&self) -> Option<u64>;
    /// The length of a vehicle's n-th message; `None` past its last.
    fn payload_len(&self, part: usize, message: u64) -> Option<usize>;
    /// Appends the vehicle's n-th message; nothing past its last. The same bytes whenever asked.
    fn append(&self, part: usize, message: u64, into: &mut Vec<u8>);
    /// When the n-th message was recorded, nanoseconds from the vehicle's first; `None` past its
    /// last or where nothing was recorded.
    fn recorded_at(&self, part: usize, message: u64) -> Option<u64>;
    /// Lets a vehicle charge no further than to so many percent; tells whether it does, which one
    /// that was encoded beforehand cannot.
    fn limit_charge(&self, part: usize, percent: u8) -> bool;
    /// The mean payload, and the longest, as far as they are known beforehand.
    fn payload_bytes(&self) -> (usize, usize);
    /// The times that the first `count` messages of every vehicle lie in, nanoseconds since the
    /// Unix epoch, both included; `None` where they are as they were recorded.
    fn times(&self, count: u64) -> Option<(i64, i64)>;
    /// The time of a vehicle's n-th message, nanoseconds since the Unix epoch; 0 past its last.
    fn time_nanos(&self, part: usize, message: u64) -> i64;
}
