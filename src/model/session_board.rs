//! The MQTT sessions as an operator sees them, and who tells of them and ends them.
//!
//! The edge fills this in; `http` asks through [`SessionBoard`], and neither knows the other.

use std::{fmt, net::SocketAddr, pin::Pin, sync::Arc};

use crate::model::{EdgeSilent, Protocol, UnixNanos};

/// Which sessions are meant; all of it must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// Exactly this client identifier.
    pub client: Option<String>,
    /// Of this user; `Some(None)`: of nobody who was verified.
    pub user: Option<Option<String>>,
    /// Speaks for this vehicle, or carries it.
    pub vehicle: Option<String>,
    /// With a connection, or without one.
    pub connected: Option<bool>,
    /// At least so many messages wait for it or are under way to it.
    pub backlog_min: u64,
    /// At least so many deliveries did not reach it.
    pub dropped_min: u64,
    /// A part of its client identifier, user name, vehicle or address, in small letters.
    pub search: Option<String>,
}

/// The place of a session among all: by client identifier, then by user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionMark {
    /// Its client identifier.
    pub client_id: Arc<str>,
    /// Its user, if it was verified.
    pub user: Option<Arc<str>>,
}

/// One session, as of the moment in which its worker was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// What names it.
    pub mark: SessionMark,
    /// The vehicle that was verified with its user.
    pub vehicle: Option<Arc<str>>,
    /// Vehicles that its messages named.
    pub vehicles: Vec<Arc<str>>,
    /// The protocol that it speaks; `None`: it is away.
    pub protocol: Option<Protocol>,
    /// Its connection; `None`: it is away.
    pub connection: Option<ConnectionView>,
    /// Since when it is away.
    pub away_since: Option<UnixNanos>,
    /// Seconds that it outlives its connection; `u32::MAX`: for ever.
    pub expiry_seconds: u32,
    /// Its subscriptions.
    pub subscriptions: usize,
    /// The first of them by filter, where they were asked for.
    pub filters: Vec<SubscriptionView>,
    /// Messages that wait for it or are under way to it.
    pub queued: usize,
    /// Bytes that these take.
    pub queued_bytes: usize,
    /// Of them, those under way: sent and not acknowledged.
    pub in_flight: usize,
    /// Publishes of its own that are not acknowledged yet.
    pub unacknowledged: usize,
    /// Deliveries that did not reach it.
    pub dropped: u64,
}

/// The connection of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionView {
    /// Where it comes from, as far as the kernel says.
    pub address: Option<SocketAddr>,
    /// When its CONNECT was accepted.
    pub connected_at: UnixNanos,
    /// When its last packet of any kind came, to about a second.
    pub last_packet_at: UnixNanos,
    /// Seconds that it may be silent by its own word; 0: as long as it likes.
    pub keep_alive_seconds: u32,
    /// It is not read for now, because of what it has unfinished.
    pub is_paused: bool,
}

/// One subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionView {
    /// Its topic filter, as it was written.
    pub filter: String,
    /// The highest QoS that it gets.
    pub qos: u8,
    /// Not its own publishes.
    pub no_local: bool,
    /// With the retain flag as it was published.
    pub retain_as_published: bool,
    /// Its subscription identifier.
    pub id: Option<u32>,
}

/// Sessions in their order, and whether more follow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionPage {
    /// At most as many as were asked for.
    pub sessions: Vec<SessionView>,
    /// Whether there are more behind the last one.
    pub is_more: bool,
}

impl SessionView {
    /// Subscriptions that are told with a session, at most.
    pub const FILTERS_MAX: usize = 1000;
}

/// Who can tell of sessions and end them.
pub trait SessionBoard: fmt::Debug + Send + Sync {
    /// The sessions behind a place that match, at most `limit`.
    fn page(
        &self,
        filter: SessionFilter,
        after: Option<SessionMark>,
        limit: usize,
    ) -> Telling<'_, SessionPage>;

    /// Those that match, at most `limit`, each with its first [`SessionView::FILTERS_MAX`]
    /// subscriptions.
    fn show(&self, filter: SessionFilter, limit: usize) -> Telling<'_, Vec<SessionView>>;

    /// Ends those that match, at most `limit`, with whatever they would have left behind; tells how
    /// many that were.
    fn end(&self, filter: SessionFilter, limit: usize) -> Telling<'_, usize>;
}

/// An answer on its way. Boxed, so that the trait can be an object.
pub type Telling<'a, T> = Pin<Box<dyn Future<Output = Result<T, EdgeSilent>> + Send + 'a>>;
