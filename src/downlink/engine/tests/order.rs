//! Order, bounds, timers and keys, one at a time.

use super::{
    super::{Cancelling, Refused},
    rig::Rig,
};
use crate::{
    downlink::{lifecycle::State, record::What},
    mapping::Order,
    model::{CommandOutcome, Reach},
};

fn states(rig: &Rig, id: crate::model::CommandId) -> Vec<String> {
    let told = rig.record(id).history;
    let told = told.iter().map(|change| match change.what {
        What::State(state) => state.as_str().to_owned(),
        What::Note(note) => format!("({})", note.as_str()),
    });
    told.collect()
}

#[test]
fn a_command_waits_for_its_vehicle_and_shows_the_cause() {
    let mut rig = Rig::new();
    let id = rig.made(|_| {});
    assert_eq!(rig.state(id), (State::Queued, Some("away".to_owned())));
    rig.comes("A", |_| Reach::NotSubscribed);
    assert_eq!(rig.state(id), (State::Queued, Some("not-subscribed".to_owned())));
    rig.comes("A", |_| Reach::SubscriptionQos);
    assert_eq!(rig.state(id), (State::Queued, Some("subscription-qos".to_owned())));
    rig.comes("A", Reach::Session);
    let sent = rig.sent();
    assert_eq!((sent.len(), sent[0].command, sent[0].is_repeat), (1, id, false));
    assert_eq!(rig.state(id).0, State::Sent);
    rig.report(&sent[0], CommandOutcome::Acknowledged);
    assert_eq!(states(&rig, id), ["queued", "sent", "delivered"]);
    assert!(rig.record(id).has_ended());
}

/// If the vehicle is connected, the durable state before the answer is already `sent`.
#[test]
fn a_command_for_a_connected_vehicle_is_sent_by_the_transaction_that_creates_it() {
    let mut rig = Rig::new();
    rig.comes("A", Reach::Session);
    let request = rig.request("A");
    let placed = rig.create(request).expect("it is made");
    assert_eq!((placed.record.state, placed.record.history.len()), (State::Sent, 2));
    assert_eq!(states(&rig, placed.record.request.id), ["queued", "sent"]);
}

#[test]
fn the_next_command_is_sent_when_the_order_of_the_one_before_allows_it() {
    for (order, at_once, after_delivery) in [
        (Order::AtOnce, true, true),
        (Order::AfterDelivery, false, true),
        (Order::AfterReceipt, false, false),
    ] {
        let mut rig = Rig::new();
        rig.comes("A", Reach::Session);
        let receipt = |request: &mut crate::downlink::Request| {
            (request.order, request.execute_within_ms) = (order, Some(1_000));
        };
        rig.made(receipt);
        let second = rig.made(|_| {});
        let first = rig.sent();
        assert_eq!(first.len(), if at_once { 2 } else { 1 }, "{order:?}");
        if !at_once {
            assert_eq!(rig.state(second), (State::Queued, Some("order".to_owned())));
        }
        rig.report(&first[0], CommandOutcome::Acknowledged);
        assert_eq!(rig.state(second).0 == State::Sent, after_delivery, "{order:?}");
        // No receipt arrives: its timer ends it.
        rig.passes(1_001);
        assert_eq!(rig.state(first[0].command), (State::TimedOut, Some("no-receipt".to_owned())));
        assert_eq!(rig.state(second).0, State::Sent, "{order:?}");
    }
}

/// azure-iot-sdk-csharp#157: one command that is never accepted blocked all later ones forever.
#[test]
fn a_command_that_is_never_accepted_blocks_later_ones_only_until_it_expires() {
    let mut rig = Rig::new();
    rig.comes("A", Reach::Session);
    let stuck = rig.made(|request| request.expires_in_ms = 5_000);
    let behind = rig.made(|_| {});
    assert_eq!(rig.sent().len(), 1);
    rig.passes(4_999);
    assert_eq!(rig.state(behind).0, State::Queued);
    rig.passes(2);
    let record = rig.record(stuck);
    assert_eq!((record.state, record.maybe_received), (State::Expired, true));
    let sent = rig.sent();
    assert_eq!((sent.len(), sent[0].command), (1, behind));
}

