//! The commit thread: order of answers, a full disk, a halt, a stop.

use std::{
    io,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::Duration,
};

use crate::{
    env::{
        Supervisor,
        sim::{Call, Fault},
    },
    telemetry::PointLedger,
};

use super::{
    super::{CommitHandle, CommitOptions, CommitState, Committer, Feed, Submission},
    *,
};

/// A running commit thread, its answers and its states.
struct Running {
    rig: Rig,
    handle: CommitHandle,
    thread: JoinHandle<()>,
    reader: Reader,
    ledger: Arc<PointLedger>,
    states: mpsc::Receiver<CommitState>,
    feed: Feed<Numbered>,
    to: mpsc::Sender<Answer>,
    answers: mpsc::Receiver<Answer>,
}

/// An entry with a number.
struct Numbered {
    number: u64,
    entry: EntryBuffer,
    to: mpsc::Sender<Answer>,
}

/// A number, and whether its entry is durable.
type Answer = (u64, bool);

impl Submission for Numbered {
    fn entry(&mut self) -> &mut EntryBuffer {
        &mut self.entry
    }

    fn points(&self) -> u64 {
        1
    }

    fn answer(self: Box<Self>, durable: bool) {
        assert_eq!(self.entry.payload(), payload(self.number, 30), "as it was handed over");
        // The receiver is gone once the test has ended.
        self.to.send((self.number, durable)).unwrap_or_default();
    }
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
    let guard = Supervisor::default().guard("commit");
    let (handle, thread) = Committer::start(guard, writer, options, counted, on_state).unwrap();
    let (to, answers) = mpsc::channel();
    let feed = handle.feed();
    Running { rig, handle, thread, reader, ledger, states, feed, to, answers }
}

impl Running {
    fn submit(&self, number: u64) {
        self.submit_to(&self.feed, number);
    }

    fn submit_to(&self, feed: &Feed<Numbered>, number: u64) {
        let entry = entry_of(number);
        feed.offer(Box::new(Numbered { number, entry, to: self.to.clone() }));
    }

