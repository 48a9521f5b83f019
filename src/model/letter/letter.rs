//! A dead letter: input that was set aside, with everything that is needed to understand and replay
//! it.

use crate::model::{Cause, UnixNanos};

/// One message or point that could not be decoded, mapped or accepted.
///
/// A message that failed has `topic` and `payload`; a point that a store refused has `line` and
/// `answer`, and its vehicle is taken from its tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// When it was received (a message) or refused (a point).
    pub time: UnixNanos,
    /// The vehicle, if it is known.
    pub vehicle: Option<String>,
    /// The MQTT topic of a message.
    pub topic: Option<String>,
    /// The mapping that failed.
    pub mapping: Option<String>,
    /// The cause.
    pub cause: Cause,
    /// The details: the field, the offset, the bound, the two clocks. Its length is bounded by its
    /// writer.
    pub detail: String,
    /// The message's payload, byte for byte.
    pub payload: Option<Vec<u8>>,
    /// The content type of a 5.0 message, so that a replay selects the same schema.
    pub content_type: Option<String>,
    /// The refused line, byte for byte.
    pub line: Option<Vec<u8>>,
    /// The store's answer, cut to a bound.
    pub answer: Option<String>,
}
