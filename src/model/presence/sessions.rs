//! Questions to connected sessions, and their answers.

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
    /// The version as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V31 => "3.1",
            Self::V311 => "3.1.1",
            Self::V5 => "5.0",
        }
    }
}

/// The facts about a connected session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionFacts {
    /// Its client identifier, from CONNECT or assigned by the server.
    pub client_id: String,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its peer address, if the kernel knows it.
    pub address: Option<SocketAddr>,
    /// When its CONNECT was accepted.
    pub connected_at: UnixNanos,
    /// When its last packet of any kind arrived, to about a second.
    pub last_packet_at: UnixNanos,
    /// The keep alive in its CONNECT, in seconds; 0: none.
    pub keep_alive_seconds: u32,
}

/// A question to one session about one of its vehicles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionQuestion {
    /// Which session.
    pub session: SessionId,
    /// Which of its vehicles.
    pub vehicle: Arc<str>,
    /// Whether the last lines are requested, too.
    pub with_lines: bool,
}

/// A session's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionAnswer {
    /// The facts about the session.
    pub facts: SessionFacts,
    /// When the vehicle's last message became durable, to half a second.
    pub last_seen: UnixNanos,
    /// The last line of each mapping, if requested (PR-2).
    pub lines: Vec<Vec<u8>>,
}

/// The MQTT edge did not answer in time: its workers are stalled or not started. Try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the vehicle edge did not answer within {waited_ms} ms")]
pub struct EdgeTimeout {
    /// The bound, in milliseconds.
    pub waited_ms: u64,
}

/// Asks connected sessions.
pub trait Sessions: fmt::Debug + Send + Sync {
    /// Asks each session. The answers are in the order of the questions; `None` for a session that
    /// has ended or does not have the vehicle.
    fn ask(&self, questions: Vec<SessionQuestion>) -> SessionAnswers<'_>;
}

/// Future answers. Boxed, so that the trait can be an object.
type SessionAnswers<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<Option<SessionAnswer>>, EdgeTimeout>> + Send + 'a>>;
