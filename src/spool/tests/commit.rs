//! The commit thread: order of answers, a full disk, a halt, a stop.

use std::{io, sync::mpsc, thread::JoinHandle, time::Duration};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::{
    env::sim::{Call, Fault},
    telemetry::PointLedger,
};

use super::{
    super::{CommitHandle, CommitOptions, CommitState, Committer, Reply, Settled, Submission},
    *,
};

/// A running commit thread and everything that it tells.
struct Running {
    rig: Rig,
    handle: CommitHandle,
    thread: JoinHandle<()>,
    reader: Reader,
    ledger: Arc<PointLedger>,
    states: mpsc::Receiver<CommitState>,
    to: UnboundedSender<Settled>,
    settled: UnboundedReceiver<Settled>,
}

fn start(rig: Rig) -> Running {
    let Opened { writer, reader, .. } = rig.open();
    let ledger = Arc::new(PointLedger::default());
    let (state_to, states) = mpsc::channel();
    let on_state = Box::new(move |state: &CommitState| state_to.send(state.clone()).unwrap());
    let options = CommitOptions {
        interval: Duration::ZERO,
        group_bytes_max: 200,
        recheck: Duration::from_millis(5),
        ..CommitOptions::default()
    };
    let counted = Some(Arc::clone(&ledger));
    let (handle, thread) = Committer::start("commit", writer, options, counted, on_state).unwrap();
    let (to, settled) = unbounded_channel();
    Running { rig, handle, thread, reader, ledger, states, to, settled }
}

impl Running {
    fn submit(&self, token: u64) {
        let mut entry = EntryBuffer::new();
        entry.bytes_mut().extend_from_slice(&payload(token, 30));
        entry.items = 1;
        let reply = Reply { to: self.to.clone(), lane: 3, token };
        self.handle.submit(Submission { entry, points: 1, reply });
    }

    /// The next answer: its token, and whether it is durable.
    fn answer(&mut self) -> (u64, bool) {
        let settled = self.settled.blocking_recv().unwrap();
        let expect = if settled.durable { payload(settled.token, 30) } else { Vec::new() };
        assert_eq!(settled.entry.payload(), expect, "as it was handed over, or gone");
        assert_eq!(settled.lane, 3);
        (settled.token, settled.durable)
    }
}

#[test]
fn answers_come_in_order_after_the_entries_are_durable_and_counted() {
    let mut running = start(Rig::new(4096, 1 << 20));
    for token in 1..=50 {
        running.submit(token);
    }
    for token in 1..=50 {
        assert_eq!(running.answer(), (token, true));
        assert!(running.reader.durable().borrow().0 >= token, "I1");
        assert!(running.ledger.snapshot().in_spool >= token);
    }
    assert_eq!(running.handle.queued_bytes(), 0);
    let counters = running.handle.counters();
    assert_eq!(counters.entries, 50);
    assert_eq!(counters.syncs, counters.sync_buckets.iter().sum::<u64>());
    assert!(counters.syncs >= 10, "groups are bounded in bytes");
    assert_eq!(drain(&mut running.reader).0, (1..=50).collect::<Vec<_>>());
    running.handle.stop();
    running.thread.join().unwrap();
}

#[test]
fn a_full_budget_makes_entries_wait_and_they_go_on_by_themselves() {
    let mut running = start(Rig::new(200, 400));
    for token in 1..=20 {
        running.submit(token);
    }
    assert_eq!(running.states.recv().unwrap(), CommitState::Full);
    assert_eq!(running.handle.state(), CommitState::Full);
    assert!(running.handle.queued_bytes() > 0);
    let mut next = 1;
    while next <= 20 {
        assert_eq!(running.answer(), (next, true));
        next += 1;
        let (_, batches) = drain(&mut running.reader);
        if let Some(batch) = batches.last() {
            running.reader.confirm(batch.last);
            running.reader.flush_cursor().unwrap();
        }
    }
    running.submit(21);
    assert_eq!(running.answer(), (21, true));
    let last_state = running.states.iter().find(|state| *state == CommitState::Running);
    assert_eq!(last_state, Some(CommitState::Running));
    assert!(running.handle.counters().fulls >= 1);
}

#[test]
fn a_full_disk_is_looked_at_again_until_there_is_room() {
    let rig = Rig::new(300, 1 << 20).with_entries(1);
    rig.disk.set_capacity(Some(rig.disk.used()));
    let mut running = start(rig);
    for token in 2..=20 {
        running.submit(token);
    }
    assert_eq!(running.states.recv().unwrap(), CommitState::Full);
    running.rig.disk.set_capacity(None);
    for token in 2..=20 {
        assert_eq!(running.answer(), (token, true));
    }
}

#[test]
fn a_failed_sync_halts_for_good_and_nothing_is_ever_answered_as_durable() {
    let mut running = start(Rig::new(4096, 1 << 20).with_entries(1));
    running.submit(2);
    assert_eq!(running.answer(), (2, true));
    let error = io::ErrorKind::Other;
    let fault = Fault { call: Some(Call::SyncData), nth: 0, error, for_good: false };
    running.rig.disk.set_fault(Some(fault));
    for token in 3..=9 {
        running.submit(token);
    }
    for token in 3..=9 {
        assert_eq!(running.answer(), (token, false), "I2");
    }
    assert!(matches!(running.states.recv().unwrap(), CommitState::Halted { .. }));
    running.submit(10);
    assert_eq!(running.answer(), (10, false));
    assert_eq!(running.handle.queued_bytes(), 0);
    assert_eq!(running.ledger.snapshot().spooled, 1);
    assert_eq!(drain(&mut running.reader).0, [1, 2], "what is durable is still shipped");
    assert!(!running.thread.is_finished(), "a thread that has ended would mean a panic");
    running.handle.stop();
    running.thread.join().unwrap();
}

#[test]
fn a_stop_commits_what_is_queued_and_refuses_what_comes_later() {
    let mut running = start(Rig::new(4096, 1 << 20));
    for token in 1..=30 {
        running.submit(token);
    }
    running.handle.stop();
    running.submit(31);
    let mut answers: Vec<_> = (1..=31).map(|_| running.answer()).collect();
    answers.sort_unstable();
    let expected: Vec<_> = (1..=31).map(|token| (token, token <= 30)).collect();
    assert_eq!(answers, expected);
    running.thread.join().unwrap();
    drop(running.reader);
    assert_eq!(running.rig.open().recovery.last, Position(30));
}

#[test]
fn a_stop_does_not_wait_for_room_that_never_comes() {
    let mut running = start(Rig::new(200, 400));
    for token in 1..=20 {
        running.submit(token);
    }
    assert_eq!(running.states.recv().unwrap(), CommitState::Full);
    running.handle.stop();
    running.thread.join().unwrap();
    let answers: Vec<_> = (1..=20).map(|_| running.settled.blocking_recv().unwrap()).collect();
    let durable = answers.iter().filter(|settled| settled.durable).count() as u64;
    assert!(durable < 20, "refused, so never acknowledged");
    drop(running.reader);
    assert_eq!(running.rig.open().recovery.last, Position(durable));
}

#[test]
fn the_thread_ends_with_its_last_handle() {
    let running = start(Rig::new(4096, 1 << 20));
    let other = running.handle.clone();
    drop(running.handle);
    assert_eq!(other.state(), CommitState::Running);
    drop(other);
    running.thread.join().unwrap();
}
