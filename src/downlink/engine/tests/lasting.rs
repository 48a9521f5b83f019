//! Commands in the queues of persistent sessions.

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
    /// Vehicle `A` connects with its persistent session.
    fn comes_back(&mut self) {
        self.comes("A", |session| Reach::Lasting(session, LASTING));
    }

    /// Its connection ends, and its session does not.
    fn leaves(&mut self) {
        self.is_away("A");
        self.turn(vec![Job::Here("A".into())]);
    }

    /// Reports the commands that the queue of its session had.
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
        self.engine.in_sessions().is_current(LASTING, outgoing.command, outgoing.attempt)
    }
}

#[test]
fn a_command_stays_in_a_persistent_sessions_queue_until_its_end_is_durable() {
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
fn a_restart_leaves_it_there_and_sends_again_what_the_queue_never_had() {
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
    // A later report is about the earlier state.
    rig.resumes(&[]);
    assert_eq!(rig.only().attempt, 3);
}

#[test]
fn when_its_session_ends_a_command_waits_again_or_is_cancelled_if_requested() {
    let mut rig = Rig::new();
    rig.comes_back();
    let id = rig.made(|_| {});
    drop(rig.sent());
    rig.leaves();
    rig.comes("A", Reach::Session);
    // It was taken over: the old session will not connect again, or will find nothing.
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
fn a_requested_cancel_ends_with_the_process_unless_its_session_is_persistent() {
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
fn a_command_that_ends_while_its_session_is_away_is_not_sent_from_its_queue() {
    let mut rig = Rig::new();
    rig.comes_back();
    let old = rig.made(|request| request.supersede = Some("k".into()));
    let outgoing = rig.only();
    rig.leaves();
    assert!(rig.is_current(&outgoing));
    rig.made(|request| request.supersede = Some("k".into()));
    assert_eq!(rig.state(old).0, State::Superseded);
    assert!(!rig.is_current(&outgoing));
    // What the session itself reports as left is so at once.
    rig.comes_back();
    let outgoing = rig.only();
    let (command, attempt) = (outgoing.command, outgoing.attempt);
    let outcome = CommandOutcome::Left;
    let held = rig.engine.in_sessions();
    held.left(&[CommandReport { command, attempt, outcome, place: None }]);
    assert!(!rig.is_current(&outgoing));
    assert!(rig.edge.is_here(LASTING));
}

#[test]
fn a_command_without_room_in_the_queue_is_with_no_session_and_tried_again_later() {
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
    // An outcome of the first attempt does not count for the second.
    rig.report(&outgoing, CommandOutcome::NoRoom);
    assert!(rig.is_current(&again));
    // It is with no session when it is cancelled: so it ends.
    rig.report(&again, CommandOutcome::NoRoom);
    rig.cancel(id).expect("it is there");
    assert_eq!(rig.state(id).0, State::Cancelled);
    // So does one whose cancel was requested before.
    let id = rig.made(|_| {});
    let outgoing = rig.only();
    rig.cancel(id).expect("it is asked for");
    rig.report(&outgoing, CommandOutcome::NoRoom);
    assert_eq!(rig.state(id).0, State::Cancelled);
}
