//! Restores subscriptions, retained messages and queues from the journal at a start.

use std::{io, num::NonZeroU32, sync::Arc};

use super::{
    lasting::{Lasting, Moments, restored, stored_id},
    router::{Filter, Router, Subscriber},
    session::Outbound,
    wire::SubscribeOptions,
};
use crate::telemetry::{DeliveryCounts, Metrics};

/// Sessions read under one lock.
const PAGE: usize = 1000;

/// Loads the journal's sessions and retained messages into the router.
///
/// # Errors
/// If a file of retained messages cannot be read.
pub(super) fn restore(
    lasting: &Lasting,
    router: &Router,
    metrics: &Metrics,
    now: Moments,
) -> io::Result<()> {
    let sessions = &lasting.sessions;
    let load = Outbound::absent_load();
    let mut last = None;
    loop {
        let page = sessions.page(last.as_ref(), PAGE);
        for facts in &page {
            for (text, terms) in &sessions.subscriptions(facts.session) {
                let (Ok(filter), Some(options)) =
                    (Filter::read(text), SubscribeOptions::of(terms.options))
                else {
                    continue;
                };
                let subscriber = Subscriber {
                    session: stored_id(facts.session),
                    qos: options.qos,
                    no_local: options.no_local,
                    retain_as_published: options.retain_as_published,
                    // Checked when the client connects again.
                    is_asked: true,
                    id: NonZeroU32::new(terms.id),
                };
                router.subscribe(filter, subscriber, &load);
            }
        }
        match page.into_iter().next_back() {
            Some(facts) => last = Some(facts),
            None => break,
        }
    }
    let mut without_room = 0;
    sessions.retained(&mut |number, bytes| {
        if let Some(message) = restored(&bytes, number, now) {
            without_room += u64::from(router.restore_retained(&Arc::new(message)).is_err());
        }
    })?;
    if without_room > 0 {
        metrics.mqtt_refused_retained_messages.inc_by(without_room);
        tracing::warn!(without_room, "retained messages are over mqtt.retained: they stay on disk");
    }
    let (_, queued) = sessions.counts();
    let counts = DeliveryCounts { recovered: queued, queued, ..DeliveryCounts::default() };
    metrics.ledgers().worker_deliveries().publish(counts);
    Ok(())
}
