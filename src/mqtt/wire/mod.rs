//! MQTT packets as bytes, read and written: by the vehicle edge as a server, and by the simulated
//! fleet as its clients. Nothing here knows a socket, a session or a clock.
//!
//! - What a server reads: [`peek`], then [`read_publish`], [`read_ack`], [`read_disconnect`].
//! - What a client reads: [`peek_server`], then [`read_connack`], [`read_ack`]; what it writes:
//!   [`write_connect`], [`write_publish`], [`PINGREQ`], [`DISCONNECT`].
//! - What both write: [`write_ack`].
//!
//! PUBLISH and the packets of its exchange are the hot path: a topic and a payload are borrowed
//! from the read buffer for the length of one call, nothing is copied, counted or kept. The server
//! leaves the packets that come once a connection (CONNECT, SUBSCRIBE and their answers) to the
//! codecs of ntex-mqtt, after [`check_connect`] and [`check_properties`], because those codecs do
//! not tell a property that does not belong (protocol error, 0x82) from one that does not exist
//! (malformed, 0x81).

mod ack;
mod connect;
mod frame;
mod properties;
mod publish;
mod text;
mod words;

pub(crate) use ack::{Ack, AckKind, DISCONNECT, read_ack, read_disconnect, write_ack};
pub(crate) use connect::{
    Connack, ConnectFault, Hello, check_connect, read_connack, write_connect,
};
pub(crate) use frame::{Frame, FrameError, Kind, PINGREQ, ServerKind, peek, peek_server};
pub(crate) use properties::{Packet, check_properties};
pub(crate) use publish::{Publish, PublishHead, read_publish, write_publish};
pub(crate) use text::{level_count, read_u16};
pub(crate) use words::{Qos, Version, Violation};
