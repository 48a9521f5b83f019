//! The protocol's versions, and the words with which a connection ends.

/// The two versions of the protocol that share the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) enum Version {
    /// MQTT 3.1.1.
    V3,
    /// MQTT 5.0.
    V5,
}

/// A reason code of MQTT 5.0 with which a connection ends; a 3.1.1 client only sees it closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::mqtt) enum Violation {
    /// The bytes are no packet of this protocol.
    Malformed = 0x81,
    /// A packet that may not come here, or not like this.
    Protocol = 0x82,
    /// An alias above the announced maximum, or never set.
    TopicAliasInvalid = 0x94,
    /// More unacknowledged publishes than announced.
    ReceiveMaximumExceeded = 0x93,
    /// Larger than announced.
    PacketTooLarge = 0x95,
    /// More levels or bytes than this appliance allows.
    TopicNameInvalid = 0x90,
    /// More user properties than this appliance allows.
    QuotaExceeded = 0x97,
}
