//! MQTT packets as bytes, read and written: by the vehicle edge as a server, and by the simulated
//! fleet as its clients. Nothing here knows a socket, a session or a clock.
//!
//! - What a server reads: [`peek`], then [`read_connect`], [`read_publish`], [`read_ack`],
//!   [`read_subscribe`], [`read_unsubscribe`], [`read_disconnect`]; what it writes:
//!   [`write_connack_v3`], [`write_connack_v5`], [`write_suback`], [`write_unsuback`],
//!   [`Outgoing::write`]; with a reason in words, [`write_ack_told`], [`write_disconnect_told`].
//! - What a client reads: [`peek_server`], then [`read_connack`], [`read_publish`], [`read_ack`],
//!   [`read_suback`]; what it writes: [`write_connect`], [`write_publish`], [`write_subscribe`],
//!   [`PINGREQ`], [`DISCONNECT`].
//! - What both write: [`write_ack`].
//!
//! PUBLISH and the packets of its exchange are the hot path: a topic and a payload are borrowed
//! from the read buffer for the length of one call, nothing is copied, counted or kept. It is our
//! own for that, and because a server has to tell a property that does not belong (protocol error,
//! 0x82) from one that does not exist (malformed, 0x81), which the codecs in use do not.

mod ack;
mod connect;
mod frame;
mod outgoing;
mod properties;
mod publish;
mod subscribe;
mod text;
mod words;

pub(crate) use ack::{
    Ack, AckKind, DISCONNECT, read_ack, read_disconnect, write_ack, write_ack_told,
    write_disconnect, write_disconnect_told,
};
pub(crate) use connect::{
    Connack, ConnackWords, Connect, ConnectFault, ConnectWill, Hello, read_connack, read_connect,
    write_connack_v3, write_connack_v5, write_connect,
};
pub(crate) use frame::{Frame, FrameError, Kind, PINGREQ, ServerKind, peek, peek_server};
pub(crate) use outgoing::{Body, Outgoing};
pub(crate) use properties::{JSON_PROPERTIES, command_properties, content_type, correlation_data};
pub(crate) use publish::{Publish, PublishHead, read_publish, write_publish};
pub(crate) use subscribe::{
    RetainHandling, Subscribe, SubscribeOptions, Unsubscribe, read_suback, read_subscribe,
    read_unsubscribe, write_suback, write_suback_told, write_subscribe, write_unsuback,
};
pub(crate) use text::level_count;
pub(crate) use words::{Qos, Version, Violation};
