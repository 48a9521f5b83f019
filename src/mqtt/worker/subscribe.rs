//! SUBSCRIBE and UNSUBSCRIBE: subscriptions of a session, and subscriptions that changed rules end.

use super::{
    slot::{Client, SlotKey},
    thread::Worker,
};
use crate::{
    auth::Grant,
    model::SessionId,
    mqtt::{
        close::{Close, NOT_AUTHORIZED},
        lasting::Ticket,
        router::{Filter, FilterFault, Subscriber, SubscriptionIds},
        session::{QUOTA_EXCEEDED, Subscription},
        wire::{
            RetainHandling, Subscribe, SubscribeOptions, Unsubscribe, Version, Violation,
            level_count, write_suback, write_suback_with_reason, write_unsuback,
        },
    },
    sessions::Terms,
    telemetry::ReasonLabel,
};

/// Topic filter invalid.
const FILTER_INVALID: u8 = 0x8f;
/// SUBACKs and UNSUBACKs that may wait for the disk at the same time.
const AWAITED_MAX: usize = 1024;
/// No subscription existed.
const NO_SUBSCRIPTION: u8 = 0x11;
/// The only failure code of 3.1.1.
const FAILURE: u8 = 0x80;

impl Worker {
    /// Makes the subscriptions that are allowed, and appends the SUBACK.
    ///
    /// # Errors
    /// How the connection ends, if a filter breaks the protocol.
    pub(in crate::mqtt) fn subscribe(
        &self,
        key: SlotKey,
        client: &mut Client,
        asked: &Subscribe<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Close> {
        Self::may_wait(client)?;
        let version = client.session.terms().version;
        let mut filters = Vec::with_capacity(asked.filters.len());
        // All are checked before the first takes effect.
        for (text, options) in &asked.filters {
            filters.push((*text, *options, judge(text, *options)?));
        }
        let mut reasons = Vec::with_capacity(filters.len());
        let lasting = client.lasting.as_ref().map(|lasting| lasting.session);
        // The data on disk must not grow any more; existing subscriptions of a session may change.
        let is_full = lasting.is_some() && self.shared.lasting.sessions.is_full();
        let mut is_stored = false;
        for (text, options, filter) in filters {
            let id = asked.id.and_then(std::num::NonZeroU32::new);
            let subscription = Subscription { options, id };
            let filter = filter.and_then(|it| if is_full { Err(QUOTA_EXCEEDED) } else { Ok(it) });
            let made = filter
                .and_then(|filter| self.subscribe_one(key, client, text, filter, subscription));
            if let (Some(session), Ok(())) = (lasting, made) {
                is_stored = true;
                let terms = Terms { options: options.byte(), id: asked.id.unwrap_or(0) };
                self.journal(|change| change.subscribe(session, text, terms));
            }
            if let Err(reason) = made {
                self.refused_subscription(reason);
            }
            reasons.push(match made {
                Ok(()) => options.qos as u8,
                Err(_) if version == Version::V3 => FAILURE,
                Err(reason) => reason,
            });
        }
        let terms = client.session.terms();
        let mut packet = Vec::new();
        if terms.wants_reasons {
            write_suback_with_reason(
                &mut packet,
                asked.packet_id,
                &reasons,
                terms.takes.packet_bytes_max,
            );
        } else {
            write_suback(&mut packet, version, asked.packet_id, &reasons);
        }
        self.answer_later(client, packet, is_stored, out);
        Ok(())
    }

    /// Whether a client may send another SUBSCRIBE or UNSUBSCRIBE: not without limit while the disk
    /// has no room for the previous ones.
    ///
    /// # Errors
    /// The connection ends.
    fn may_wait(client: &Client) -> Result<(), Close> {
        let awaited = client.lasting.as_ref().map_or(0, |lasting| lasting.awaited);
        if awaited < AWAITED_MAX { Ok(()) } else { Err(Close::Reason(QUOTA_EXCEEDED)) }
    }

    /// Answers; if something persistent has changed, once that is durable.
    fn answer_later(
        &self,
        client: &mut Client,
        packet: Vec<u8>,
        is_stored: bool,
        out: &mut Vec<u8>,
    ) {
        if is_stored {
            let key = client.key;
            if let Some(lasting) = client.lasting.as_mut() {
                lasting.awaited += 1;
            }
            self.journal(|change| change.wait(Ticket::Answer(key, packet)));
        } else {
            out.extend(packet);
        }
    }

    fn refused_subscription(&self, reason: u8) {
        let reason = match reason {
            NOT_AUTHORIZED => "not-authorized",
            QUOTA_EXCEEDED => "subscriptions-max",
            _ => "filter-invalid",
        };
        let refused = &self.shared.metrics.mqtt_refused_subscriptions;
        refused.get_or_create_owned(&ReasonLabel { reason }).inc();
    }

    /// Makes one subscription.
    ///
    /// # Errors
    /// The reason code of 5.0 for the refusal.
    fn subscribe_one(
        &self,
        key: SlotKey,
        client: &mut Client,
        text: &str,
        filter: Filter<'_>,
        subscription: Subscription,
    ) -> Result<(), u8> {
        let limits = &self.limits().session;
        if text.len() > limits.topic_bytes_max || level_count(text) > limits.topic_levels_max {
            return Err(FILTER_INVALID);
        }
        let grant = self.shared.access.rules().may_subscribe(&client.identity, text);
        if grant == Grant::Refused {
            self.refused_operation("subscribe", &client.identity, text);
            return Err(NOT_AUTHORIZED);
        }
        let routed = client.routed(self.session_id(key));
        if let Some(lasting) = client.lasting.as_mut() {
            lasting.is_asked |= grant == Grant::Asked;
        }
        let outbound = client.session.outbound_or_new();
        if !outbound.may_subscribe(text) {
            return Err(QUOTA_EXCEEDED);
        }
        let before = outbound.subscribed(text, subscription);
        let subscriber = subscriber(routed, subscription, grant);
        self.shared.router.subscribe(filter, subscriber, outbound.load());
        if let Some(vehicle) = client.identity.vehicle() {
            self.shared.tracker.vehicle_reachable(vehicle);
        }
        let SubscribeOptions { qos, retain_handling, .. } = subscription.options;
        let wants = match retain_handling {
            RetainHandling::Always => true,
            RetainHandling::IfNew => before.is_none(),
            RetainHandling::Never => false,
        };
        // 5.0, 4.8.2: a shared subscription gets no retained messages.
        if wants && filter.group.is_none() {
            let ids = SubscriptionIds::of(subscription.id);
            outbound.scans.push_back(self.shared.router.retained_for(filter, qos, ids));
        }
        Ok(())
    }

    /// Ends subscriptions, and appends the UNSUBACK.
    ///
    /// # Errors
    /// How the connection ends, if a filter breaks the protocol.
    pub(in crate::mqtt) fn unsubscribe(
        &self,
        key: SlotKey,
        client: &mut Client,
        asked: &Unsubscribe<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Close> {
        Self::may_wait(client)?;
        let mut reasons = Vec::with_capacity(asked.filters.len());
        let broken = |text: &&str| Filter::read(text) == Err(FilterFault::Wildcard);
        if asked.filters.iter().any(broken) {
            return Err(Violation::Malformed.into());
        }
        let lasting = client.lasting.as_ref().map(|lasting| lasting.session);
        let mut is_stored = false;
        for text in &asked.filters {
            let known = client
                .session
                .outbound
                .as_mut()
                .is_some_and(|outbound| outbound.unsubscribed(text));
            if known && let Ok(filter) = Filter::read(text) {
                self.shared.router.unsubscribe(filter, client.routed(self.session_id(key)));
            }
            if let Some(session) = lasting.filter(|_| known) {
                is_stored = true;
                self.journal(|change| change.unsubscribe(session, text));
            }
            reasons.push(if known { 0 } else { NO_SUBSCRIPTION });
        }
        let mut packet = Vec::new();
        write_unsuback(&mut packet, client.session.terms().version, asked.packet_id, &reasons);
        self.answer_later(client, packet, is_stored, out);
        Ok(())
    }

    /// Checks every subscription of the worker's sessions against the rules again: one that is not
    /// allowed any more ends, and its queued messages are not sent.
    pub(super) fn ask_rules_anew(&self) {
        let rules = self.shared.access.rules();
        let mut slots = self.slots.borrow_mut();
        for (key, slot) in slots.slab.iter_mut() {
            let Some(client) = slot.client.as_mut() else { continue };
            let routed = client.routed(self.session_id(key));
            let Client { session, identity, lasting, .. } = &mut **client;
            let Some(outbound) = session.outbound.as_mut() else { continue };
            let known: Vec<(String, Subscription)> = outbound
                .subscriptions()
                .map(|(text, subscription)| (text.to_owned(), *subscription))
                .collect();
            let mut ended = 0_u32;
            for (text, subscription) in known {
                let Ok(filter) = Filter::read(&text) else { continue };
                let grant = rules.may_subscribe(identity, &text);
                if let Some(lasting) = lasting {
                    // Also for messages that are only on disk.
                    lasting.is_asked |= grant != Grant::Whole;
                }
                match grant {
                    Grant::Refused => {
                        outbound.unsubscribed(&text);
                        self.shared.router.unsubscribe(filter, routed);
                        if let Some(lasting) = lasting {
                            self.journal(|change| change.unsubscribe(lasting.session, &text));
                        }
                        ended += 1;
                    }
                    _ => {
                        let subscriber = subscriber(routed, subscription, grant);
                        self.shared.router.subscribe(filter, subscriber, outbound.load());
                    }
                }
            }
            outbound.retain(|topic| rules.may_receive(identity, topic));
            if ended > 0 {
                self.refused_receiving(client, ended);
            }
            self.collect(client);
        }
    }
}

/// A subscription in the form of the router.
pub(super) fn subscriber(
    session: SessionId,
    subscription: Subscription,
    grant: Grant,
) -> Subscriber {
    let Subscription { options, id } = subscription;
    Subscriber {
        session,
        qos: options.qos,
        no_local: options.no_local,
        retain_as_published: options.retain_as_published,
        is_asked: grant == Grant::Asked,
        id,
    }
}

/// Checks a filter: a reason to refuse it, or the end of the connection.
fn judge(text: &str, options: SubscribeOptions) -> Result<Result<Filter<'_>, u8>, Close> {
    match Filter::read(text) {
        // [MQTT-3.8.3-4] of 5.0
        Ok(filter) if filter.group.is_some() && options.no_local => Err(Violation::Protocol.into()),
        Ok(filter) => Ok(Ok(filter)),
        Err(FilterFault::Wildcard) => Err(Violation::Malformed.into()),
        Err(FilterFault::Share) => Ok(Err(FILTER_INVALID)),
    }
}
