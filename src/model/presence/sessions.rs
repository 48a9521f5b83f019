//! What a live session tells when it is asked, and by whom.

use std::{fmt, net::SocketAddr, pin::Pin, sync::Arc};

use crate::model::{SessionId, UnixNanos};

/// The protocol that a session speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// MQTT 3.1.
    V31,
    /// MQTT 3.1.1.
    V311,
    /// MQTT 5.0.
    V5,
}

impl Protocol {
    /// The version as people write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V31 => "3.1",
            Self::V311 => "3.1.1",
            Self::V5 => "5.0",
        }
    }
}

/// What is known of a live session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionFacts {
    /// As it was given in CONNECT, or as it was assigned.
    pub client_id: String,
    /// Its protocol.
    pub protocol: Protocol,
    /// Where it comes from, as far as the kernel says.
    pub address: Option<SocketAddr>,
    /// When its CONNECT was accepted.
    pub connected_at: UnixNanos,
    /// When its last packet of any kind came, to about a second.
    pub last_packet_at: UnixNanos,
    /// Seconds that it may be silent by its own word; 0: as long as it likes.
    pub keep_alive_seconds: u32,
}

/// One session asked about one vehicle that it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionQuestion {
    /// Which session.
    pub session: SessionId,
    /// Which of its vehicles.
    pub vehicle: Arc<str>,
    /// Whether the last lines are asked for, too.
    pub with_lines: bool,
}

/// A session's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionAnswer {
    /// What is known of it.
    pub facts: SessionFacts,
    /// When the vehicle's last message became durable, to half a second.
    pub last_seen: UnixNanos,
    /// The last line of each mapping, where they were asked for (PR-2).
    pub lines: Vec<Vec<u8>>,
}

/// The edge did not answer in time: its workers are stalled or not started. Ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the vehicle edge did not answer within {waited_ms} ms")]
pub struct EdgeSilent {
    /// The bound.
    pub waited_ms: u64,
}

/// Who can ask live sessions.
pub trait Sessions: fmt::Debug + Send + Sync {
    /// Asks each session; the answers come in the order of the questions, nothing for a session
    /// that has ended or does not carry the vehicle.
    fn ask(&self, questions: Vec<SessionQuestion>) -> Asking<'_>;
}

/// Answers on their way. Boxed, so that the trait can be an object.
type Asking<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<Option<SessionAnswer>>, EdgeSilent>> + Send + 'a>>;
