//! For any events in any order: states only move forward, a command is delivered only if its own
//! vehicle has acknowledged or answered it, and what was answered to a caller is still true after a
//! crash.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::rig::Rig;
use crate::{
    downlink::{
        lifecycle::State,
        record::{Record, What},
    },
    mapping::Order,
    model::{CommandId, CommandOutcome, OutgoingCommand, Reach},
};

const VEHICLES: [&str; 2] = ["A", "B"];
const STATUSES: [&str; 5] = ["done", "failed", "rejected", "progress", "unheard-of"];

#[derive(Clone, Debug)]
enum Op {
    Create {
        vehicle: usize,
        order: usize,
        expires_ms: u64,
        receipt: bool,
        supersede: bool,
    },
    Cancel(usize),
    Comes(usize),
    ComesUnsubscribed(usize),
    Goes(usize),
    /// An acknowledgement of a command that was sent, now or long ago.
    Acknowledges(usize),
    /// Its session refuses it.
    Refuses(usize, CommandOutcome),
    /// Its vehicle, or another one, sends a receipt for a command that was sent.
    Says {
        which: usize,
        status: usize,
        is_forged: bool,
    },
    Passes(i64),
    Crash,
}

fn op() -> impl Strategy<Value = Op> {
    let vehicle = 0..VEHICLES.len();
    prop_oneof![
        4 => (vehicle.clone(), 0..3_usize, 1..20_000_u64, any::<bool>(), any::<bool>()).prop_map(
            |(vehicle, order, expires_ms, receipt, supersede)| {
                Op::Create { vehicle, order, expires_ms, receipt, supersede }
            }
        ),
        1 => any::<usize>().prop_map(Op::Cancel),
        2 => vehicle.clone().prop_map(Op::Comes),
        1 => vehicle.clone().prop_map(Op::ComesUnsubscribed),
        1 => vehicle.prop_map(Op::Goes),
        3 => any::<usize>().prop_map(Op::Acknowledges),
        1 => any::<usize>().prop_map(|which| Op::Refuses(which, CommandOutcome::Refused(0x80))),
        1 => any::<usize>().prop_map(|which| Op::Refuses(which, CommandOutcome::NoRoom)),
        3 => (any::<usize>(), 0..STATUSES.len(), prop::bool::weighted(0.3)).prop_map(
            |(which, status, is_forged)| Op::Says { which, status, is_forged }
        ),
        2 => (1..10_000_i64).prop_map(Op::Passes),
        1 => Just(Op::Crash),
    ]
}

fn rank(state: State) -> u8 {
    match state {
        State::Queued => 0,
        State::Sent => 1,
        State::Delivered => 2,
        _ => 3,
    }
}

#[derive(Default)]
struct Model {
    made: Vec<CommandId>,
    /// Sent commands whose session is alive.
    held: BTreeMap<usize, Vec<OutgoingCommand>>,
    /// All commands that were ever sent.
    left: Vec<(usize, OutgoingCommand)>,
    /// Commands that their vehicle acknowledged or answered.
    proven: BTreeSet<CommandId>,
    seen: BTreeMap<CommandId, State>,
}

