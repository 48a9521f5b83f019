//! Commands in the queues of sessions that last.

use super::{super::Job, rig::Rig};
use crate::{
    downlink::lifecycle::State,
    model::{
        CommandEdge as _, CommandId, CommandOutcome, CommandReport, OutgoingCommand, QueuePlace,
        Reach, SessionId,
    },
};

/// The journal's number of the vehicle's session.
const LASTING: u64 = 7;

impl Rig {
    /// Vehicle `A` connects with its session that lasts.
    fn comes_back(&mut self) {
        self.comes("A", |session| Reach::Lasting(session, LASTING));
    }

    /// Its connection ends, and its session does not.
    fn leaves(&mut self) {
        self.is_away("A");
        self.turn(vec![Job::Here("A".into())]);
    }

    /// It is found what the queue of its session had.
    fn resumes(&mut self, commands: &[CommandId]) {
        let session = SessionId { worker: 0, number: 1_000_000 };
        self.turn(vec![Job::Resumed(LASTING, session, commands.to_vec())]);
    }

    fn only(&mut self) -> OutgoingCommand {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }

    fn is_current(&self, outgoing: &OutgoingCommand) -> bool {
        self.engine.held().is_current(LASTING, outgoing.command, outgoing.attempt)
    }
}

#[test]
fn a_command_stays_with_a_session_that_lasts_and_leaves_its_queue_once_its_end_is_durable() {
    let mut rig = Rig::new();
    rig.comes_back();
    let id = rig.made(|_| {});
    let outgoing = rig.only();
    rig.leaves();
    assert!(rig.is_current(&outgoing));
    rig.comes_back();
    rig.resumes(&[id]);
    assert_eq!(rig.sent(), [], "its session sends it again");
    let place = Some(QueuePlace { session: LASTING, number: 3 });
    let (command, attempt) = (outgoing.command, outgoing.attempt);
    let outcome = CommandOutcome::Acknowledged;
    rig.turn(vec![Job::Reports(vec![CommandReport { command, attempt, outcome, place }])]);
    assert_eq!(rig.state(id).0, State::Delivered);
    assert_eq!(rig.forgotten(), place.into_iter().collect::<Vec<_>>());
    assert!(!rig.is_current(&outgoing), "nobody sends it again");
}

#[test]
fn a_restart_leaves_it_there_and_sends_anew_what_the_queue_never_had() {
    let mut rig = Rig::new();
    rig.comes_back();
    let (first, second) = (rig.made(|_| {}), rig.made(|request| request.vehicle = "B".into()));
    let outgoing = rig.only();
    assert_eq!(rig.state(second).0, State::Queued);
    rig.restart();
    rig.comes_back();
    assert_eq!(rig.sent(), []);
    assert!(rig.is_current(&outgoing), "by the attempt that it had");
    rig.resumes(&[first]);
    assert_eq!(rig.sent(), []);
    rig.restart();
    rig.comes_back();
    rig.resumes(&[]);
    let again = rig.only();
    assert_eq!((again.command, again.attempt, again.is_repeat), (first, 2, true));
    assert!(rig.is_current(&again) && !rig.is_current(&outgoing));
    // What is found later is about what was there before.
    rig.resumes(&[]);
    assert_eq!(rig.only().attempt, 3);
}

#[test]
fn the_end_of_its_session_brings_it_back_or_takes_it_back_where_that_was_asked_for() {
    let mut rig = Rig::new();
    rig.comes_back();
    let id = rig.made(|_| {});
    drop(rig.sent());
    rig.leaves();
    rig.comes("A", Reach::Session);
    // It was taken over: the old one is away for good, or will find nothing.
    let again = rig.only();
    assert_eq!((again.command, again.attempt, again.is_repeat), (id, 2, true));
    rig.report(&again, CommandOutcome::Acknowledged);
    assert_eq!(rig.state(id).0, State::Delivered);

    rig.comes_back();
    let id = rig.made(|_| {});
    let outgoing = rig.only();
    rig.leaves();
    rig.cancel(id).expect("it is asked for");
    assert_eq!(rig.state(id).0, State::Sent, "its vehicle may have it");
    rig.turn(vec![Job::Ended(LASTING)]);
    assert_eq!(rig.state(id), (State::Cancelled, Some("session-ended".to_owned())));
    assert!(!rig.is_current(&outgoing));

    rig.comes_back();
    let id = rig.made(|_| {});
    drop(rig.sent());
    rig.turn(vec![Job::Ended(LASTING)]);
    assert_eq!(rig.only().command, id);
}