    fn answer(&self) -> Answer {
        self.answers.recv().unwrap()
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
    let counters = running.handle.counters();
    assert_eq!(counters.entries, 50);
    assert!(counters.syncs >= 10, "groups are bounded in bytes");
    assert_eq!(drain(&mut running.reader).0, (1..=50).collect::<Vec<_>>());
    running.handle.stop();
    running.thread.join().unwrap();
}

#[test]
fn a_full_budget_makes_entries_wait_and_they_continue_by_themselves() {
    let mut running = start(Rig::new(200, 400));
    for token in 1..=20 {
        running.submit(token);
    }
    assert_eq!(running.states.recv().unwrap(), CommitState::Full);
    assert_eq!(running.handle.state(), CommitState::Full);
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
fn a_full_disk_is_tried_again_until_there_is_room() {
    let rig = Rig::new(300, 1 << 20).with_entries(1);
    rig.disk.set_capacity(Some(rig.disk.used()));
    let running = start(rig);
    for token in 2..=20 {
        running.submit(token);
    }
    assert_eq!(running.states.recv().unwrap(), CommitState::Full);
    running.rig.disk.set_capacity(None);
    for token in 2..=20 {
        assert_eq!(running.answer(), (token, true));
    }
}

/// An entry that counts when it decides.
struct Deciding {
    entry: EntryBuffer,
    decided: Arc<AtomicU64>,
}

impl Submission for Deciding {
    fn entry(&mut self) -> &mut EntryBuffer {
        &mut self.entry
    }

    fn points(&self) -> u64 {
        1
    }

    fn decide(&mut self) {
        self.decided.fetch_add(1, Ordering::SeqCst);
    }

    fn answer(self: Box<Self>, _durable: bool) {}
}

#[test]
fn what_waits_for_room_has_not_decided_yet() {
    let rig = Rig::new(300, 1 << 20).with_entries(1);
    rig.disk.set_capacity(Some(rig.disk.used()));
    let running = start(rig);
    let (feed, decided) = (running.handle.feed(), Arc::new(AtomicU64::new(0)));
    for number in 2..=20 {
        let decided = Arc::clone(&decided);
        feed.offer(Box::new(Deciding { entry: entry_of(number), decided }));
    }
    assert_eq!(running.states.recv().unwrap(), CommitState::Full);
    assert_eq!(decided.load(Ordering::SeqCst), running.handle.counters().entries);
    running.rig.disk.set_capacity(None);
    assert_eq!(running.states.recv().unwrap(), CommitState::Running);
    running.handle.stop();
    running.thread.join().unwrap();
    assert_eq!(decided.load(Ordering::SeqCst), 19, "once each");
}

#[test]
fn a_failed_sync_halts_until_a_restart_and_nothing_is_ever_answered_as_durable() {
    let mut running = start(Rig::new(4096, 1 << 20).with_entries(1));
    running.submit(2);
    assert_eq!(running.answer(), (2, true));
    let error = io::ErrorKind::Other;
    let fault = Fault { call: Some(Call::SyncData), nth: 0, error, is_permanent: false };
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
    assert_eq!(running.ledger.snapshot().spooled, 1);
    assert_eq!(drain(&mut running.reader).0, [1, 2], "what is durable is still shipped");
    assert!(!running.thread.is_finished(), "a thread that has ended would mean a panic");
    running.handle.stop();
    running.thread.join().unwrap();
}

#[test]
fn a_stop_commits_what_was_offered_and_answers_what_is_offered_later() {
    let running = start(Rig::new(4096, 1 << 20));
    for token in 1..=30 {
        running.submit(token);
    }
    running.handle.stop();
    running.submit(31);
    let mut answers: Vec<_> = (1..=31).map(|_| running.answer()).collect();
    answers.sort_unstable();
    // What is offered after the stop is committed with the rest or refused, but always answered.
    let expected: Vec<_> = (1..=30).map(|token| (token, true)).collect();
    assert_eq!(answers[..30], expected);
    let (last, is_durable) = answers[30];
    assert_eq!(last, 31);
    while !running.thread.is_finished() {
        std::thread::yield_now();
    }
    running.submit(32);
    assert_eq!(running.answer(), (32, false), "the thread has ended");
    drop(running.reader);
    assert_eq!(running.rig.open().recovery.last, Position(30 + u64::from(is_durable)));
}

#[test]
fn a_stop_does_not_wait_for_room_that_never_comes() {
    let running = start(Rig::new(200, 400));
    for token in 1..=20 {
        running.submit(token);
    }
    assert_eq!(running.states.recv().unwrap(), CommitState::Full);
    running.handle.stop();
    let answers: Vec<_> = (1..=20).map(|_| running.answer()).collect();
    running.thread.join().unwrap();
    let durable = answers.iter().filter(|(_, durable)| *durable).count() as u64;
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

#[test]
fn feeds_are_emptied_one_after_the_other_and_what_is_not_taken_yet_can_be_taken_back() {
    // The disk is full, so that the thread takes nothing more after the first group.
    let rig = Rig::new(300, 1 << 20).with_entries(1);
    rig.disk.set_capacity(Some(rig.disk.used()));
    let mut running = start(rig);
    let other = running.handle.feed();
    (2..=9).for_each(|number| running.submit(number));
    assert_eq!(running.states.recv().unwrap(), CommitState::Full);
    running.submit(10);
    running.submit(11);
    running.submit_to(&other, 12);
    assert!(running.feed.reclaim(|last| last.number == 10).is_none(), "it is not the last");
    let mut taken_back = running.feed.reclaim(|last| last.number == 11).unwrap();
    taken_back.number = 13;
    taken_back.entry.clear();
    taken_back.entry.bytes_mut().extend_from_slice(&payload(13, 30));
    taken_back.entry.items = 1;
    running.submit_to(&other, 14);
    running.feed.offer(taken_back);
    drop(other);
    running.rig.disk.set_capacity(None);
    let answers: Vec<_> = (0..12).map(|_| running.answer()).collect();
    let expect = (2..=10).chain([13, 12, 14]).map(|number| (number, true));
    assert_eq!(answers, expect.collect::<Vec<_>>(), "feed by feed, in order");
    assert_eq!(drain(&mut running.reader).0.len(), 13);
}

#[test]
fn every_submission_is_answered_once_whatever_the_moment_of_the_halt() {
    // Many owners offer entries while a sync fails: each gets an answer for each of its entries,
    // and what was answered as durable is durable. Over many seeds, which decide the moment of the
    // halt.
    for seed in 0..40_u64 {
        let running = start(Rig::new(4096, 1 << 20));
        let error = io::ErrorKind::Other;
        let fault = Fault { call: Some(Call::SyncData), nth: seed % 9, error, is_permanent: false };
        running.rig.disk.set_fault(Some(fault));
        std::thread::scope(|scope| {
            for owner in 0..4_u64 {
                let (feed, to) = (running.handle.feed(), running.to.clone());
                scope.spawn(move || {
                    for number in 0..50 {
                        let number = owner * 50 + number + 1;
                        let entry = entry_of(number);
                        feed.offer(Box::new(Numbered { number, entry, to: to.clone() }));
                        if (number + seed) % 7 == 0 {
                            std::thread::yield_now();
                        }
                    }
                });
            }
        });
        let mut answers: Vec<_> = (0..200).map(|_| running.answer()).collect();
        let durable = answers.iter().filter(|(_, durable)| *durable).count() as u64;
        answers.sort_unstable();
        answers.dedup_by_key(|(number, _)| *number);
        assert_eq!(answers.len(), 200, "seed {seed}");
        assert_eq!(running.ledger.snapshot().spooled, durable, "seed {seed}: I1");
        running.handle.stop();
        running.thread.join().unwrap();
    }
}

#[tokio::test]
async fn a_commit_thread_that_panics_is_reported_by_name_and_leaves_nobody_waiting() {
    let rig = Rig::new(200, 400);
    let Opened { writer, .. } = rig.open();
    let supervisor = Supervisor::default();
    // It is called when the spool is full.
    let on_state = Box::new(|_: &CommitState| panic!("on purpose"));
    let (handle, thread) = Committer::start(
        supervisor.guard("spool-7"),
        writer,
        CommitOptions { interval: Duration::ZERO, ..CommitOptions::default() },
        None,
        on_state,
    )
    .unwrap();
    let feed = handle.feed();
    let (to, answers) = mpsc::channel();
    for number in 1..=30 {
        feed.offer(Box::new(Numbered { number, entry: entry_of(number), to: to.clone() }));
    }
    assert_eq!(supervisor.ended_unasked().await, "spool-7");
    assert!(thread.join().is_err());
    feed.offer(Box::new(Numbered { number: 31, entry: entry_of(31), to: to.clone() }));
    drop((feed, to));
    let last = answers.iter().find(|(number, _)| *number == 31);
    assert_eq!(last, Some((31, false)));
    assert!(matches!(handle.state(), CommitState::Halted { .. }));
}

fn entry_of(number: u64) -> EntryBuffer {
    let mut entry = EntryBuffer::new();
    entry.bytes_mut().extend_from_slice(&payload(number, 30));
    entry.items = 1;
    entry
}
