//! Refusals: counted by their reason, and logged with a rate limit, because anybody can cause them.
//! Credentials of a client are never logged.

use std::{cell::RefCell, net::SocketAddr, time::Duration};

use ntex_io::{IoRef, types::PeerAddr};

use super::{slot::Client, thread::Worker};
use crate::{
    auth::{Identity, IdentityFault},
    telemetry::{LogLimit, ReasonLabel},
};

/// The log interval of a worker for refusals of one kind.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// The maximum bytes of a client's text in the log.
const WORDS_BYTES_MAX: usize = 128;

/// When each kind was logged last.
#[derive(Debug)]
pub(super) struct Refusals {
    /// Peers without a CONNECT, or with one that cannot be served.
    peers: RefCell<LogLimit>,
    clients: RefCell<LogLimit>,
    operations: RefCell<LogLimit>,
}

impl Default for Refusals {
    fn default() -> Self {
        let limit = || RefCell::new(LogLimit::new(TOLD_EVERY));
        Self { peers: limit(), clients: limit(), operations: limit() }
    }
}

impl Worker {
    /// Logs a peer that gets no session.
    #[cold]
    pub(in crate::mqtt) fn refused(&self, io: &IoRef, why: &str) {
        self.refused_from(io.query::<PeerAddr>().get().map(PeerAddr::into_inner), why);
    }

    /// The same if the connection is already gone.
    #[cold]
    pub(in crate::mqtt) fn refused_from(&self, address: Option<SocketAddr>, why: &str) {
        let now = self.shared.clock.monotonic();
        if let Some(suppressed) = self.refusals.peers.borrow_mut().admit(now) {
            tracing::warn!(?address, why, suppressed, "a peer gets no session");
        }
    }

    /// Counts and logs a client that is refused.
    #[cold]
    pub(in crate::mqtt) fn refused_client(
        &self,
        io: &IoRef,
        client_id: &str,
        username: Option<&str>,
        fault: IdentityFault,
    ) {
        let label = ReasonLabel { reason: fault.as_str() };
        self.shared.metrics.auth_refused_connects.get_or_create_owned(&label).inc();
        let now = self.shared.clock.monotonic();
        let Some(suppressed) = self.refusals.clients.borrow_mut().admit(now) else { return };
        let address = io.query::<PeerAddr>().get().map(PeerAddr::into_inner);
        let (client_id, username) = (shortened(client_id), username.map(shortened));
        // `?` escapes the untrusted text.
        tracing::warn!(?address, ?client_id, ?username, why = %fault, suppressed, "a client is refused");
    }

    /// Counts and logs an operation that the access rules deny.
    #[cold]
    pub(super) fn refused_operation(
        &self,
        operation: &'static str,
        identity: &Identity,
        topic: &str,
    ) {
        let label = ReasonLabel { reason: operation };
        self.shared.metrics.auth_refused_operations.get_or_create_owned(&label).inc();
        let now = self.shared.clock.monotonic();
        let Some(suppressed) = self.refusals.operations.borrow_mut().admit(now) else { return };
        let (client_id, topic) = (shortened(identity.client_id()), shortened(topic));
        let username = identity.username().map(shortened);
        tracing::warn!(
            ?client_id,
            ?username,
            ?topic,
            suppressed,
            "the access rules refuse to {}",
            operation.replace('-', " ")
        );
    }

    /// Whether a will is allowed on this topic. A will on the server's own topics is accepted, but
    /// not published.
    pub(in crate::mqtt) fn may_will(&self, identity: &Identity, topic: &str) -> bool {
        topic.starts_with("$SYS/") || self.shared.access.rules().may_publish(identity, topic)
    }

    /// Counts subscriptions that were ended by changed rules.
    pub(super) fn refused_receiving(&self, client: &Client, ended: u32) {
        let label = ReasonLabel { reason: "receive" };
        self.shared
            .metrics
            .auth_refused_operations
            .get_or_create_owned(&label)
            .inc_by(ended.into());
        tracing::info!(client = %client.id, ended, "subscriptions ended by the access rules");
    }
}

fn shortened(words: &str) -> &str {
    &words[..words.floor_char_boundary(WORDS_BYTES_MAX)]
}