#[test]
fn what_was_asked_back_ends_with_the_process_unless_its_session_lasts() {
    let mut rig = Rig::new();
    rig.comes("B", Reach::Session);
    let gone = rig.made(|request| request.vehicle = "B".into());
    rig.comes_back();
    let kept = rig.made(|_| {});
    for id in [gone, kept] {
        rig.cancel(id).expect("it is asked for");
    }
    rig.restart();
    assert_eq!(rig.state(gone), (State::Cancelled, Some("session-ended".to_owned())));
    assert_eq!(rig.state(kept).0, State::Sent, "its acknowledgement decides");
    let record = rig.record(gone);
    assert!(record.maybe_received && record.history.len() == 3, "{record:?}");
    rig.restart();
    rig.turn(vec![Job::Ended(LASTING)]);
    assert_eq!(rig.state(kept), (State::Cancelled, Some("session-ended".to_owned())));
}

#[test]
fn what_ends_while_its_session_is_away_is_not_sent_from_its_queue() {
    let mut rig = Rig::new();
    rig.comes_back();
    let old = rig.made(|request| request.supersede = Some("k".into()));
    let outgoing = rig.only();
    rig.leaves();
    assert!(rig.is_current(&outgoing));
    rig.made(|request| request.supersede = Some("k".into()));
    assert_eq!(rig.state(old).0, State::Superseded);
    assert!(!rig.is_current(&outgoing));
    // What is told as left by the session itself is so at once.
    rig.comes_back();
    let outgoing = rig.only();
    let (command, attempt) = (outgoing.command, outgoing.attempt);
    let outcome = CommandOutcome::Left;
    let held = rig.engine.held();
    held.left(&[CommandReport { command, attempt, outcome, place: None }]);
    assert!(!rig.is_current(&outgoing));
    assert!(rig.edge.is_here(LASTING));
}

#[test]
fn one_for_which_the_disk_had_no_room_is_with_nobody_and_tried_again_after_a_while() {
    let mut rig = Rig::new();
    rig.comes_back();
    let id = rig.made(|_| {});
    let outgoing = rig.only();
    rig.report(&outgoing, CommandOutcome::NoRoom);
    assert_eq!(rig.state(id), (State::Sent, Some("queue-full".to_owned())));
    assert!(!rig.is_current(&outgoing), "no queue has it");
    rig.turn(vec![Job::Here("A".into())]);
    assert_eq!(rig.sent(), [], "its time has not come");
    rig.passes(1000);
    let again = rig.only();
    assert_eq!((again.command, again.attempt, again.is_repeat), (id, 2, true));
    assert_eq!(rig.state(id), (State::Sent, None));
    // What is heard of the first time says nothing of the second.
    rig.report(&outgoing, CommandOutcome::NoRoom);
    assert!(rig.is_current(&again));
    // It is with nobody when it is asked back: that is its end.
    rig.report(&again, CommandOutcome::NoRoom);
    rig.cancel(id).expect("it is there");
    assert_eq!(rig.state(id).0, State::Cancelled);
    // And so is one that was asked back before.
    let id = rig.made(|_| {});
    let outgoing = rig.only();
    rig.cancel(id).expect("it is asked for");
    rig.report(&outgoing, CommandOutcome::NoRoom);
    assert_eq!(rig.state(id).0, State::Cancelled);
}
