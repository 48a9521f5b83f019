//! Disconnected sessions for operators: searched in the journal, piece by piece.

use std::{collections::BTreeMap, num::NonZero, sync::Arc};

use super::mailbox::{Mail, Workers};
use crate::{
    auth::{Access, Identity},
    model::{SessionFilter, SessionMark, SessionView, SubscriptionView},
    mqtt::wire::SubscribeOptions,
    sessions::{Facts, Sessions, Sweep, Terms},
};

/// Sessions that are examined under one lock.
const LOOKED_AT_ONCE: usize = 1000;

/// The search for disconnected sessions.
#[derive(Debug)]
pub(in crate::mqtt) struct Absent {
    pub(in crate::mqtt) sessions: Sessions,
    /// Provides their identities.
    pub(in crate::mqtt) access: Arc<Access>,
}

impl Absent {
    /// The first matches after a position, and one more, which shows that there are more.
    pub(super) async fn find(
        &self,
        filter: &SessionFilter,
        after: Option<&SessionMark>,
        limit: usize,
    ) -> Vec<(SessionMark, Facts)> {
        let mut found: BTreeMap<SessionMark, Facts> = BTreeMap::new();
        if filter.connected == Some(true) {
            return Vec::new();
        }
        let mut sweep = Sweep::default();
        loop {
            // A session that cannot be on the page costs a comparison, and no copy.
            let first = after.map_or("", |after| &after.client_id);
            let last = found.last_key_value().filter(|_| found.len() > limit);
            let last: Option<Arc<str>> = last.map(|(mark, _)| Arc::clone(&mark.client_id));
            let mut is_wanted = |client: &str| {
                client >= first && last.as_ref().is_none_or(|last| *client <= **last)
            };
            for facts in self.sessions.absent(&mut sweep, LOOKED_AT_ONCE, &mut is_wanted) {
                let identity = self.identity(&facts);
                let mark = mark(&identity);
                if after.is_some_and(|after| mark <= *after) || !matches(filter, &identity, &facts)
                {
                    continue;
                }
                found.insert(mark, facts);
                if found.len() > limit + 1 {
                    found.pop_last();
                }
            }
            if sweep.is_at_begin() {
                return found.into_iter().collect();
            }
            tokio::task::yield_now().await;
        }
    }

    /// One of them, with its subscriptions if requested.
    pub(super) fn view(&self, facts: &Facts, with_filters: bool) -> SessionView {
        let identity = self.identity(facts);
        let known = match with_filters {
            true => self.sessions.subscriptions(facts.session),
            false => Vec::new(),
        };
        let filters = known.iter().filter_map(|(text, terms)| subscription(text, *terms));
        SessionView {
            mark: mark(&identity),
            vehicle: identity.vehicle().map(Into::into),
            vehicles: Vec::new(),
            protocol: None,
            connection: None,
            away_since: facts.live.err(),
            expiry_seconds: facts.expiry,
            subscriptions: facts.subscriptions,
            filters: filters.take(SessionView::FILTERS_MAX).collect(),
            queued: usize::try_from(facts.queued).unwrap_or(usize::MAX),
            queued_bytes: usize::try_from(facts.queued_bytes).unwrap_or(usize::MAX),
            in_flight: 0,
            unacknowledged: 0,
            dropped: facts.dropped,
        }
    }

    fn identity(&self, facts: &Facts) -> Identity {
        self.access.absent(&facts.identity, facts.client_id.as_str().into())
    }
}

impl Workers {
    /// Whether a persistent session is connected.
    pub(in crate::mqtt) fn is_connected(&self, session: u64) -> bool {
        self.absent().is_some_and(|absent| absent.sessions.live(session).is_some())
    }

    /// Ends disconnected sessions.
    pub(super) fn end_absent(&self, found: &[(SessionMark, Facts)]) {
        for (mark, facts) in found {
            tracing::info!(client = %mark.client_id, "a session is ended by an operator");
            self.send_to(0, Mail::EndAbsent(facts.session));
        }
    }
}

fn mark(identity: &Identity) -> SessionMark {
    let user = identity.username().map(Into::into);
    SessionMark { client_id: Arc::clone(identity.client_id()), user }
}

fn matches(filter: &SessionFilter, identity: &Identity, facts: &Facts) -> bool {
    let SessionFilter { client, user, vehicle, connected: _, .. } = filter;
    let SessionFilter { backlog_min, dropped_min, search, .. } = filter;
    let has = |text: &str, search: &str| text.to_ascii_lowercase().contains(search);
    client.as_ref().is_none_or(|client| **client == **identity.client_id())
        && user.as_ref().is_none_or(|user| user.as_deref() == identity.username())
        && vehicle.as_ref().is_none_or(|vehicle| identity.vehicle() == Some(vehicle))
        && facts.queued >= *backlog_min
        && facts.dropped >= *dropped_min
        && search.as_ref().is_none_or(|search| {
            let parts = [Some(&**identity.client_id()), identity.username(), identity.vehicle()];
            parts.into_iter().flatten().any(|part| has(part, search))
        })
}

fn subscription(text: &str, terms: Terms) -> Option<SubscriptionView> {
    let options = SubscribeOptions::of(terms.options)?;
    Some(SubscriptionView {
        filter: text.to_owned(),
        qos: options.qos as u8,
        no_local: options.no_local,
        retain_as_published: options.retain_as_published,
        id: NonZero::new(terms.id).map(NonZero::get),
    })
}
