//! A message on its way through the plans, and what became of it.

use std::sync::Arc;

use crate::model::{Cause, MappingKey, ShardId, UnixNanos};

/// One message as it came.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its payload, framing included.
    pub payload: &'a [u8],
    /// The content type of a 5.0 message.
    pub content_type: Option<&'a str>,
    /// Who sent it, for mappings that want to know.
    pub sender: Sender<'a>,
    /// When it was received: the time of points that bring none, and what `time-bounds` count from.
    pub received_at: UnixNanos,
}

/// What is known of who sent a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender<'a> {
    /// Nobody asks: a dry run.
    Unasked,
    /// A session, with the vehicle that was verified for it, if one was.
    Session(Option<&'a str>),
}

/// What became of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transcoded {
    /// Whether any mapping has a topic like it.
    pub mapped: bool,
    /// Whether it is of another vehicle than its sender's, and a mapping does not take that:
    /// nothing of it was written.
    pub is_foreign: bool,
    /// Where the lines went; `Some` exactly if points were written.
    pub shard: Option<ShardId>,
    /// Points written and not merged into others.
    pub points: u32,
    /// Points that are no more because a later one has their series and time.
    pub points_merged: u32,
    /// How many times of receipt the points without a time of their own have used, from the
    /// message's on, each a nanosecond after the one before.
    pub stamps: u32,
    /// Points that a filter said not to store.
    pub points_filtered: u32,
    /// Points left out because no field of theirs had a value.
    pub points_empty: u32,
    /// Values left out because line protocol cannot say them: NaN and infinities.
    pub values_dropped: u32,
    /// Times, not the points' own, left out because they do not fit nanoseconds in 64 bits.
    pub times_dropped: u32,
    /// Points' own times in an hour that their zone has twice, of which the first was taken.
    pub times_repeated: u32,
    /// The last mapping whose `points` named a list that held nothing.
    pub no_points: Option<NoPoints>,
    /// Properties of the payload that its schema does not know (JSON).
    pub properties_unknown: u32,
}

/// A message without points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPoints {
    /// The mapping.
    pub mapping: MappingKey,
    /// Whether the list, or the outermost of several, was there; protobuf cannot know of an empty
    /// one.
    pub is_there: bool,
}

/// Why one mapping of a message failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The mapping's name.
    pub mapping: Arc<str>,
    /// The vehicle, as far as it is known.
    pub vehicle: Option<String>,
    /// As counted and listed.
    pub cause: Cause,
    /// What exactly: the field, the byte, the bound, the two clocks.
    pub detail: String,
}
