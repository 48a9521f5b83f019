//! Schedules: when runs are made, which are missed, and what a restart does.

use std::{sync::atomic::Ordering, time::Duration};

use serde_json::json;

use super::rig::Rig;
use crate::downlink::{
    Refused,
    engine::{NewRun, PushJob},
    push::{Counts, PushError},
};

/// An expected run: its time, its state, its cause.
fn run(at: &str, state: &str, cause: &str) -> (String, String, String) {
    (at.to_owned(), state.to_owned(), cause.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_push_runs_at_its_times_and_reports_each_run() {
    let rig = Rig::at("2026-11-28T11:59:50Z").await;
    let id = rig.ask(&json!({ "schedule": "*/30 * * * * *" })).await.expect("it stands");
    let told = rig.push(id).await;
    assert_eq!((&told["state"], &told["run"]), (&json!("running"), &json!(null)));
    assert_eq!(told["next"], "2026-11-28T12:00:00Z");
    assert_eq!(rig.store.asked.load(Ordering::SeqCst), 0, "it is not its time");
    for (now, next) in [("12:00:00", "12:00:30"), ("12:00:30", "12:01:00")] {
        rig.pass_to(&format!("2026-11-28T{now}Z"));
        rig.until_next(id, &format!("2026-11-28T{next}Z")).await;
    }
    let expect = [run("2026-11-28T12:00:00Z", "done", ""), run("2026-11-28T12:00:30Z", "done", "")];
    assert_eq!(rig.runs(id).await, expect);
    let told = rig.push(id).await;
    assert_eq!((&told["report"]["targeted"], &told["sums"]["targeted"]), (&json!(2), &json!(4)));
    assert_eq!((&told["sums"]["states"]["queued"], &told["open"]), (&json!(4), &json!(4)));
    // It is aborted, with all commands of its runs.
    rig.downlink().abort_push(id, "tests".into()).await.expect("it goes on");
    let told = rig.push(id).await;
    assert_eq!((&told["state"], &told["next"]), (&json!("aborted"), &json!(null)));
    assert_eq!(told["sums"]["states"]["cancelled"], 4);
}

/// In Berlin the hour from 02:00 is skipped in spring and repeated in autumn.
#[tokio::test(flavor = "multi_thread")]
async fn nights_with_a_skipped_and_a_repeated_hour_have_one_run_each() {
    let nights = [
        ("2026-03-28T23:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"),
        ("2026-10-24T22:00:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
    ];
    for (evening, first, second) in nights {
        let rig = Rig::at(evening).await;
        let daily = json!({ "schedule": "30 2 * * *", "time-zone": "Europe/Berlin" });
        let id = rig.ask(&daily).await.expect("it stands");
        assert_eq!(rig.push(id).await["next"], first);
        rig.pass_to(first);
        rig.until_next(id, second).await;
        // The second 02:30 in autumn.
        rig.pass_to(&first.replace(":30:", ":59:").replace("T00", "T01"));
        rig.pass_to(second);
        rig.until_next(id, &second.replace("-30T", "-31T").replace("-26T", "-27T")).await;
        assert_eq!(rig.runs(id).await, [run(first, "done", ""), run(second, "done", "")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn times_during_a_run_are_missed_and_reported() {
    for word in ["skip", "once"] {
        let rig = Rig::at("2026-11-28T11:59:50Z").await;
        let often = json!({ "schedule": "*/30 * * * * *", "missed": word });
        let id = rig.ask(&often).await.expect("it stands");
        rig.store.open.send_replace(false);
        rig.pass_to("2026-11-28T12:00:00Z");
        while rig.store.asked.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        rig.pass_to("2026-11-28T12:01:10Z");
        rig.store.open.send_replace(true);
        rig.until_next(id, "2026-11-28T12:01:30Z").await;
        let cause = "missed 2 times from 2026-11-28T12:00:30Z to 2026-11-28T12:01:00Z: the run \
                     before went on";
        let second = match word {
            "skip" => run("2026-11-28T12:00:30Z", "skipped", cause),
            _ => run("2026-11-28T12:01:10Z", "done", cause),
        };
        assert_eq!(rig.runs(id).await, [run("2026-11-28T12:00:00Z", "done", ""), second]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_schedules_and_reports_what_was_missed_meanwhile() {
    for word in ["skip", "once"] {
        let mut rig = Rig::at("2026-11-28T11:30:00Z").await;
        let hourly = json!({ "schedule": "@hourly", "missed": word });
        let id = rig.ask(&hourly).await.expect("it stands");
        rig.stop();
        rig.clock.advance(Duration::from_mins(31));
        rig.start_again();
        // A short absence delays a run.
        rig.until_next(id, "2026-11-28T13:00:00Z").await;
        rig.stop();
        rig.clock.advance(Duration::from_hours(3));
        rig.start_again();
        rig.until_next(id, "2026-11-28T16:00:00Z").await;
        let first = run("2026-11-28T12:01:00Z", "done", "");
        let gap = "from 2026-11-28T13:00:00Z to 2026-11-28T14:00:00Z: nobody was there to run it";
        // 15:00 is a minute ago, and runs.
        let (missed, last) = (
            run("2026-11-28T13:00:00Z", "skipped", &format!("missed 2 times {gap}")),
            run("2026-11-28T15:01:00Z", "done", ""),
        );
        assert_eq!(rig.runs(id).await, [first, missed, last]);
        rig.stop();
        rig.clock.advance(Duration::from_mins(90));
        rig.start_again();
        rig.until_next(id, "2026-11-28T17:00:00Z").await;
        let cause = "missed at 2026-11-28T16:00:00Z: nobody was there to run it";
        let expect = match word {
            "skip" => run("2026-11-28T16:00:00Z", "skipped", cause),
            _ => run("2026-11-28T16:31:00Z", "done", cause),
        };
        assert_eq!(rig.runs(id).await.last(), Some(&expect));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_not_frozen_is_reported_and_made_by_the_next_process() {
    let mut rig = Rig::at("2026-11-28T11:59:50Z").await;
    let hourly = json!({ "schedule": "@hourly", "idempotency-key": "k" });
    let id = rig.ask(&hourly).await.expect("it stands");
    rig.clock.advance(Duration::from_secs(10));
    let begun = NewRun {
        at_ms: 1_795_867_200_000,
        query: "null".into(),
        counts: Counts { rows: 2, targeted: 2, ..Counts::default() },
        abort_above: None,
        cause: None,
    };
    // The run of 12:00 has begun when the process ends; the task may have begun one as well.
    rig.store.open.send_replace(false);
    rig.downlink().ask_push(PushJob::Begin(id, begun)).await.expect("it stands");
    rig.stop();
    rig.store.open.send_replace(true);
    rig.clock.advance(Duration::from_secs(20));
    rig.start_again();
    rig.until_next(id, "2026-11-28T13:00:00Z").await;
    let runs = rig.runs(id).await;
    assert_eq!(runs[0], run("2026-11-28T12:00:00Z", "failed", "interrupted"));
    assert_eq!(runs[1..], [run("2026-11-28T12:00:20Z", "done", "")]);
    let told = rig.push(id).await;
    let states = &told["sums"]["states"];
    assert_eq!((&states["cancelled"], &states["queued"]), (&json!(2), &json!(2)), "{told}");
    assert_eq!(rig.ask(&hourly).await.expect("the same"), id, "its key is its key still");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_is_reported_and_the_next_one_is_made() {
    let rig = Rig::at("2026-11-28T11:59:50Z").await;
    let guarded = json!({ "schedule": "@hourly", "guard": { "vehicles-max": 1 } });
    let id = rig.ask(&guarded).await.expect("it stands");
    rig.pass_to("2026-11-28T12:00:00Z");
    rig.until_next(id, "2026-11-28T13:00:00Z").await;
    rig.store.fails.store(true, Ordering::SeqCst);
    rig.pass_to("2026-11-28T13:00:00Z");
    rig.until_next(id, "2026-11-28T14:00:00Z").await;
    let runs = rig.runs(id).await;
    let guard = "it would reach 2 vehicles and its guard allows 1";
    assert_eq!(runs[0], run("2026-11-28T12:00:00Z", "failed", guard));
    assert_eq!((&*runs[1].1, runs[1].2.contains("no such column")), ("failed", true));
    let told = rig.push(id).await;
    assert_eq!((&told["state"], &told["sums"]["targeted"]), (&json!("running"), &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_schedule_runs_nothing_and_one_that_is_deleted_never_runs_again() {
    let mut rig = Rig::at("2026-11-28T11:59:50Z").await;
    let id = rig.ask(&json!({ "schedule": "@hourly" })).await.expect("it stands");
    rig.downlink().pause_push(id, "tests".into()).await.expect("it goes on");
    assert_eq!(rig.push(id).await["next"], json!(null));
    rig.pass_to("2026-11-28T12:30:00Z");
    rig.stop();
    rig.start_again();
    assert_eq!(rig.push(id).await["state"], "paused");
    rig.downlink().resume_push(id, "tests".into()).await.expect("it is paused");
    rig.until_next(id, "2026-11-28T13:00:00Z").await;
    let runs = rig.runs(id).await;
    assert_eq!((runs.len(), &*runs[0].1), (1, "skipped"), "{runs:?}");
    rig.downlink().forget_push(id, "tests".into()).await.expect("nothing of it is open");
    assert!(rig.downlink().push_record(id).await.expect("it is read").is_none());
    rig.pass_to("2026-11-28T13:00:00Z");
    rig.stop();
    rig.start_again();
    assert_eq!(rig.downlink().push_page(None, None, 10).await.expect("read").len(), 0);
    assert_eq!(rig.store.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_are_bounded_in_number_and_checked_when_they_are_submitted() {
    let rig = Rig::at("2026-11-28T11:59:50Z").await;
    let hourly = json!({ "schedule": "@hourly" });
    rig.ask(&hourly).await.expect("it stands");
    rig.ask(&hourly).await.expect("it stands");
    let refused = rig.ask(&hourly).await.expect_err("it is one too many");
    assert_eq!(refused, PushError::Refused(Refused::TooManySchedules { max: 2 }));
    let undeclared = json!({ "schedule": "@hourly", "command": "honk" });
    let refused = rig.ask(&undeclared).await.expect_err("it is not declared").to_string();
    assert_eq!(refused, "no command `honk` is declared; declared are horn");
}
