//! A message that plans decode, and the result.

use std::sync::Arc;

use crate::model::{Cause, MappingKey, ShardId, UnixNanos};

/// One message as received.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its payload, framing included.
    pub payload: &'a [u8],
    /// The content type of a 5.0 message.
    pub content_type: Option<&'a str>,
    /// Who sent it, for mappings that check the sender's identity.
    pub sender: Sender<'a>,
    /// Time of receipt: the time of points without a time of their own, and the reference of
    /// `time-bounds`.
    pub received_at: UnixNanos,
}

/// What is known about the sender of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender<'a> {
    /// The identity is not checked: a dry run.
    Unchecked,
    /// A session, with the vehicle that was verified for it, if one was.
    Session(Option<&'a str>),
}

/// The result of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transcoded {
    /// Whether any mapping matches its topic.
    pub mapped: bool,
    /// Whether its vehicle is not the sender's, and a mapping requires that it is. Then nothing was
    /// written.
    pub is_foreign: bool,
    /// The shard of its lines; `Some` exactly if points were written.
    pub shard: Option<ShardId>,
    /// Points written and not merged into others.
    pub points: u32,
    /// Points that were left out because a later point has the same series and time.
    pub points_merged: u32,
    /// How many times of receipt the points without a time of their own have used: the message's,
    /// and each further one a nanosecond after the one before.
    pub stamps: u32,
    /// Points that a filter excluded.
    pub points_filtered: u32,
    /// Points left out because no field of theirs had a value.
    pub points_empty: u32,
    /// Values left out because line protocol cannot say them: NaN and infinities.
    pub values_dropped: u32,
    /// Values of time fields (not the points' own times) left out because they do not fit 64-bit
    /// nanoseconds.
    pub times_dropped: u32,
    /// Points' own times in an hour that occurs twice in their time zone; the first of the two was
    /// taken.
    pub times_repeated: u32,
    /// The last mapping whose list of `points` was absent or empty.
    pub no_points: Option<NoPoints>,
    /// Properties of the payload that its schema does not know (JSON).
    pub properties_unknown: u32,
}

/// A message whose list of `points` was absent or empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPoints {
    /// The mapping.
    pub mapping: MappingKey,
    /// Whether the list (or the outermost of several) is present. Protobuf cannot tell an empty
    /// list from an absent one.
    pub is_there: bool,
}

/// Why one mapping of a message failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The mapping's name.
    pub mapping: Arc<str>,
    /// The vehicle, if known.
    pub vehicle: Option<String>,
    /// The cause as counted and listed.
    pub cause: Cause,
    /// What exactly is wrong: the field, the byte, the bound, the two clocks.
    pub detail: String,
}
