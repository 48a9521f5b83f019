//! Protocol versions, QoS levels, and the reason codes with which a connection ends.

use thiserror::Error;

/// The two packet formats of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// MQTT 3.1.1.
    V3,
    /// MQTT 5.0.
    V5,
}

/// QoS, with the specification's own names.
#[expect(clippy::enum_variant_names, reason = "so the specification names them")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Qos {
    AtMostOnce = 0,
    AtLeastOnce = 1,
    ExactlyOnce = 2,
}

impl Qos {
    /// From its number; 3 is invalid.
    pub(crate) const fn of(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

/// A reason code of MQTT 5.0 with which a connection ends; a 3.1.1 client only sees that the
/// connection is closed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Violation {
    /// The bytes are not a packet of this protocol.
    #[error("a malformed packet")]
    Malformed = 0x81,
    /// A packet that is not allowed here, or not in this form.
    #[error("a packet that breaks the protocol")]
    Protocol = 0x82,
    /// An alias above the announced maximum, or never set.
    #[error("an invalid topic alias")]
    TopicAliasInvalid = 0x94,
    /// More unacknowledged publishes than announced.
    #[error("more publishes than the receive maximum")]
    ReceiveMaximumExceeded = 0x93,
    /// Larger than announced.
    #[error("a packet that is too large")]
    PacketTooLarge = 0x95,
    /// More levels or bytes than this appliance allows.
    #[error("an invalid topic name")]
    TopicNameInvalid = 0x90,
    /// More user properties than this appliance allows.
    #[error("more user properties than allowed")]
    QuotaExceeded = 0x97,
}

/// The meaning of a reason code of 0x80 or more, for a client that requests reason strings.
pub(crate) const fn reason_text(reason: u8) -> &'static str {
    match reason {
        0x81 => "the packet is malformed",
        0x82 => "the packet breaks the protocol",
        0x87 => "not authorized",
        0x8b => "the server is shutting down",
        0x8d => "nothing came within one and a half times the keep alive",
        0x8e => "another connection has taken the session over",
        0x8f => "the topic filter is invalid or over a bound",
        0x90 => "the topic name is invalid or over a bound",
        0x92 => "no exchange has this packet identifier",
        0x93 => "more unacknowledged publishes than the receive maximum",
        0x94 => "the topic alias is unknown or over the announced maximum",
        0x95 => "the packet is larger than the announced maximum",
        0x97 => "a quota is used up",
        0x98 => "ended by an operator",
        0x99 => "the payload cannot be decoded and is kept as a dead letter",
        _ => "unspecified error",
    }
}
