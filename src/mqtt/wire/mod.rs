//! MQTT packets as bytes, read and written: by the MQTT server, and by the simulated fleet as its
//! clients. Nothing here knows a socket, a session or a clock.
//!
//! - What a server reads: [`peek`], then [`read_connect`], [`read_publish`], [`read_ack`],
//!   [`read_subscribe`], [`read_unsubscribe`], [`read_disconnect`]; what it writes:
//!   [`write_connack_v3`], [`write_connack_v5`], [`write_suback`], [`write_unsuback`],
//!   [`Outgoing::write`]; with a reason string, [`write_ack_with_reason`],
//!   [`write_disconnect_with_reason`].
//! - What a client reads: [`peek_server`], then [`read_connack`], [`read_publish`], [`read_ack`],
//!   [`read_suback`]; what it writes: [`write_connect`], [`write_publish`], [`write_subscribe`],
//!   [`PINGREQ`], [`DISCONNECT`].
//! - What both write: [`write_ack`].
//!
//! PUBLISH and the packets of its exchange are the hot path: topic and payload are borrowed from
//! the read buffer for the duration of one call; nothing is copied, reference-counted or kept. That
//! is one reason for our own codec; the other is that a server must distinguish a property in the
//! wrong packet (protocol error, 0x82) from an unknown one (malformed, 0x81), which the common
//! codecs do not.

mod ack;
mod codes;
mod connect;
mod frame;
mod outgoing;
mod properties;
mod publish;
mod subscribe;
mod text;

pub(crate) use ack::{
    Ack, AckKind, DISCONNECT, read_ack, read_disconnect, write_ack, write_ack_with_reason,
    write_disconnect, write_disconnect_with_reason,
};
pub(crate) use codes::{Qos, Version, Violation};
pub(crate) use connect::{
    Connack, ConnackFields, Connect, ConnectFault, ConnectRequest, ConnectWill, read_connack,
    read_connect, write_connack_v3, write_connack_v5, write_connect,
};
pub(crate) use frame::{Frame, FrameError, Kind, PINGREQ, ServerKind, peek, peek_server};
pub(crate) use outgoing::{Body, Outgoing};
pub(crate) use properties::{JSON_PROPERTIES, command_properties, content_type, correlation_data};
pub(crate) use publish::{Publish, PublishHead, read_publish, write_publish};
pub(crate) use subscribe::{
    RetainHandling, Subscribe, SubscribeOptions, Unsubscribe, read_suback, read_subscribe,
    read_unsubscribe, write_suback, write_suback_with_reason, write_subscribe, write_unsuback,
};
pub(crate) use text::level_count;
