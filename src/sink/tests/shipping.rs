//! What becomes of lines under every answer that a store can give (SK-1 to SK-3).

use std::{collections::BTreeSet, num::NonZeroUsize, time::Duration};

use crate::{
    model::{Cause, LineDialect, Position},
    sink::Options,
    store::Kind,
    telemetry::Health,
};

use super::{
    fake_store::Play,
    rig::{Rig, line, line_set, options, until},
};

const REFUSED: &str = r#"{"code":"invalid","message":"unable to parse 'x': bad"}"#;

fn each_alone(idxs: std::ops::Range<usize>) -> impl Iterator<Item = Vec<String>> {
    idxs.map(|idx| vec![line(idx)])
}

#[tokio::test]
async fn every_line_arrives_in_batches_and_the_points_add_up() {
    let mut rig = Rig::new(options(), |_| Play::Store).await;
    for entry in each_alone(0..50) {
        rig.append(0, &entry);
    }
    rig.shipped(0).await;
    assert_eq!(rig.store.stored(), line_set(0..50));
    let points = rig.points();
    assert_eq!((points.spooled, points.stored, points.in_spool), (50, 50, 0));
    for request in rig.store.requests() {
        assert_eq!(request.target, "/api/v2/write?org=o&bucket=b&precision=ns");
        assert!(request.head.contains("authorization: token hush"), "{}", request.head);
        assert!(request.lines().len() <= 4);
    }
    assert_eq!(rig.letters(), []);
    assert_eq!(rig.store_health(), Health::Ready);
}

#[tokio::test]
async fn compressed_requests_hold_the_same_lines() {
    let mut rig = Rig::new(Options { gzip: true, ..options() }, |_| Play::Store).await;
    rig.append(0, &[line(1), line(2)]);
    rig.shipped(0).await;
    assert_eq!(rig.store.stored(), line_set(1..3));
    assert!(rig.store.requests()[0].head.contains("content-encoding: gzip"));
}

#[tokio::test]
async fn what_the_durable_cursor_does_not_cover_is_sent_again_after_a_restart() {
    // The cursor is never written by age here, so a kill leaves it at the beginning.
    let late = Options { cursor_age: Duration::from_secs(3600), ..options() };
    let mut rig = Rig::new(late, |_| Play::Store).await;
    for entry in each_alone(0..9) {
        rig.append(0, &entry);
    }
    rig.shipped(0).await;
    let before = rig.store.requests().len();
    rig.kill().await;
    rig.start();
    rig.shipped(0).await;
    assert_eq!(rig.points().recovered, 9);
    assert_eq!(rig.points().stored, 9);
    let again: BTreeSet<String> =
        rig.store.requests()[before..].iter().flat_map(|request| request.lines()).collect();
    assert_eq!(again, line_set(0..9));

    // A drain writes it, and nothing is sent a third time.
    let before = rig.store.requests().len();
    assert_eq!(rig.drain(Duration::from_secs(10)).await.waiting_entries, 0);
    rig.start();
    rig.append(0, &[line(9)]);
    rig.shipped(0).await;
    let last: Vec<String> =
        rig.store.requests()[before..].iter().flat_map(|request| request.lines()).collect();
    assert_eq!(last, [line(9)]);
}

#[tokio::test]
async fn only_the_bad_lines_become_dead_letters_and_their_neighbours_are_stored() {
    let wide = Options { batch_lines: NonZeroUsize::new(64).expect("64"), ..options() };
    let mut rig = Rig::new(wide, |request| {
        let bad = [7, 8, 30].iter().any(|idx| request.holds(&line(*idx)));
        if bad { Play::Answer(400, "", REFUSED) } else { Play::Store }
    })
    .await;
    rig.append(0, &(0..40).map(line).collect::<Vec<_>>());
    rig.shipped(0).await;
    let good: BTreeSet<String> = line_set((0..40).filter(|idx| ![7, 8, 30].contains(idx)));
    assert_eq!(rig.store.stored(), good);
    let letters = rig.letters();
    let vehicles: Vec<_> = letters.iter().map(|letter| letter.vehicle.as_deref()).collect();
    assert_eq!(vehicles, [Some("V7"), Some("V8"), Some("V30")]);
    for letter in &letters {
        assert_eq!(letter.cause, Cause::StoreRefused);
        assert_eq!(letter.answer.as_deref(), Some("HTTP 400: unable to parse 'x': bad"));
        assert_eq!((&letter.topic, &letter.mapping, &letter.payload), (&None, &None, &None));
    }
    assert_eq!(letters[0].line.as_deref(), Some(line(7).trim_end().as_bytes()));
    let points = rig.points();
    assert_eq!((points.stored, points.dead_lettered, points.in_spool), (37, 3, 0));
    assert_eq!(rig.status(0).dead_lettered, 3);
}

