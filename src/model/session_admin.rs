//! The MQTT sessions as operators see them, and the trait that lists and ends them.
//!
//! `mqtt` implements [`SessionAdmin`] and `http` calls it; neither knows the other.

use std::{fmt, net::SocketAddr, pin::Pin, sync::Arc};

use crate::model::{EdgeTimeout, Protocol, UnixNanos};

/// A filter of sessions; all conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// Exactly this client identifier.
    pub client: Option<String>,
    /// Of this user; `Some(None)`: anonymous.
    pub user: Option<Option<String>>,
    /// Publishes for this vehicle.
    pub vehicle: Option<String>,
    /// With a connection, or without one.
    pub connected: Option<bool>,
    /// At least this many messages are queued for it or in flight.
    pub backlog_min: u64,
    /// At least this many deliveries were dropped.
    pub dropped_min: u64,
    /// A part of its client identifier, user name, vehicle or address, in lower case.
    pub search: Option<String>,
}

/// The sort key of a session: client identifier, then user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionMark {
    /// Its client identifier.
    pub client_id: Arc<str>,
    /// Its user, if it was verified.
    pub user: Option<Arc<str>>,
}

/// One session, at the moment when its worker answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// Its sort key.
    pub mark: SessionMark,
    /// The vehicle that was verified with its user.
    pub vehicle: Option<Arc<str>>,
    /// Vehicles that its messages named.
    pub vehicles: Vec<Arc<str>>,
    /// Its protocol version; `None`: disconnected.
    pub protocol: Option<Protocol>,
    /// Its connection; `None`: disconnected.
    pub connection: Option<ConnectionView>,
    /// When it was disconnected.
    pub away_since: Option<UnixNanos>,
    /// Its session expiry interval in seconds; `u32::MAX`: never.
    pub expiry_seconds: u32,
    /// The number of its subscriptions.
    pub subscriptions: usize,
    /// The first of them by filter, if requested.
    pub filters: Vec<SubscriptionView>,
    /// Messages queued for it or in flight.
    pub queued: usize,
    /// Bytes of these messages.
    pub queued_bytes: usize,
    /// Messages in flight: sent and not acknowledged.
    pub in_flight: usize,
    /// Its own unacknowledged publishes.
    pub unacknowledged: usize,
    /// Dropped deliveries.
    pub dropped: u64,
}

/// The connection of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionView {
    /// The peer's address, if the kernel knows it.
    pub address: Option<SocketAddr>,
    /// When its CONNECT was accepted.
    pub connected_at: UnixNanos,
    /// When its last packet of any kind arrived, to about a second.
    pub last_packet_at: UnixNanos,
    /// The keep alive in its CONNECT, in seconds; 0: none.
    pub keep_alive_seconds: u32,
    /// Reading pauses because of its unacknowledged messages.
    pub is_paused: bool,
}

/// One subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionView {
    /// Its topic filter, as sent.
    pub filter: String,
    /// Its maximum QoS.
    pub qos: u8,
    /// No Local.
    pub no_local: bool,
    /// Retain As Published.
    pub retain_as_published: bool,
    /// Its subscription identifier.
    pub id: Option<u32>,
}

/// A page of sessions, and whether more follow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionPage {
    /// At most as many as requested.
    pub sessions: Vec<SessionView>,
    /// Whether more follow the last one.
    pub is_more: bool,
}

impl SessionView {
    /// The most subscriptions listed with a session.
    pub const FILTERS_MAX: usize = 1000;
}

/// Lists and ends sessions.
pub trait SessionAdmin: fmt::Debug + Send + Sync {
    /// The matching sessions after a sort key, at most `limit`.
    fn page(
        &self,
        filter: SessionFilter,
        after: Option<SessionMark>,
        limit: usize,
    ) -> AdminAnswer<'_, SessionPage>;

    /// The matching sessions, at most `limit`, each with its first [`SessionView::FILTERS_MAX`]
    /// subscriptions.
    fn show(&self, filter: SessionFilter, limit: usize) -> AdminAnswer<'_, Vec<SessionView>>;

    /// Ends and deletes the matching sessions, at most `limit`; returns how many.
    fn end(&self, filter: SessionFilter, limit: usize) -> AdminAnswer<'_, usize>;
}

/// A future answer. Boxed, so that the trait can be an object.
pub type AdminAnswer<'a, T> = Pin<Box<dyn Future<Output = Result<T, EdgeTimeout>> + Send + 'a>>;
