//! Why something became a dead letter: a closed list.

use std::{fmt, str::FromStr};

use super::words;

words! {
    /// Why a message or a point was set aside. The names are part of the contract.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Cause;

    /// The payload ends in the middle of a value.
    PayloadTruncated = "payload-truncated",
    /// The payload breaks the rules of its format (wire type, JSON syntax, union index, varint).
    PayloadMalformed = "payload-malformed",
    /// The payload nests deeper than the bound.
    PayloadTooDeep = "payload-too-deep",
    /// A string of the payload is not UTF-8.
    PayloadNotUtf8 = "payload-not-utf8",
    /// The payload is well formed but its value does not fit the schema (type, required property).
    PayloadMismatch = "payload-mismatch",
    /// The payload names a schema that is not loaded (framing id, fingerprint, content type).
    SchemaUnknown = "schema-unknown",
    /// The message holds more points than the bound.
    TooManyPoints = "too-many-points",
    /// A repeated field or a map holds more elements than the bound.
    TooManyElements = "too-many-elements",
    /// A point has more fields than the bound.
    TooManyFields = "too-many-fields",
    /// The message has more new fields, tags or measurements than one day allows.
    TooManyNewNames = "too-many-new-names",
    /// A line of a line-protocol payload has more tags than the bound.
    TooManyTags = "too-many-tags",
    /// The message costs more decoding steps than the bound: its points times the fields of the
    /// mapping, alternating members of a oneof, repeated properties.
    TooManySteps = "too-many-steps",
    /// The message's points take more bytes than the bound.
    TooManyBytes = "too-many-bytes",
    /// The vehicle's identity is absent, empty or too long.
    VehicleInvalid = "vehicle-invalid",
    /// A tag holds CR, LF, TAB, NUL or a trailing backslash, or is over its bound.
    TagInvalid = "tag-invalid",
    /// The time field is absent, not a time, or does not fit nanoseconds.
    TimeInvalid = "time-invalid",
    /// The time lies outside `time-bounds`.
    TimeOutOfBounds = "time-out-of-bounds",
    /// An unsigned value does not fit the store's integers.
    IntegerOutOfRange = "integer-out-of-range",
    /// Decoding panicked: a bug of Fleetline; the payload is kept for a fix and a replay.
    Panic = "panic",
    /// A field has another type in the store, or is a tag there.
    TypeConflict = "type-conflict",
    /// The store refused the point; its answer is kept.
    StoreRefused = "store-refused",
}

impl Cause {
    /// What the operator corrects before replaying the letters.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::PayloadTruncated | Self::PayloadMalformed | Self::PayloadNotUtf8 => {
                "let the mapping name the format, schema and framing that vehicles send, or mend \
                 the vehicles"
            }
            Self::PayloadTooDeep => "raise uplink.depth-max",
            Self::PayloadMismatch => "let the schema say what vehicles send",
            Self::SchemaUnknown => "add the schema that payloads name",
            Self::TooManyPoints => "raise uplink.points-max",
            Self::TooManyElements => "raise uplink.repeated-max",
            Self::TooManyFields => "exclude fields in the mapping, or raise uplink.fields-max",
            Self::TooManyNewNames => {
                "exclude fields in the mapping, or raise the bounds of [uplink.new-names]"
            }
            Self::TooManyTags => "raise uplink.tags-max",
            Self::TooManySteps => "exclude fields in the mapping, or raise uplink.steps-max",
            Self::TooManyBytes => "exclude fields in the mapping, or raise uplink.line-bytes-max",
            Self::VehicleInvalid => {
                "let `vehicle` of the mapping name what every message has, or mend the vehicles"
            }
            Self::TagInvalid => {
                "leave the tag out of the mapping, raise uplink.tag-bytes-max, or mend the vehicles"
            }
            Self::TimeInvalid => "let `time` of the mapping name a time and its unit",
            Self::TimeOutOfBounds => "set the vehicles' clocks, or widen [uplink.time-bounds]",
            Self::IntegerOutOfRange => "convert the field to a float or a string in the mapping",
            Self::Panic => "report it with its payload, and replay it with a mended version",
            Self::TypeConflict => {
                "convert the field in the mapping to the store's type, for what comes; change the \
                 field's type in the store, for what is kept here"
            }
            Self::StoreRefused => "mend what the store's answer names",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is not a cause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown cause `{0}`")]
pub struct UnknownCause(pub String);

impl FromStr for Cause {
    type Err = UnknownCause;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|cause| cause.as_str() == name)
            .ok_or_else(|| UnknownCause(name.to_owned()))
    }
}