#[tokio::test]
async fn a_request_that_is_too_large_is_halved_and_a_line_that_is_too_large_set_aside() {
    let large = r#"{"code":"request too large","message":"too large"}"#;
    let mut rig = Rig::new(options(), move |request| {
        let fits = request.lines().len() <= 2 && !request.holds(&line(5));
        if fits { Play::Store } else { Play::Answer(413, "", large) }
    })
    .await;
    for entry in each_alone(0..8) {
        rig.append(0, &entry);
    }
    rig.shipped(0).await;
    assert_eq!(rig.store.stored(), line_set((0..8).filter(|idx| *idx != 5)));
    let letters = rig.letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].vehicle.as_deref(), Some("V5"));
    assert_eq!(letters[0].answer.as_deref(), Some("HTTP 413: too large"));
}

/// `s3-store-addresses`: a front that redirects.
#[tokio::test]
async fn a_redirect_is_not_followed_and_told_with_where_it_leads() {
    let location = "location: https://u:p@h/api/v2/write?token=abc";
    let mut rig = Rig::new(options(), move |_| Play::Answer(308, location, "")).await;
    rig.append(0, &[line(1)]);
    until("it was tried again", || rig.status(0).retries >= 1).await;
    let reason = "HTTP 308 (redirected to https://h/api/v2/write; redirects are not followed, write \
                  the right address into store.urls)";
    assert_eq!(rig.store_health(), Health::Failed(reason.to_owned()));
    assert_eq!(rig.status(0).waiting_entries, 1);
}

#[tokio::test]
async fn a_port_that_speaks_tls_is_told_though_it_resets_the_connection() {
    let words = "Client sent an HTTP request to an HTTPS server.";
    let mut rig = Rig::new(options(), move |_| Play::Cut(400, words)).await;
    rig.append(0, &[line(1)]);
    until("it was tried again", || rig.status(0).retries >= 1).await;
    let Health::Failed(reason) = rig.store_health() else { panic!("{:?}", rig.store_health()) };
    let told = format!("HTTP 400: {words} (write https:// in store.urls) (the answer broke off: ");
    assert!(reason.starts_with(&told), "{reason}");
    assert_eq!(rig.letters(), []);
}

#[tokio::test]
async fn a_proxy_that_finds_a_request_too_large_gets_smaller_ones_and_a_single_line_waits() {
    let page = "<html><h1>413 Request Entity Too Large</h1></html>";
    let mut rig = Rig::new(options(), move |request| {
        let fits = request.lines().len() <= 2 && !request.holds(&line(5));
        if fits { Play::Store } else { Play::Answer(413, "", page) }
    })
    .await;
    for entry in each_alone(0..8) {
        rig.append(0, &entry);
    }
    until("the line is tried again", || rig.status(0).retries >= 2).await;
    assert_eq!(rig.store_health(), Health::Failed(format!("HTTP 413: {page}")));
    assert_eq!(rig.letters(), []);
    rig.store.play(|_| Play::Store);
    rig.shipped(0).await;
    assert_eq!(rig.store.stored(), line_set(0..8));
    assert_eq!(rig.letters(), []);
}

