//! Persistent sessions: opened by a CONNECT, resumed, and kept when their connection ends.

use std::{num::NonZeroU32, sync::Arc};

use tokio::sync::oneshot;

use super::{
    mailbox::Mail,
    slot::{Client, LastingClient, Later, Slot, SlotKey},
    subscribe::subscriber,
    thread::Worker,
};
use crate::{
    auth::{Grant, Identity},
    mqtt::{
        connect::Accepted,
        lasting::{Ticket, restored, stored_id},
        router::{CommandTag, Filter, SubscriptionIds},
        session::{Found, Resume, Subscription, What},
        will::Will,
        wire::{Qos, SubscribeOptions},
    },
    sessions::{Closing, Content, Fetched, Open, Opened, Piece, Terms, Wanted, WillFate},
};

impl Worker {
    /// Opens the session of a client in the journal, if it is to outlive its connection or already
    /// exists. `None` if it is not persistent: that was not requested, there is no room, or the
    /// journal is halted.
    pub(in crate::mqtt) async fn open(
        &self,
        key: SlotKey,
        identity: &Identity,
        accepted: &Accepted<Box<Will>>,
    ) -> Option<Opened> {
        let sessions = &self.shared.lasting.sessions;
        let expiry = self.granted(accepted.session_expiry);
        let (user, client_id) = (identity.username().unwrap_or_default(), identity.client_id());
        if sessions.is_halted() || (expiry == 0 && !sessions.has(user, client_id)) {
            return None;
        }
        let (reply, opened) = oneshot::channel();
        let will = accepted.will.as_ref().map(|will| (will.stored(), will.delay()));
        let open = Open {
            identity: user,
            client_id,
            is_clean: accepted.is_clean,
            is_anonymous: identity.is_anonymous(),
            expiry,
            at: self.wall.get(),
            live: self.session_id(key),
            will,
        };
        self.journal(|change| change.open(&open, Ticket::Opened(reply)));
        self.hand_over();
        // There is no answer if the journal is halted meanwhile.
        let mut opened = opened.await.ok()?;
        if let Some(ended) = opened.ended.take() {
            self.session_ended(&ended);
            // Its will precedes the publishes of the new session.
            let (done, published) = oneshot::channel();
            if self.fetch_wills(Some(done)) {
                published.await.unwrap_or_default();
            }
        }
        (opened.session != 0).then_some(opened)
    }

    /// The granted session expiry interval, in seconds.
    pub(in crate::mqtt) fn granted(&self, asked: u32) -> u32 {
        let most = self.shared.lasting.sessions.options().expiry_max.as_secs();
        asked.min(u32::try_from(most).unwrap_or(u32::MAX))
    }

    /// Gives a client its session from the journal.
    pub(in crate::mqtt) fn resume(&self, client: &mut Client, opened: &Opened, expiry: u32) {
        let Opened { session, epoch, will, first, sent, next, .. } = *opened;
        let memory_max = self.limits().session_memory_max;
        client.session.lasts(Resume { session, first, sent, next, memory_max }, &opened.received);
        client.will_id = will;
        client.lasting = Some(Box::new(LastingClient {
            session,
            epoch,
            expiry,
            is_asked: false,
            since: next,
            awaited: 0,
            commands: Vec::new(),
            found: Some(Vec::new()),
        }));
        for (text, terms) in &opened.subscriptions {
            self.resume_subscription(client, text, *terms);
        }
    }

    fn resume_subscription(&self, client: &mut Client, text: &str, terms: Terms) {
        let Client { session, lasting: Some(lasting), identity, .. } = client else { return };
        let routed = stored_id(lasting.session);
        let (Ok(filter), Some(options)) = (Filter::read(text), SubscribeOptions::of(terms.options))
        else {
            return;
        };
        let grant = self.shared.access.rules().may_subscribe(identity, text);
        // Also for messages of a subscription that is not allowed any more.
        lasting.is_asked |= grant != Grant::Whole;
        if grant == Grant::Refused {
            self.shared.router.unsubscribe(filter, routed);
            return self.journal(|change| change.unsubscribe(lasting.session, text));
        }
        let subscription = Subscription { options, id: NonZeroU32::new(terms.id) };
        let outbound = session.outbound_or_new();
        outbound.subscribed(text, subscription);
        let subscriber = subscriber(routed, subscription, grant);
        self.shared.router.subscribe(filter, subscriber, outbound.load());
    }

    /// Starts sending to a newly connected client.
    pub(in crate::mqtt) fn begin(&self, key: SlotKey) {
        let mut slots = self.slots.borrow_mut();
        let Some(Slot { client: Some(client), socket: Some(socket) }) = slots.get_mut(key) else {
            return;
        };
        self.tell_found(client);
        if client.session.outbound.as_ref().is_some_and(|outbound| outbound.len() > 0) {
            self.touch(key, socket);
        }
    }

    /// Fetches the next piece of a queue, if it is needed.
    pub(super) fn fetch(&self, client: &mut Client) {
        let is_short = self.is_short();
        let Client { session, lasting: Some(lasting), key, .. } = client else { return };
        let wanted = session.outbound.as_mut().and_then(|outbound| outbound.wants_fetch(is_short));
        let Some((from, upto, bytes_max)) = wanted else { return };
        let wanted = Wanted { session: lasting.session, from, upto, bytes_max };
        let (mail, key) = (self.mail.clone(), *key);
        self.shared.lasting.sessions.fetch(wanted, move |piece| {
            mail.send(Mail::Fetched(key, piece)).unwrap_or_default();
        });
    }