#[test]
fn an_expired_command_is_never_sent() {
    let mut rig = Rig::new();
    let id = rig.made(|request| request.expires_in_ms = 100);
    rig.now_ms += 100;
    rig.comes("A", Reach::Session);
    assert!(rig.sent().is_empty(), "DN-2");
    let record = rig.record(id);
    assert_eq!((record.state, record.maybe_received), (State::Expired, false));
}

#[test]
fn an_unacknowledged_command_is_sent_again_to_the_next_session() {
    let mut rig = Rig::new();
    rig.comes("A", Reach::Session);
    let id = rig.made(|_| {});
    let first = rig.sent();
    rig.goes("A", &first);
    assert_eq!(rig.state(id).0, State::Sent);
    rig.comes("A", Reach::Session);
    let second = rig.sent();
    assert_eq!((second[0].command, second[0].is_repeat), (id, true));
    // A late report of the first session does not count for the second one.
    rig.report(&first[0], CommandOutcome::Left);
    rig.report(&first[0], CommandOutcome::Refused(0x97));
    assert_eq!(rig.state(id).0, State::Sent);
    assert!(rig.sent().is_empty());
    // But an acknowledgement always counts.
    rig.report(&first[0], CommandOutcome::Acknowledged);
    assert_eq!(rig.state(id).0, State::Delivered);
}

#[test]
fn a_restart_keeps_every_state_and_sends_again_what_was_in_flight() {
    let mut rig = Rig::new();
    rig.comes("A", Reach::Session);
    let id = rig.made(|request| request.execute_within_ms = Some(10_000));
    let behind = rig.made(|_| {});
    rig.restart();
    assert_eq!((rig.state(id).0, rig.state(behind).0), (State::Sent, State::Queued));
    rig.comes("A", Reach::Session);
    let sent = rig.sent();
    assert_eq!((sent.len(), sent[0].command, sent[0].is_repeat), (1, id, true));
    rig.report(&sent[0], CommandOutcome::Acknowledged);
    rig.restart();
    rig.passes(10_001);
    assert_eq!(rig.state(id).0, State::TimedOut, "its timer is kept, too");
}

#[test]
fn refused_and_unsendable_commands_end_with_their_cause() {
    for (outcome, state, cause) in [
        (CommandOutcome::Refused(0x83), State::Rejected, "reason-code 0x83"),
        (CommandOutcome::TooLarge, State::Failed, "too-large"),
        (CommandOutcome::Forbidden, State::Failed, "not-authorized"),
    ] {
        let mut rig = Rig::new();
        rig.comes("A", Reach::Session);
        let id = rig.made(|_| {});
        let sent = rig.sent();
        rig.report(&sent[0], outcome);
        assert_eq!(rig.state(id), (state, Some(cause.to_owned())));
    }
}

#[test]
fn a_newer_command_with_the_same_key_supersedes_those_not_delivered() {
    let mut rig = Rig::new();
    rig.comes("A", Reach::Session);
    let key = |request: &mut crate::downlink::Request| request.supersede = Some("k".into());
    let sent_one = rig.made(key);
    let first = rig.sent();
    let newer = rig.made(key);
    let record = rig.record(sent_one);
    assert_eq!((record.state, record.maybe_received), (State::Superseded, true));
    assert_eq!(record.cause.as_deref(), Some(&*format!("by {newer}")));
    assert_eq!(rig.sent()[0].command, newer);
    // The vehicle had received it nevertheless.
    rig.report(&first[0], CommandOutcome::Acknowledged);
    assert_eq!(states(&rig, sent_one), ["queued", "sent", "superseded", "(late)"]);
    assert_eq!(rig.state(sent_one).0, State::Superseded);
}

#[test]
fn a_vehicle_has_a_bound_and_a_superseded_command_makes_room() {
    let mut rig = Rig::new();
    let key = |request: &mut crate::downlink::Request| request.supersede = Some("k".into());
    rig.made(key);
    for _ in 0..3 {
        rig.made(|_| {});
    }
    let request = rig.request("A");
    let refused = rig.create(request).expect_err("it is one too many");
    assert_eq!(refused, Refused::TooManyOpen { vehicle: "A".into(), max: 4 });
    rig.made(key);
    let other = rig.request("B");
    rig.create(other).expect("another vehicle has its own bound");
}

