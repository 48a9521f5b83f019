//! How a connection ends, and with which reason code.

use super::{
    connect::Refusal,
    session::Terms,
    wire::{Version, Violation, write_disconnect, write_disconnect_with_reason},
};

/// How a connection ends.
#[derive(Debug)]
pub(super) enum Close {
    /// Without a packet.
    Silent,
    /// With a reason code, for 5.0 clients.
    Reason(u8),
    /// With a refused CONNECT.
    Refused(Refusal),
    /// The client sent DISCONNECT: whether its will is published nevertheless, and its new session
    /// expiry interval in seconds, if any.
    Goodbye { with_will: bool, expiry: Option<u32> },
}

impl Close {
    /// The last packet: a DISCONNECT with its reason, for a client whose version has one. A refused
    /// CONNECT is answered where it is checked.
    pub(super) fn packet(&self, terms: Option<Terms>) -> Vec<u8> {
        let mut words = Vec::new();
        match (self, terms.filter(|terms| terms.version == Version::V5)) {
            (Self::Reason(reason), Some(terms)) if terms.wants_reasons => {
                write_disconnect_with_reason(&mut words, *reason, terms.takes.packet_bytes_max);
            }
            (Self::Reason(reason), Some(_)) => write_disconnect(&mut words, *reason),
            _ => {}
        }
        words
    }

    /// The reason why a peer gets no session, for the log.
    pub(super) fn log_reason(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.words(),
            Self::Silent | Self::Reason(_) | Self::Goodbye { .. } => {
                "it did not begin with a CONNECT that can be read"
            }
        }
    }

    /// The reason, from a closed list, for the metric of closed connections.
    pub(super) fn cause(&self) -> &'static str {
        match self {
            Self::Silent => "not-mqtt",
            Self::Reason(_) => "protocol",
            Self::Refused(_) => "refused",
            Self::Goodbye { .. } => "goodbye",
        }
    }
}

impl From<Violation> for Close {
    fn from(violation: Violation) -> Self {
        Self::Reason(violation as u8)
    }
}

/// MaximumConnectTime: the token has expired, and the session with it.
pub(super) const MAXIMUM_CONNECT_TIME: u8 = 0xa0;
/// NotAuthorized.
pub(super) const NOT_AUTHORIZED: u8 = 0x87;
/// ServerShuttingDown.
pub(super) const SHUTTING_DOWN: u8 = 0x8b;
/// KeepAliveTimeout.
pub(super) const KEEP_ALIVE_TIMEOUT: u8 = 0x8d;
/// SessionTakenOver.
pub(super) const TAKEN_OVER: u8 = 0x8e;
/// UnspecifiedError: a packet that did not end in time has no code of its own.
pub(super) const PACKET_TIMEOUT: u8 = 0x80;
/// AdministrativeAction: an operator ended the session.
pub(super) const ADMINISTRATIVE_ACTION: u8 = 0x98;
/// QuotaExceeded: a subscriber whose queue stays full, so that publishers wait for it.
pub(super) const QUEUE_STALLED: u8 = 0x97;
