//! What is refused: counted by its reason, and told with a rate limit, because anybody can provoke
//! it. What a client brings to prove who it is is never told.

use std::{cell::RefCell, net::SocketAddr, time::Duration};

use ntex_io::{IoRef, types::PeerAddr};

use super::{slot::Client, thread::Worker};
use crate::{
    auth::{Identity, IdentityFault},
    telemetry::{LogLimit, ReasonLabel},
};

/// How often a worker tells of refusals of one kind.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// Bytes of a stranger's words that are told.
const WORDS_BYTES_MAX: usize = 128;

/// When what was told last.
#[derive(Debug)]
pub(super) struct Refusals {
    /// What is no CONNECT, or one that cannot be served.
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
    /// Tells of a peer that gets no session.
    #[cold]
    pub(in crate::mqtt) fn refused(&self, io: &IoRef, why: &str) {
        self.refused_from(io.query::<PeerAddr>().get().map(PeerAddr::into_inner), why);
    }

    /// The same where the connection has gone already.
    #[cold]
    pub(in crate::mqtt) fn refused_from(&self, address: Option<SocketAddr>, why: &str) {
        let now = self.shared.clock.monotonic();
        if let Some(suppressed) = self.refusals.peers.borrow_mut().admit(now) {
            tracing::warn!(?address, why, suppressed, "a peer gets no session");
        }
    }

    /// Counts and tells of a client that does not come in.
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
        // `?` escapes what a stranger may have put in.
        tracing::warn!(?address, ?client_id, ?username, why = %fault, suppressed, "a client is refused");
    }

    /// Counts and tells of something that a client may not do by the access rules.
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

    /// Whether a will may be left there. One for the server's own topics may, and is not published.
    pub(in crate::mqtt) fn may_will(&self, identity: &Identity, topic: &str) -> bool {
        topic.starts_with("$SYS/") || self.shared.access.rules().may_publish(identity, topic)
    }

    /// Counts a subscription that rules which changed have ended.
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
