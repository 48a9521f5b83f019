//! The interface of scripts.

use std::fmt;

/// One vehicle of the script.
#[derive(Debug)]
pub(crate) struct Part {
    /// Its identity, which is also its client id.
    pub(crate) vehicle: String,
    pub(crate) topic: Box<str>,
}

/// All messages of a fleet. Vehicles are identified by their index among the parts, messages of a
/// vehicle are numbered from 0.
pub(crate) trait Script: fmt::Debug {
    /// The vehicles.
    fn parts(&self) -> &[Part];
    /// The number of all messages; `None`: no end.
    fn total(&self) -> Option<u64>;
    /// The length of a vehicle's n-th message; `None` after its last.
    fn payload_len(&self, part: usize, message: u64) -> Option<usize>;
    /// Appends the vehicle's n-th message; nothing after its last. Always the same bytes.
    fn append(&self, part: usize, message: u64, into: &mut Vec<u8>);
    /// When the n-th message was recorded, nanoseconds from the vehicle's first; `None` after its
    /// last or without a recording.
    fn recorded_at(&self, part: usize, message: u64) -> Option<u64>;
    /// Limits a vehicle's charge to `percent`; returns whether it does: a vehicle that was encoded
    /// beforehand cannot.
    fn limit_charge(&self, part: usize, percent: u8) -> bool;
    /// The mean and the maximum payload size, as far as they are known beforehand.
    fn payload_bytes(&self) -> (usize, usize);
    /// The time range of the first `count` messages of every vehicle, nanoseconds since the Unix
    /// epoch, inclusive; `None` for recorded times.
    fn times(&self, count: u64) -> Option<(i64, i64)>;
    /// The time of a vehicle's n-th message, nanoseconds since the Unix epoch; 0 after its last.
    fn time_nanos(&self, part: usize, message: u64) -> i64;
}
