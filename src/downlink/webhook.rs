//! The webhook: posts the feed of changes page by page, and repeats a page until it is accepted.
//!
//! At least once: its position becomes durable after a page was accepted, so that after a crash
//! some changes are sent again, with the same cursors.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::{Downlink, engine::Job};
use crate::{
    env::{Guard, http_client},
    telemetry::Metrics,
};

/// The maximum number of changes per request.
const PAGE: usize = 100;
/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);

/// Posts changes until the appliance stops.
pub(super) async fn tell(
    downlink: Downlink,
    url: String,
    mut cursor: i64,
    metrics: Arc<Metrics>,
    _guard: Guard,
) {
    let client = http_client().timeout(downlink.options.webhook_timeout).build();
    let client = match client {
        Ok(client) => client,
        Err(error) => return tracing::error!(%error, "the webhook's client cannot be built"),
    };
    let mut changes = downlink.changes();
    let mut pause = PAUSE;
    loop {
        let page = downlink.feed(cursor, PAGE).await;
        let page = page.unwrap_or_else(|error| {
            tracing::warn!(%error, "the webhook cannot read the changes");
            Vec::new()
        });
        let Some(last) = page.last().map(|entry| entry.change.number) else {
            if changes.changed().await.is_err() {
                return;
            }
            continue;
        };
        let events: Vec<_> = page.iter().map(super::FeedEntry::json).collect();
        let body = json!({ "events": events, "after": last.to_string() });
        let answer = client.post(&url).json(&body).send().await;
        match answer.and_then(reqwest::Response::error_for_status) {
            Ok(_) => {
                cursor = last;
                pause = PAUSE;
                downlink.ask(Job::WebhookCursor(cursor));
            }
            Err(error) => {
                metrics.downlink_failed_webhook_requests.inc();
                let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                tracing::warn!(%error, pause_ms, "the webhook does not take the changes");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}
