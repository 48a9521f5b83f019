//! MQTT packets as bytes: what is read in place, what is checked before a codec sees it, and the
//! few answers that are written by hand.
//!
//! The codecs of ntex-mqtt read and write the packets that come once a connection. PUBLISH and the
//! packets of its exchange are read here, because they are the hot path: a topic and a payload are
//! borrowed from the read buffer for the length of one call, nothing is copied, counted or kept.
//! Properties are checked here for every packet, because the codecs do not tell a property that
//! does not belong (protocol error, 0x82) from one that does not exist (malformed, 0x81).

mod ack;
mod connect;
mod frame;
mod properties;
mod publish;
mod text;
mod words;

pub(super) use ack::{AckKind, read_ack, read_disconnect, write_ack};
pub(super) use connect::{ConnectFault, check_connect};
pub(super) use frame::{Frame, FrameError, Kind, peek};
pub(super) use properties::{Packet, check_properties};
pub(super) use publish::{Publish, read_publish};
pub(super) use text::{level_count, read_u16};
pub(super) use words::{Version, Violation};
