//! Abandoned sessions: the first worker ends them for all workers, and publishes wills when they
//! are due.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{
    mailbox::Mail,
    slot::{Client, Slot},
    thread::Worker,
};
use crate::{
    auth::Identity,
    model::{Protocol, ReceiptTicket},
    mqtt::{
        lasting::Ticket,
        session::{ClientLimits, Session, Terms},
        will::Will,
        wire::Version,
    },
    sessions::{DueWill, StoredMessage},
};

/// Retained messages that a tick checks for expiry.
const RETAINED_SWEPT: usize = 10_000;
/// Sessions that a tick checks after users have changed: each is copied.
const UNKNOWN_SWEPT: usize = 5_000;
/// Sessions that a tick checks for expiry.
const SESSIONS_SWEPT: usize = 10_000;

impl Worker {
    /// The checks for all workers, once a tick.
    pub(super) fn sweep(&self) {
        let expired = self.shared.router.sweep_retained(RETAINED_SWEPT, self.monotonic());
        self.forget_retained(&expired);
        let now = self.wall.get();
        let sessions = &self.shared.lasting.sessions;
        for session in sessions.expired(&mut self.sweep.borrow_mut(), SESSIONS_SWEPT, now) {
            self.journal(|change| change.end(session, now, Ticket::Ended));
        }
        self.end_unknown();
        self.fetch_wills(None);
    }

    /// Fetches due wills; `waiting` is notified when they are published. False if there are none.
    pub(super) fn fetch_wills(&self, waiting: Option<oneshot::Sender<()>>) -> bool {
        let mail = self.mail.clone();
        self.shared.lasting.sessions.fetch_wills(self.wall.get(), move |wills| {
            mail.send(Mail::DueWills(wills, waiting)).unwrap_or_default();
        })
    }

    /// Publishes wills with the identities of their clients.
    pub(super) fn publish_wills(&self, wills: Vec<DueWill>, waiting: Option<oneshot::Sender<()>>) {
        for DueWill { will, identity, client_id, message } in wills {
            let message = message.as_deref().and_then(StoredMessage::read);
            let Some(message) = message.and_then(|message| Will::of_stored(&message)) else {
                self.forget_will(will);
                continue;
            };
            let identity = self.shared.access.absent(&identity, client_id.into());
            self.publish_apart((will, None), identity, message);
        }
        // The receiver may be gone.
        waiting.map(|waiting| waiting.send(()));
    }

    /// Publishes a will, or the message of an alarm, in its own slot, which is freed when nothing
    /// is pending.
    pub(super) fn publish_apart(
        &self,
        (will_id, alarm): (u64, Option<ReceiptTicket>),
        identity: Identity,
        will: Box<Will>,
    ) {
        let takes = ClientLimits { receive_maximum: 1, packet_bytes_max: 0, topic_alias_max: 0 };
        let terms = Terms {
            version: Version::V5,
            keep_alive: 0,
            wants_persistence: false,
            wants_reasons: false,
            takes,
        };
        let session = Session::new(terms, Arc::clone(&self.limits().session), self.tick());
        let mut slots = self.slots.borrow_mut();
        let key = slots.slab.insert(Slot { socket: None, client: None });
        let mut client = Client::new(key, identity, Protocol::V5, session, self.wall.get());
        (client.will, client.will_id, client.alarm) = (Some(will), will_id, alarm);
        let Some(slot) = slots.get_mut(key) else { return };
        let client = slot.client.insert(Box::new(client));
        if !self.publish_will(key, client) {
            slots.hold(key);
        }
        self.remove_if_done(key, &mut slots);
    }

    /// A will must not be published any more.
    pub(super) fn forget_will(&self, will: u64) {
        if will != 0 {
            let publish = crate::sessions::Publish {
                message: None,
                retained_as: 0,
                received: None,
                will,
                deliveries: &[],
            };
            self.journal(|change| change.publish(&publish, None));
        }
    }

    /// Ends a disconnected session on request of an operator.
    pub(super) fn end_absent(&self, session: u64) {
        let now = self.wall.get();
        self.journal(|change| change.end(session, now, Ticket::Ended));
    }

    /// Rules or users have changed: all sessions are checked again, a piece a tick.
    pub(super) fn look_for_unknown(&self) {
        *self.unknown.borrow_mut() = Some(None);
    }

    /// Ends the next disconnected sessions whose clients are no longer authorised to connect.
    fn end_unknown(&self) {
        let mut unknown = self.unknown.borrow_mut();
        let Some(last) = unknown.as_ref() else { return };
        let page = self.shared.lasting.sessions.page(last.as_ref(), UNKNOWN_SWEPT);
        for facts in page.iter().filter(|facts| facts.live.is_err()) {
            let id: Arc<str> = facts.client_id.as_str().into();
            if !self.shared.access.may_return(&self.shared.access.absent(&facts.identity, id)) {
                self.end_absent(facts.session);
            }
        }
        *unknown = page.into_iter().next_back().map(Some);
    }
}
