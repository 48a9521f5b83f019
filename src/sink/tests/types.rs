//! Points whose types conflict with the store's, and how few requests they cost.

use std::{num::NonZeroUsize, time::Duration};

use crate::{
    model::{Cause, LineDialect},
    sink::Options,
    store::Kind,
};

use super::{
    fake_store::{Play, Request},
    rig::{Rig, line, line_set, options, until},
};

const CONFLICT: &str = r#"partial write: field type conflict: input field \"x\" on measurement \"m\" is type string, already exists as type float dropped=DROPPED"#;
const IN_FLIGHT: &str = "fleetline_sink_in_flight_requests{shard=\"0\"}";
const EXCEEDED: &str = "fleetline_sink_exceeded_probe_waits_total{shard=\"0\"}";

/// Four requests in flight, and batches that wait for each other as long as this test takes.
fn four_in_flight() -> Options {
    Options {
        requests_in_flight: NonZeroUsize::new(4).expect("four"),
        probe_wait_max: Duration::from_hours(1),
        ..options()
    }
}

/// A point whose value is a string.
fn text(idx: usize) -> String {
    format!("m,vin=V{idx} x=\"{idx}\" {idx}\n")
}

fn is_text(line: &str) -> bool {
    line.contains("x=\"")
}

fn texts(request: &Request) -> usize {
    request.lines().iter().filter(|line| is_text(line)).count()
}

/// The field is a float in the store: it drops strings, and says how many.
fn refuse_texts(request: &Request) -> Play {
    match texts(request) {
        0 => Play::Store,
        dropped => {
            let lines = request.lines();
            let stored = lines.into_iter().filter(|line| !is_text(line)).collect();
            let words = CONFLICT.replace("DROPPED", &dropped.to_string());
            let (status, body) = match request.target.starts_with("/api/v2") {
                true => (422, format!(r#"{{"code":"unprocessable entity","message":"{words}"}}"#)),
                false => (400, format!(r#"{{"error":"{words}"}}"#)),
            };
            // Long enough for others to leave meanwhile, if they may.
            Play::Told(stored, Duration::from_millis(50), status, body)
        }
    }
}

/// Half of the points conflict. They leave in a request of their own from then on, and integers go
/// into the float field.
#[tokio::test]
async fn points_whose_types_conflict_cost_one_request_and_not_one_each() {
    let options = Options { batch_lines: NonZeroUsize::new(1_000).expect("some"), ..options() };
    let mut rig = Rig::new(options, refuse_texts).await;
    for batch in 0..3 {
        let idxs = batch * 400..(batch + 1) * 400;
        let lines: Vec<String> =
            idxs.map(|idx| if idx % 2 == 0 { text(idx) } else { line(idx) }).collect();
        rig.append(0, &lines);
        rig.shipped(0).await;
    }
    let letters = rig.letters();
    assert_eq!(letters.len(), 600);
    assert!(letters.iter().all(|letter| letter.cause == Cause::TypeConflict));
    // A value of the store's type, where that loses nothing.
    let cast = |idx: usize| format!("m,vin=V{idx} x={idx} {idx}\n");
    let stored = rig.store.stored();
    assert!((0..1_200).filter(|idx| idx % 2 == 1).map(cast).all(|line| stored.contains(&line)));
    let requests = rig.store.requests().len();
    assert!(requests <= 3 + 2 + 2, "{requests} requests");
}

#[tokio::test]
async fn of_batches_that_are_ready_at_once_only_the_first_is_refused_for_its_types() {
    for kind in [Kind::InfluxDb1, Kind::InfluxDb2] {
        let (options, dialect) = (four_in_flight(), LineDialect::Unsigned);
        let mut rig = Rig::with(options, kind, dialect, 1, refuse_texts).await;
        for idx in (0..40).step_by(4) {
            rig.append(0, &[text(idx), line(idx + 1), text(idx + 2), line(idx + 3)]);
        }
        rig.shipped(0).await;
        let requests = rig.store.requests();
        let mixed = requests.iter().filter(|it| (1..it.lines().len()).contains(&texts(it)));
        assert_eq!(mixed.count(), 1, "{kind}: refused requests with good points");
        assert_eq!(rig.letters().len(), 20, "{kind}");
    }
}

#[tokio::test]
async fn requests_run_side_by_side_once_the_types_of_their_measurements_are_known() {
    let mut rig = Rig::new(four_in_flight(), |_| Play::Hang).await;
    for idx in 0..16 {
        rig.append(0, &[line(idx)]);
    }
    until("several have been under way", || {
        assert!(rig.metric(IN_FLIGHT).is_none_or(|count| count == "0" || count == "1"));
        rig.status(0).requests >= 3
    })
    .await;
    rig.store.play(|_| Play::Store);
    rig.shipped(0).await;

    rig.store.play(|_| Play::Hang);
    // Another new one does not hold up what is known.
    rig.append(0, &(16..20).map(|idx| line(idx).replace("m,", "new,")).collect::<Vec<_>>());
    for idx in 20..24 {
        rig.append(0, &(0..4).map(|at| line(10 * idx + at)).collect::<Vec<_>>());
    }
    until("four are under way", || rig.metric(IN_FLIGHT).as_deref() == Some("4")).await;
    rig.store.play(|_| Play::Store);
    rig.shipped(0).await;
}

#[tokio::test]
async fn a_first_batch_that_hangs_delays_the_others_of_its_shard_only_for_so_long() {
    let brief = Options { probe_wait_max: Duration::from_millis(20), ..options() };
    let mut rig = Rig::with(brief, Kind::InfluxDb2, LineDialect::Unsigned, 2, |request| {
        if request.holds(&line(1)) { Play::Hang } else { Play::Store }
    })
    .await;
    rig.append(0, &[line(1)]);
    until("the first batch hangs", || !rig.store.requests().is_empty()).await;
    // Another shard has its own probes.
    rig.append(1, &[line(2)]);
    rig.shipped(1).await;
    rig.append(0, &[line(3).replace("m,", "new,")]);
    until("it is stored beside the one that hangs", || rig.store.stored().len() == 2).await;
    assert_eq!(rig.metric(EXCEEDED).as_deref(), Some("1"));
    assert_eq!(rig.status(0).waiting_entries, 2);
    rig.store.play(|_| Play::Store);
    rig.shipped(0).await;
    assert!(rig.store.stored().is_superset(&line_set(1..3)));
}

#[tokio::test]
async fn stores_that_teach_no_types_get_their_requests_side_by_side_from_the_start() {
    let (options, dialect) = (four_in_flight(), LineDialect::Unsigned);
    let mut rig = Rig::with(options, Kind::InfluxDb3, dialect, 1, |_| Play::Hang).await;
    for idx in 0..4 {
        rig.append(0, &(0..4).map(|at| line(4 * idx + at)).collect::<Vec<_>>());
    }
    until("four are under way", || rig.metric(IN_FLIGHT).as_deref() == Some("4")).await;
    rig.store.play(|_| Play::Store);
    rig.shipped(0).await;
}

#[tokio::test]
async fn a_drain_ends_in_time_though_batches_wait_for_what_another_teaches() {
    let mut rig = Rig::new(four_in_flight(), |_| Play::Hang).await;
    for idx in 0..5 {
        rig.append(0, &[line(idx)]);
    }
    until("the first is under way", || !rig.store.requests().is_empty()).await;
    assert_eq!(rig.drain(Duration::from_millis(50)).await.waiting_entries, 5);
    rig.store.play(|_| Play::Store);
    rig.start();
    rig.shipped(0).await;
    assert_eq!(rig.store.stored(), line_set(0..5));
}
