//! Pushes in the engine: released, held, resumed in pieces, deleted.

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;

use super::{
    super::{Asked, Job, NewPush, NewRun, PushJob, turn::DISPATCHED_LATER_MAX},
    rig::Rig,
};
use crate::{
    downlink::{
        lifecycle::State,
        push::{Counts, PushRecord},
        record::Request,
    },
    model::{CommandId, CommandOutcome, Reach},
};

const HOUR_MS: i64 = 3_600_000;

impl Rig {
    fn push(&mut self, job: PushJob) -> Asked {
        let (reply, mut replied) = oneshot::channel();
        self.turn(vec![Job::Push(Box::new(job), Some(reply))]);
        replied.try_recv().expect("it is answered").expect("it is done")
    }

    fn new_run(&self, count: usize) -> NewRun {
        let count = count as u64;
        NewRun {
            at_ms: self.now_ms,
            query: "null".into(),
            counts: Counts { rows: count, targeted: count, ..Counts::default() },
            abort_above: None,
            cause: None,
        }
    }

    /// Makes a push to `count` vehicles, from `V0` on, and releases `let_go` of its commands.
    fn pushed(&mut self, count: usize, let_go: usize, next_ms: Option<i64>) -> CommandId {
        let first = self.request("A");
        let push = NewPush {
            id: first.id,
            name: "p".into(),
            spec: "{}".into(),
            who: "tests".into(),
            vehicles: None,
            idempotency: None,
            next_ms,
        };
        let run = self.new_run(count);
        let run = self.push(PushJob::Create(push, Some(run))).run;
        self.frozen(run, count, let_go, next_ms);
        first.id
    }

    /// Freezes a run, and releases `let_go` of its commands.
    fn frozen(&mut self, run: i64, count: usize, let_go: usize, next_ms: Option<i64>) {
        let requests: Vec<Arc<Request>> =
            (0..count).map(|it| Arc::new(self.request(&format!("V{it}")))).collect();
        self.push(PushJob::Freeze(run, requests));
        self.push(PushJob::Frozen(run, next_ms));
        if let_go > 0 {
            self.push(PushJob::Release { run, count: let_go, is_wave: false });
        }
    }

    fn kept(&self, id: CommandId) -> Option<PushRecord> {
        self.reader().push(id).expect("it is read")
    }

    fn sweep(&mut self, at_ms: i64) {
        while self.engine.sweep(at_ms).expect("it is deleted") {}
    }

    /// All commands of the vehicles are delivered.
    fn deliver_all(&mut self, count: usize) {
        for vehicle in 0..count {
            self.comes(&format!("V{vehicle}"), Reach::Session);
        }
        for outgoing in self.sent() {
            self.report(&outgoing, CommandOutcome::Acknowledged);
        }
    }
}

#[test]
fn a_resumed_push_continues_in_pieces_that_delay_nobody() {
    let mut rig = Rig::new();
    let count = DISPATCHED_LATER_MAX + 100;
    // One is held, so that the push does not end.
    let id = rig.pushed(count + 1, count, None);
    rig.push(PushJob::Pause(id, "tests".into()));
    for vehicle in 0..=count {
        rig.is_there(&format!("V{vehicle}"));
    }
    rig.push(PushJob::Resume(id, "tests".into()));
    let most = Duration::from_mins(1);
    assert_eq!(rig.sent().len(), DISPATCHED_LATER_MAX);
    assert_eq!(rig.engine.rest(rig.now_ms, most), Duration::ZERO, "there is more to do");
    // A caller meanwhile waits only for one piece.
    rig.comes("A", Reach::Session);
    rig.made(|_| {});
    let sent = rig.sent();
    assert_eq!(sent.len(), count - DISPATCHED_LATER_MAX + 1);
    assert!(rig.engine.rest(rig.now_ms, most) > Duration::ZERO);
}

#[test]
fn a_vehicle_that_connected_in_a_turn_that_was_not_committed_is_not_forgotten() {
    let mut rig = Rig::new();
    rig.made(|_| {});
    rig.is_there("A");
    rig.engine.recover().expect("it is read");
    rig.turn(vec![]);
    assert_eq!(rig.sent().len(), 1);
}

#[test]
fn overdue_commands_also_end_in_pieces() {
    let mut rig = Rig::new();
    let id = rig.pushed(900, 900, None);
    rig.now_ms += 60_001;
    let mut turns = 0;
    while rig.kept(id).expect("it is kept").json()["open"] != 0 {
        assert_eq!(rig.engine.rest(rig.now_ms, Duration::from_mins(1)), Duration::ZERO);
        rig.turn(vec![]);
        turns += 1;
    }
    assert!(turns > 1, "{turns}");
}

#[test]
fn a_push_is_deleted_with_its_commands_when_all_have_ended_long_ago() {
    let mut rig = Rig::new();
    let id = rig.pushed(2, 2, None);
    let made = rig.made(|request| request.vehicle = "V0".into());
    rig.comes("V0", Reach::Session);
    let sent = rig.sent();
    rig.report(&sent[0], CommandOutcome::Acknowledged);
    let first = sent[0].command;
    // One is open: nothing of it is deleted.
    rig.sweep(rig.now_ms + HOUR_MS + 1);
    assert!(rig.kept(id).is_some());
    assert_eq!(rig.state(first).0, State::Delivered, "the report counts it still");
    rig.passes(60_001);
    rig.sweep(rig.now_ms + HOUR_MS - 1);
    assert!(rig.kept(id).is_some());
    rig.sweep(rig.now_ms + HOUR_MS + 1);
    assert!(rig.kept(id).is_none());
    rig.sweep(rig.now_ms + HOUR_MS + 1);
    assert!(rig.reader().command(first).expect("it is read").is_none());
    // The newest command stays, so that its number is not used again.
    assert!(rig.reader().command(made).expect("it is read").is_some());
}

#[test]
fn old_runs_of_a_scheduled_push_are_deleted_and_its_sums_are_kept() {
    let mut rig = Rig::new();
    let next_ms = Some(rig.now_ms + HOUR_MS);
    let id = rig.pushed(2, 2, next_ms);
    rig.deliver_all(2);
    // Runs that made no command: as many are kept as empty-runs-max says.
    for _ in 0..5 {
        rig.passes(1000);
        let run = rig.new_run(0);
        let run = rig.push(PushJob::Begin(id, run)).run;
        rig.frozen(run, 0, 0, next_ms);
    }
    let push = |rig: &Rig| rig.kept(id).expect("it stands");
    let runs =
        |rig: &Rig| rig.reader().runs(push(rig).seq(), None, 100).expect("they are read").len();
    let sums = push(&rig).json()["sums"].clone();
    assert_eq!((&sums["targeted"], runs(&rig)), (&serde_json::json!(2), 6));
    rig.sweep(rig.now_ms);
    assert_eq!(runs(&rig), 4, "three that made none, and the one that did");
    rig.sweep(rig.now_ms + HOUR_MS + 1);
    assert_eq!(runs(&rig), 1, "what it shows is kept as long as it stands");
    assert_eq!(push(&rig).json()["sums"], sums);
    rig.restart();
    assert_eq!(push(&rig).json()["sums"], sums);
}
