//! How a connection ends, and with which word.

use super::{handshake::Connack, wire::Violation};

/// How a connection ends.
#[derive(Debug)]
pub(super) enum Close {
    /// Without a word.
    Silent,
    /// With a reason, for those who can read it.
    Reason(u8),
    /// With a refused CONNECT.
    Refused(Connack),
    /// The vehicle said goodbye.
    Goodbye,
}

impl From<Violation> for Close {
    fn from(violation: Violation) -> Self {
        Self::Reason(violation as u8)
    }
}

/// ServerShuttingDown.
pub(super) const SHUTTING_DOWN: u8 = 0x8b;
/// KeepAliveTimeout.
pub(super) const KEEP_ALIVE_TIMEOUT: u8 = 0x8d;
/// SessionTakenOver.
pub(super) const TAKEN_OVER: u8 = 0x8e;
/// UnspecifiedError: a packet that did not end in time has no code of its own.
pub(super) const PACKET_TIMEOUT: u8 = 0x80;
