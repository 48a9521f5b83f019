//! MQTT packets as bytes: what is read in place, what is checked before a codec sees it, and the
//! few answers that are written by hand.
//!
//! The codecs of ntex-mqtt read and write the packets that come once a connection. PUBLISH and the
//! packets of its exchange are read here, because they are the hot path: a topic and a payload are
//! borrowed from the read buffer for the length of one call, nothing is copied, counted or kept.
//! Properties are checked here for every packet, because the codecs do not tell a property that
//! does not belong (protocol error, 0x82) from one that does not exist (malformed, 0x81).

mod ack;
mod frame;
mod properties;
mod publish;
mod text;

pub(super) use ack::{AckKind, read_ack, read_disconnect, write_ack};
pub(super) use frame::{Frame, FrameError, Kind, peek};
pub(super) use properties::{Packet, check_properties};
pub(super) use publish::{Publish, read_publish};
pub(super) use text::{level_count, read_u16, utf8};

/// The two versions of the protocol that share the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// MQTT 3.1.1.
    V3,
    /// MQTT 5.0.
    V5,
}

/// A reason code of MQTT 5.0 with which a connection ends; a 3.1.1 client only sees it closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Violation {
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