#[tokio::test]
async fn where_every_line_of_a_batch_is_refused_the_batch_is_counted_once() {
    let mut rig = Rig::new(options(), |request| {
        if request.holds("vin=V2") { Play::Answer(400, "", REFUSED) } else { Play::Store }
    })
    .await;
    rig.append(0, &[20, 21, 22, 23].map(line));
    rig.append(0, &[24, 0, 1, 25].map(line));
    rig.append(0, &[26].map(line));
    rig.shipped(0).await;
    assert_eq!(rig.letters().len(), 7);
    let batches = rig.metric("fleetline_sink_refused_batches_total{shard=\"0\"}");
    assert_eq!(batches.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_wrong_token_or_a_missing_database_holds_everything_until_it_is_mended() {
    for status in [401, 403, 404] {
        let mut rig = Rig::new(options(), move |_| Play::Answer(status, "", "")).await;
        for entry in each_alone(0..20) {
            rig.append(0, &entry);
        }
        until("it was tried again", || rig.status(0).retries >= 2).await;
        assert_eq!(rig.store_health(), Health::Failed(format!("HTTP {status}")));
        assert_eq!(rig.status(0).waiting_entries, 20);
        rig.store.play(|_| Play::Store);
        rig.shipped(0).await;
        assert_eq!(rig.store.stored(), line_set(0..20));
        assert_eq!(rig.store_health(), Health::Ready);
        assert_eq!(rig.letters(), []);
    }
}

#[tokio::test]
async fn a_store_that_fails_is_asked_again_with_the_same_bytes_and_nothing_is_read_ahead() {
    // Every fault of facts row 16 and 19: whatever comes back, the lines stay and go again.
    let faults = [
        Play::Answer(500, "", ""),
        Play::Answer(502, "", "<html>bad gateway</html>"),
        Play::Answer(503, "retry-after: 99999999", "busy"),
        Play::Answer(503, "retry-after: Fri, 31 Dec 2100 23:59:59 GMT", "busy"),
        Play::Answer(429, "retry-after: 0", ""),
        Play::Answer(200, "", "{}"),
        Play::Cut(400, r#"{"code":"invalid","message":"unable to pa"#),
        Play::Cut(500, "x"),
        Play::Endless(500),
        Play::StoreThenReset,
        Play::Reset,
        Play::Hang,
    ];
    for fault in faults {
        let play = fault.clone();
        let mut rig = Rig::new(options(), move |_| play.clone()).await;
        for entry in each_alone(0..20) {
            rig.append(0, &entry);
        }
        until("it was tried again", || rig.status(0).retries >= 2).await;
        assert!(matches!(rig.store_health(), Health::Waiting(_)), "{fault:?}");
        assert_eq!(rig.status(0).waiting_entries, 20, "{fault:?}");
        let bodies: BTreeSet<_> =
            rig.store.requests().into_iter().map(|request| request.body).collect();
        assert!(bodies.len() <= 2, "{fault:?}: {} requests in flight", bodies.len());
        rig.store.play(|_| Play::Store);
        rig.shipped(0).await;
        assert_eq!(rig.store.stored(), line_set(0..20), "{fault:?}");
        assert_eq!(rig.letters(), [], "{fault:?}");
        assert_eq!(rig.store_health(), Health::Ready, "{fault:?}");
    }
}

#[tokio::test]
async fn what_overtakes_is_stored_but_the_cursor_waits_for_what_lies_before() {
    // The first batch fails; those behind it go on in the second slot; the cursor stays before all
    // of them, so a kill sends all of them again.
    let mut rig = Rig::new(options(), |request| {
        if request.holds(&line(1)) { Play::Answer(503, "", "") } else { Play::Store }
    })
    .await;
    for entry in each_alone(0..20) {
        rig.append(0, &entry);
    }
    until("the others are stored", || rig.store.stored().len() >= 16).await;
    assert_eq!(rig.status(0).confirmed, Position::ZERO);
    let stuck = Health::Waiting("HTTP 503".to_owned());
    until("what is stuck is told", || rig.store_health() == stuck).await;
    assert_eq!(rig.points().stored, 0);
    rig.kill().await;
    rig.store.play(|_| Play::Store);
    rig.start();
    rig.shipped(0).await;
    assert_eq!(rig.points().recovered, 20);
    assert_eq!(rig.store.stored(), line_set(0..20));
}

#[tokio::test]
async fn a_shard_that_cannot_ship_does_not_stop_the_other() {
    let mut rig = Rig::with(options(), Kind::InfluxDb2, LineDialect::Unsigned, 2, |request| {
        if request.holds("V1 ") { Play::Hang } else { Play::Store }
    })
    .await;
    rig.append(0, &[line(1)]);
    until("the first shard hangs", || !rig.store.requests().is_empty()).await;
    for entry in each_alone(20..60) {
        rig.append(1, &entry);
    }
    rig.shipped(1).await;
    assert_eq!(rig.status(0).waiting_entries, 1);
    rig.store.play(|_| Play::Store);
    rig.shipped(0).await;
    assert_eq!(rig.store.stored().len(), 41);
}

#[tokio::test]
async fn lines_with_unsigned_integers_are_rewritten_for_a_store_without_them() {
    let mut rig =
        Rig::with(options(), Kind::InfluxDb1, LineDialect::Unsigned, 1, |_| Play::Store).await;
    rig.append(
        0,
        &[
            "m,vin=A x=123u,s=\"5u\" 1\n".to_owned(),
            "m,vin=B x=9223372036854775808u 2\n".to_owned(),
            "m,vin=C x=1i 3\n".to_owned(),
        ],
    );
    rig.shipped(0).await;
    let stored: Vec<String> = rig.store.stored().into_iter().collect();
    assert_eq!(stored, ["m,vin=A x=123i,s=\"5u\" 1\n", "m,vin=C x=1i 3\n"]);
    let letters = rig.letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].cause, Cause::IntegerOutOfRange);
    assert_eq!(letters[0].vehicle.as_deref(), Some("B"));
    assert_eq!(letters[0].answer, None);
    assert_eq!((rig.points().stored, rig.points().dead_lettered), (2, 1));
}

#[tokio::test]
async fn a_drain_ships_at_once_what_the_store_takes() {
    let patient = Options { batch_age: Duration::from_secs(3600), ..options() };
    let mut rig = Rig::new(patient, |_| Play::Store).await;
    rig.append(0, &[line(1)]);
    assert_eq!(rig.drain(Duration::from_secs(10)).await.waiting_entries, 0);
    assert_eq!(rig.store.stored(), line_set(1..2));
}

#[tokio::test]
async fn a_drain_ends_in_time_when_the_store_is_away_and_says_what_is_left() {
    let mut rig = Rig::new(options(), |_| Play::Hang).await;
    for entry in each_alone(0..5) {
        rig.append(0, &entry);
    }
    assert_eq!(rig.drain(Duration::from_millis(50)).await.waiting_entries, 5);
    rig.store.play(|_| Play::Store);
    rig.start();
    rig.shipped(0).await;
    assert_eq!(rig.store.stored(), line_set(0..5));
}