#[test]
fn an_idempotency_key_makes_one_command_also_within_a_turn_and_across_a_restart() {
    let mut rig = Rig::new();
    let request = rig.keyed("A", "k", 1);
    let first = rig.create(request).expect("it is made");
    rig.restart();
    let request = rig.keyed("A", "k", 1);
    let again = rig.create(request).expect("it is the same");
    assert_eq!((again.is_repeat, again.record.request.id), (true, first.record.request.id));
    let request = rig.keyed("A", "k", 2);
    assert!(matches!(rig.create(request), Err(Refused::KeyTaken { .. })));
    let request = rig.keyed("B", "k", 2);
    assert!(!rig.create(request).expect("another vehicle").is_repeat);
    // Two in one turn.
    let requests = [rig.keyed("C", "j", 1), rig.keyed("C", "j", 1), rig.keyed("C", "j", 2)];
    let (reply, mut replied) = tokio::sync::oneshot::channel();
    let requests = requests.into_iter().map(std::sync::Arc::new).collect();
    rig.turn(vec![super::super::Job::Create(requests, Some(reply))]);
    let placed = replied.try_recv().expect("they are answered");
    let id = |place: usize| placed[place].as_ref().expect("it is there").record.request.id;
    assert_eq!(id(0), id(1));
    assert!(matches!(&placed[2], Err(Refused::KeyTaken { .. })));
}

#[test]
fn a_command_can_be_cancelled_unless_it_is_delivered() {
    let mut rig = Rig::new();
    let id = rig.made(|_| {});
    assert_eq!(rig.cancel(id), Ok(Cancelling::Cancelled));
    assert_eq!(rig.cancel(id), Ok(Cancelling::Cancelled), "it is what was asked for");
    assert!(!rig.record(id).maybe_received);
    rig.comes("A", Reach::Session);
    assert!(rig.sent().is_empty());
    // In flight: the acknowledgement decides.
    let id = rig.made(|_| {});
    let sent = rig.sent();
    assert_eq!(rig.cancel(id), Ok(Cancelling::Requested));
    assert!(rig.record(id).cancel_requested);
    rig.report(&sent[0], CommandOutcome::Acknowledged);
    assert_eq!(rig.state(id).0, State::Delivered);
    assert_eq!(rig.cancel(id), Err(Refused::AlreadyDelivered(id)));
    // Or the end of the session without one.
    let id = rig.made(|_| {});
    let sent = rig.sent();
    assert_eq!(rig.cancel(id), Ok(Cancelling::Requested));
    rig.goes("A", &sent);
    let record = rig.record(id);
    assert_eq!((record.state, record.maybe_received), (State::Cancelled, true));
    let expired = rig.made(|request| request.expires_in_ms = 1);
    rig.passes(2);
    let ended = Refused::AlreadyEnded { id: expired, state: "expired" };
    assert_eq!(rig.cancel(expired), Err(ended));
}

#[test]
fn the_audit_shows_who_sent_and_cancelled_what() {
    let mut rig = Rig::new();
    let id = rig.made(|_| {});
    rig.cancel(id).expect("it is taken back");
    let audit = rig.reader().audit(0, 10).expect("it is read");
    let told: Vec<_> = audit
        .iter()
        .map(|entry| (&*entry.who, &*entry.action, entry.id, &*entry.vehicle))
        .collect();
    assert_eq!(told, [("tests", "send", id, "A"), ("tests", "cancel", id, "A")]);
}

#[test]
fn ended_commands_are_deleted_after_their_time_and_numbers_are_not_reused() {
    let mut rig = Rig::new();
    let id = rig.made(|request| request.expires_in_ms = 1);
    rig.passes(2);
    let last = rig.made(|request| request.expires_in_ms = 1);
    rig.passes(2);
    let later = rig.now_ms + 3_600_001;
    assert!(!rig.engine.sweep(later).expect("it is deleted"));
    assert!(rig.reader().command(id).expect("it is read").is_none());
    let feed = rig.reader().feed(0, 100).expect("it is read");
    let number = feed.last().expect("the newest is kept").change.number;
    assert_eq!(feed.last().map(|entry| entry.id), Some(last));
    rig.restart();
    rig.made(|_| {});
    let feed = rig.reader().feed(number, 100).expect("it is read");
    assert_eq!(feed[0].change.number, number + 1);
}
