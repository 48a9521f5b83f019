//! How a connection ends, and with which word.

use super::{
    connect::Connack,
    wire::{Version, Violation},
};

/// How a connection ends.
#[derive(Debug)]
pub(super) enum Close {
    /// Without a word.
    Silent,
    /// With a reason, for those who can read it.
    Reason(u8),
    /// With a refused CONNECT.
    Refused(Connack),
    /// The client said goodbye.
    Goodbye,
}

impl Close {
    /// The last packet: a DISCONNECT with its reason, for a client of a version that has one. A
    /// refused CONNECT is answered where it is judged.
    pub(super) fn words(&self, version: Option<Version>) -> Vec<u8> {
        match self {
            Self::Reason(reason) if version == Some(Version::V5) => vec![0xe0, 1, *reason],
            _ => Vec::new(),
        }
    }

    /// Why a peer gets no session, for the log.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Refused(Connack::V3(answer)) => format!("{:?}", answer.return_code),
            Self::Refused(Connack::V5(answer)) => format!("{:?}", answer.reason_code),
            Self::Silent | Self::Reason(_) | Self::Goodbye => {
                "it did not begin with a CONNECT that can be read".to_owned()
            }
        }
    }

    /// Why, in a word of a closed list, for the metric of closed connections.
    pub(super) fn cause(&self) -> &'static str {
        match self {
            Self::Silent => "not-mqtt",
            Self::Reason(_) => "protocol",
            Self::Refused(_) => "refused",
            Self::Goodbye => "goodbye",
        }
    }
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