impl Model {
    fn play(&mut self, rig: &mut Rig, op: &Op) {
        match *op {
            Op::Create { vehicle, order, expires_ms, receipt, supersede } => {
                let mut request = rig.request(VEHICLES[vehicle]);
                request.order = Order::ALL[order].1;
                request.expires_in_ms = expires_ms;
                request.execute_within_ms = receipt.then_some(3_000);
                request.supersede = supersede.then(|| "k".into());
                if let Ok(placed) = rig.create(request) {
                    self.made.push(placed.record.request.id);
                }
            }
            Op::Cancel(which) if !self.made.is_empty() => {
                let id = self.made[which % self.made.len()];
                // A refusal is also an answer.
                drop(rig.cancel(id));
            }
            Op::Comes(vehicle) => self.comes(rig, vehicle, Reach::Session),
            Op::ComesUnsubscribed(vehicle) => self.comes(rig, vehicle, |_| Reach::NotSubscribed),
            Op::Goes(vehicle) => {
                let held = self.held.remove(&vehicle).unwrap_or_default();
                rig.goes(VEHICLES[vehicle], &held);
            }
            Op::Acknowledges(which) if !self.left.is_empty() => {
                let (vehicle, outgoing) = self.left[which % self.left.len()].clone();
                self.proven.insert(outgoing.command);
                self.held.entry(vehicle).or_default().retain(|held| *held != outgoing);
                rig.report(&outgoing, CommandOutcome::Acknowledged);
            }
            Op::Refuses(which, outcome) if !self.left.is_empty() => {
                let (vehicle, outgoing) = self.left[which % self.left.len()].clone();
                self.held.entry(vehicle).or_default().retain(|held| *held != outgoing);
                rig.report(&outgoing, outcome);
            }
            Op::Says { which, status, is_forged } if !self.left.is_empty() => {
                let (vehicle, outgoing) = self.left[which % self.left.len()].clone();
                let who = if is_forged { VEHICLES.len() - 1 - vehicle } else { vehicle };
                // A status that is not declared has no effect, and does not prove the delivery.
                if !is_forged && STATUSES[status] != "unheard-of" {
                    self.proven.insert(outgoing.command);
                }
                rig.says(VEHICLES[who], outgoing.command, STATUSES[status]);
            }
            Op::Passes(ms) => rig.passes(ms),
            Op::Crash => {
                self.held.clear();
                rig.restart();
            }
            Op::Cancel(_) | Op::Acknowledges(_) | Op::Refuses(..) | Op::Says { .. } => {}
        }
        for outgoing in rig.sent() {
            let vehicle = VEHICLES
                .iter()
                .position(|vehicle| outgoing.topic.contains(&format!("/{vehicle}/")));
            let vehicle = vehicle.expect("it goes to one of them");
            // DN-4: it is `sent` on disk. DN-2: it has not expired.
            let record = rig.record(outgoing.command);
            assert!(rank(record.state) >= 1, "it left as {:?}", record.state);
            assert!(record.expires_ms() > rig.now_ms, "an expired one left");
            assert_eq!(
                outgoing.is_repeat,
                self.left.iter().any(|(_, it)| it.command == outgoing.command)
            );
            self.held.entry(vehicle).or_default().push(outgoing.clone());
            self.left.push((vehicle, outgoing));
        }
        self.check(rig);
    }

    fn comes(
        &mut self,
        rig: &mut Rig,
        vehicle: usize,
        reach: impl FnOnce(crate::model::SessionId) -> Reach,
    ) {
        // An existing session is taken over, and ends before.
        let held = self.held.remove(&vehicle).unwrap_or_default();
        rig.goes(VEHICLES[vehicle], &held);
        rig.comes(VEHICLES[vehicle], reach);
    }

    fn check(&mut self, rig: &Rig) {
        for id in &self.made {
            let record = rig.record(*id);
            let before = self.seen.insert(*id, record.state);
            let is_same = before == Some(record.state);
            assert!(is_same || before.is_none_or(|it| rank(record.state) > rank(it)), "DN-3");
            check_history(&record);
            let was_delivered =
                record.history.iter().any(|it| it.what == What::State(State::Delivered));
            // DN-5
            assert!(!was_delivered || self.proven.contains(id), "{:?}", record.history);
            let is_answered = matches!(record.state, State::Done | State::Failed);
            assert!(!is_answered || self.proven.contains(id), "{:?}", record.history);
            if record.state == State::Expired {
                assert!(record.expires_ms() <= rig.now_ms);
            }
        }
    }
}

fn check_history(record: &Record) {
    let states: Vec<State> = record
        .history
        .iter()
        .filter_map(|change| match change.what {
            What::State(state) => Some(state),
            What::Note(_) => None,
        })
        .collect();
    assert_eq!(states.first(), Some(&State::Queued));
    assert_eq!(states.last(), Some(&record.state));
    assert!(states.windows(2).all(|two| rank(two[1]) > rank(two[0])), "{states:?}");
    assert!(record.history.windows(2).all(|two| two[1].number > two[0].number));
    let was_sent = states.contains(&State::Sent);
    let bears = matches!(record.state, State::Expired | State::Cancelled | State::Superseded);
    assert_eq!(record.maybe_received, was_sent && bears, "{states:?}");
}

proptest! {
    // A case is about thirty commits; PROPTEST_CASES sets their number.
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases / 5,
        ..ProptestConfig::default()
    })]

    #[test]
    fn states_move_forward_and_are_true_through_every_crash(
        ops in prop::collection::vec(op(), 1..40)
    ) {
        let mut rig = Rig::new();
        let mut model = Model::default();
        for op in &ops {
            model.play(&mut rig, op);
        }
        // Finally each command has ended, or waits.
        rig.passes(60_000);
        model.check(&rig);
        for id in &model.made {
            prop_assert!(rig.record(*id).has_ended());
        }
    }
}