    /// A piece of a queue was read from the disk.
    pub(super) fn fetched(&self, key: SlotKey, piece: Piece) {
        let mut slots = self.slots.borrow_mut();
        let Some(Slot { client: Some(client), socket: Some(socket) }) = slots.get_mut(key) else {
            return;
        };
        let found = piece.entries.into_iter();
        let found = found.filter_map(|one| self.found(client, one)).collect();
        if let Some(outbound) = client.session.outbound.as_mut() {
            let lost = outbound.fetched(found, piece.next);
            self.left(lost);
        }
        self.tell_found(client);
        self.collect(client);
        self.touch(key, socket);
    }

    /// Reports once which commands were in the queue of a resumed persistent session, if the
    /// downlink knows of any.
    fn tell_found(&self, client: &mut Client) {
        let Client { session, lasting: Some(lasting), key, .. } = client else { return };
        let outbound = session.outbound.as_ref();
        if outbound.is_none_or(|outbound| outbound.has_fetched(lasting.since))
            && let Some(found) = lasting.found.take()
            && self.shared.tracker.has_queued(lasting.session)
        {
            self.shared.tracker.session_resumed(lasting.session, self.session_id(*key), found);
        }
    }

    fn found(&self, client: &mut Client, fetched: Fetched) -> Option<Found> {
        let Fetched { number, qos, retain, ids, content } = fetched;
        let Client { identity, lasting: Some(lasting), .. } = client else { return None };
        let message = match &content {
            Content::Message(bytes) | Content::Released(Some(bytes)) => {
                restored(bytes, 0, self.moments())
            }
            Content::Released(None) | Content::Lost => None,
        };
        let command = message.as_ref().and_then(|message| message.command);
        if let Some(command) = command
            && let Some(found) = lasting.found.as_mut()
        {
            found.push(command.id);
        }
        let what = match (content, message) {
            (Content::Released(_), _) => What::Released(command),
            (_, None) => What::Lost,
            (_, Some(message)) => {
                let is_current = command.is_none_or(|CommandTag { id, attempt, .. }| {
                    self.shared.tracker.is_current(lasting.session, id, attempt)
                });
                let topic = message.body.topic();
                let is_allowed =
                    !lasting.is_asked || self.shared.access.rules().may_receive(identity, topic);
                match (is_current, is_allowed) {
                    // The command has ended meanwhile, or is sent again.
                    (false, _) => What::Lost,
                    (true, false) => What::Forbidden,
                    (true, true) => What::Message(Arc::new(message)),
                }
            }
        };
        let ids = match *ids.as_slice() {
            [] => SubscriptionIds::None,
            [one] => SubscriptionIds::One([one]),
            _ => SubscriptionIds::Many(ids.into()),
        };
        Some(Found { number, qos: Qos::of(qos)?, retain, ids, what })
    }

    /// The connection of a persistent session has ended: its queue stays in the journal.
    pub(super) fn suspend(&self, client: &mut Client) {
        self.collect(client);
        self.release_all(client);
        let sent = client.session.outbound.take().map(|mut outbound| {
            for (message, group) in outbound.leave_to_others() {
                self.hand_on(&message, &group);
            }
            let (sent, qos0) = outbound.suspend();
            self.report(outbound.reports());
            let (finished, _) = outbound.take_finished();
            if let Some(lasting) = client.lasting.as_ref() {
                self.journal(|change| {
                    finished.iter().for_each(|number| change.done(lasting.session, *number));
                });
            }
            self.left(qos0);
            self.weigh(&mut outbound);
            sent
        });
        if let Some(lasting) = client.lasting.as_mut() {
            // Commands that are on their way into its queue: this connection does not send them.
            self.report(std::mem::take(&mut lasting.commands));
        }
        self.close_stored(client, sent);
        // They have no PUBREC, and are sent again. Their alarms are reported all the same.
        client.deferred.retain(|deferred| matches!(deferred.later, Later::Alarm(_)));
        if let Some(lasting) = client.lasting.as_ref()
            && client.will.as_ref().is_some_and(|will| will.delay().min(lasting.expiry) > 0)
        {
            client.will = None; // The journal returns it when it is due.
        }
        self.dirty();
    }

    /// Writes the end of a connection to the journal. `sent` is the number of the first message
    /// that it did not send; `None`: it sent none.
    pub(super) fn close_stored(&self, client: &Client, sent: Option<u64>) {
        let Some(lasting) = client.lasting.as_ref() else { return };
        let will = match &client.will {
            None => WillFate::Forgotten,
            Some(will) if will.delay().min(lasting.expiry) > 0 => WillFate::Delayed,
            Some(_) => WillFate::UnderWay,
        };
        let closing = Closing {
            session: lasting.session,
            epoch: lasting.epoch,
            at: self.wall.get(),
            expiry: lasting.expiry,
            will,
            // An earlier connection may have sent more.
            sent: sent.unwrap_or(0).max(client.session.maybe_sent()),
        };
        self.journal(|change| change.close(&closing, Ticket::Ended));
        // Before the next connection opens the session.
        self.hand_over();
    }
}
