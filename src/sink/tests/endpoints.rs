//! Several servers behind one store: each has its own shards, and fails alone.

use std::time::Duration;

use super::{
    fake_store::{FakeStore, Play},
    rig::{Rig, line, line_set, options, until},
};
use crate::{model::LineDialect, store::Kind, telemetry::Health};

const INFLUX: (Kind, LineDialect) = (Kind::InfluxDb2, LineDialect::Unsigned);

async fn two_servers(n_shards: u16) -> (Rig, FakeStore, FakeStore) {
    let one = FakeStore::start(|_| Play::Store).await;
    let other = FakeStore::start(|_| Play::Store).await;
    let rig = Rig::over(options(), INFLUX, n_shards, one.clone(), vec![other.clone()]);
    (rig, one, other)
}

/// Sends a line of each shard; which shards the second server got.
async fn shards_of(rig: &mut Rig, n_shards: usize, other: &FakeStore) -> Vec<usize> {
    for shard in 0..n_shards {
        rig.append(shard, &[line(shard)]);
    }
    for shard in 0..n_shards {
        rig.shipped(shard).await;
    }
    let stored = other.stored();
    (0..n_shards).filter(|shard| stored.contains(&line(*shard))).collect()
}

#[tokio::test]
async fn shards_are_spread_over_the_addresses_of_the_store() {
    let (mut rig, one, other) = two_servers(6).await;
    assert_eq!(shards_of(&mut rig, 6, &other).await.len(), 3);
    assert_eq!(one.stored().len(), 3);
    assert_eq!(&one.stored() | &other.stored(), line_set(0..6));
}

#[tokio::test]
async fn a_server_that_is_down_holds_up_its_own_shards_only() {
    let (mut rig, one, other) = two_servers(4).await;
    let down = shards_of(&mut rig, 4, &other).await;
    let before = one.stored().len();
    other.play(|_| Play::Answer(503, "", ""));
    for round in 1..=20 {
        for shard in 0..4 {
            rig.append(shard, &[line(round * 100 + shard)]);
        }
    }
    for shard in (0..4).filter(|shard| !down.contains(shard)) {
        rig.shipped(shard).await;
        assert_eq!(rig.status(shard).retries, 0);
    }
    assert_eq!(one.stored().len(), before + 40);
    until("the outage is told", || matches!(rig.store_health(), Health::Waiting(_))).await;
    until("its circuit opens", || {
        let is_open = |shard: &usize| {
            let name = format!("fleetline_sink_open_circuits{{shard=\"{shard}\"}}");
            rig.metric(&name).as_deref() == Some("1")
        };
        (0..4).all(|shard| is_open(&shard) == down.contains(&shard))
    })
    .await;
    other.play(|_| Play::Store);
    for shard in down {
        rig.shipped(shard).await;
    }
    let expect = line_set((1..=20).flat_map(|round| (0..4).map(move |shard| round * 100 + shard)));
    assert!((&one.stored() | &other.stored()).is_superset(&expect));
    until("all is well", || rig.store_health() == Health::Ready).await;
}

/// Eight shards, each with two requests on the way, all to a server that is away.
#[tokio::test]
async fn a_server_that_is_away_is_asked_by_one_request_at_a_time() {
    let store = FakeStore::start(|_| Play::Answer(503, "", "")).await;
    let mut slow = options();
    slow.retry.delay_min = Duration::from_millis(50);
    slow.retry.delay_max = Duration::from_millis(100);
    let mut rig = Rig::over(slow, INFLUX, 8, store.clone(), Vec::new());
    for shard in 0..8 {
        for idx in 0..8 {
            rig.append(shard, &[line(shard * 8 + idx)]);
        }
    }
    until("it is found out", || store.requests().len() >= 16).await;
    let before = store.requests().len();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let asked = store.requests().len() - before;
    // Each on its own would have asked some two hundred times.
    assert!(asked <= 40, "{asked} requests within a second");
    store.play(|_| Play::Store);
    for shard in 0..8 {
        rig.shipped(shard).await;
    }
    assert_eq!(store.stored(), line_set(0..64));
}
