//! What a scrape shows.

use std::sync::Arc;

use super::*;
use crate::model::{Cause, ShardId};

#[test]
fn a_scrape_shows_the_two_equations_from_the_ledgers() {
    let metrics = Metrics::new(HealthBoard::default());
    let worker = metrics.ledgers().worker();
    worker.publish(MessageCounts { received: 5, spooled: 3, pending: 2, ..Default::default() });
    metrics.ledgers().worker().publish(MessageCounts {
        received: 1,
        unmapped: 1,
        ..Default::default()
    });
    let shard = metrics.ledgers().shard(ShardId(1));
    shard.recovered(7);
    shard.spooled(3, 3);
    shard.confirmed(4, 0, 0, 4);
    let text = metrics.encode(Exposition::OpenMetrics);
    check_line(&text, "fleetline_messages_received_total 6");
    check_line(&text, "fleetline_messages_spooled_total 3");
    check_line(&text, "fleetline_messages_unmapped_total 1");
    check_line(&text, "fleetline_messages_pending 2");
    check_line(&text, "fleetline_points_recovered_total{shard=\"1\"} 7");
    check_line(&text, "fleetline_points_stored_total{shard=\"1\"} 4");
    check_line(&text, "fleetline_points_in_spool{shard=\"1\"} 6");
    assert!(metrics.ledgers().messages().balances());
    assert!(metrics.ledgers().points().balances());
}

#[test]
fn a_shard_has_one_ledger_however_often_it_is_asked_for() {
    let metrics = Metrics::new(HealthBoard::default());
    metrics.ledgers().shard(ShardId(0)).recovered(2);
    metrics.ledgers().shard(ShardId(0)).recovered(3);
    assert_eq!(metrics.ledgers().points().recovered, 5);
}

#[test]
fn every_name_has_the_prefix_and_help_and_no_name_comes_twice() {
    let metrics = Metrics::new(HealthBoard::default());
    let text = metrics.encode(Exposition::OpenMetrics);
    let mut names: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    assert!(names.iter().all(|name| name.starts_with("fleetline_")), "{names:?}");
    let helps = text.lines().filter(|line| line.starts_with("# HELP ")).count();
    assert_eq!(names.len(), helps);
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), helps);
    assert!(!text.contains(".."), "a help text ends in one full stop");
}

#[test]
fn labels_are_written_as_their_stable_names() {
    let health = HealthBoard::default();
    health.cell("store", Critical::No).set(Health::Waiting("away".to_owned()));
    let metrics = Metrics::new(health);
    let label =
        FailureLabel { mapping: Arc::from("telemetry"), cause: CauseName(Cause::PayloadTruncated) };
    metrics.uplink_failures.get_or_create(&label).inc_by(2);
    metrics.spool_sync_seconds.get_or_create(&ShardId(3).into()).inc_by(0.5);
    let text = metrics.encode(Exposition::OpenMetrics);
    check_line(
        &text,
        "fleetline_uplink_failures_total{mapping=\"telemetry\",cause=\"payload-truncated\"} 2",
    );
    check_line(&text, "fleetline_spool_sync_seconds_total{shard=\"3\"} 0.5");
    check_line(&text, "fleetline_health_ready{component=\"store\",critical=\"no\"} 0");
}

fn check_line(text: &str, expect: &str) {
    assert!(text.lines().any(|line| line == expect), "no line `{expect}` in\n{text}");
}
