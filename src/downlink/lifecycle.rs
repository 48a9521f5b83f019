//! The states of a command and their transitions: only forward (DN-3).

use crate::model::words;

words! {
    /// How far a command is.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum State;

    /// Durable, and has not left.
    Queued = "queued",
    /// On its way, which is durable before it leaves.
    Sent = "sent",
    /// The vehicle has it: its PUBACK, PUBCOMP or receipt came. Final where no receipt is expected.
    Delivered = "delivered",
    /// The vehicle's receipt says that it was done.
    Done = "done",
    /// The vehicle's receipt says that it failed, or its session could not be sent it.
    Failed = "failed",
    /// The vehicle's receipt, or the reason code of its acknowledgement, refuses it.
    Rejected = "rejected",
    /// Delivered, and no receipt came within `execute-within`.
    TimedOut = "timed-out",
    /// Not delivered within `expires-in`.
    Expired = "expired",
    /// Taken back by an operator before it was delivered.
    Cancelled = "cancelled",
    /// A newer one with the same `supersede` took its place before it was delivered.
    Superseded = "superseded",
    /// Its `still` did not hold any more when it was about to leave.
    Skipped = "skipped",
}

impl State {
    /// Whether no other state follows.
    #[must_use]
    pub const fn is_final(self, expects_receipt: bool) -> bool {
        match self {
            Self::Queued | Self::Sent => false,
            Self::Delivered => !expects_receipt,
            _ => true,
        }
    }

    /// The stored code.
    pub(super) fn code(self) -> u8 {
        self as u8
    }

    /// From the stored code.
    pub(super) fn of_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The state with this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|state| state.as_str() == name)
    }
}

/// The meaning of a receipt's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The vehicle is executing it.
    Progress,
    /// It was done.
    Done,
    /// It failed.
    Failed,
    /// The vehicle refuses it.
    Rejected,
}

/// An event of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// It is sent to a session.
    Leaves,
    /// Its PUBACK or PUBCOMP arrived.
    Acknowledged,
    /// Its PUBACK or PUBREC arrived with a reason code of 0x80 or more.
    Refused,
    /// It cannot be sent to its session.
    Unsendable,
    /// A receipt arrived.
    Receipt(Verdict),
    /// `expires-in` is over.
    Expires,
    /// `execute-within` is over.
    TimesOut,
    /// An operator cancels it, and it is not in flight.
    Cancelled,
    /// A newer one supersedes it.
    Superseded,
    /// Its `still` does not hold.
    NoLongerHolds,
}

/// The effect of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// It changes to this state.
    Becomes(State),
    /// It is delivered, and then changes to this state.
    DeliveredThen(State),
    /// It is delivered, and this is noted.
    DeliveredNoting(Note),
    /// Nothing changes, and this is noted.
    Notes(Note),
    /// Nothing changes.
    Stays,
}

words! {
    /// What is noted of a command without a change of its state.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Note;

    /// The vehicle says how far it is.
    Progress = "progress",
    /// An acknowledgement or a receipt that came after the command had ended.
    Late = "late",
}

/// The effect of an event on a command in a state.
#[must_use]
pub fn step(state: State, event: Event) -> Transition {
    use Event as H;
    use State as S;
    match (state, event) {
        (S::Queued, H::Leaves) => Transition::Becomes(S::Sent),
        (S::Queued | S::Sent, H::Expires) => Transition::Becomes(S::Expired),
        (S::Queued | S::Sent, H::Cancelled) => Transition::Becomes(S::Cancelled),
        (S::Queued | S::Sent, H::Superseded) => Transition::Becomes(S::Superseded),
        (S::Queued, H::NoLongerHolds) => Transition::Becomes(S::Skipped),
        (S::Sent, H::Acknowledged) => Transition::Becomes(S::Delivered),
        (S::Sent, H::Refused) => Transition::Becomes(S::Rejected),
        (S::Sent, H::Unsendable) => Transition::Becomes(S::Failed),
        (S::Sent, H::Receipt(verdict)) => match ended(verdict) {
            Some(end) => Transition::DeliveredThen(end),
            None => Transition::DeliveredNoting(Note::Progress),
        },
        (S::Delivered, H::Receipt(verdict)) => match ended(verdict) {
            Some(end) => Transition::Becomes(end),
            None => Transition::Notes(Note::Progress),
        },
        (S::Delivered, H::TimesOut) => Transition::Becomes(S::TimedOut),
        // The vehicle had received it nevertheless.
        (S::Expired | S::Cancelled | S::Superseded, H::Acknowledged | H::Receipt(_))
        | (S::Done | S::Failed | S::Rejected | S::TimedOut, H::Receipt(_)) => {
            Transition::Notes(Note::Late)
        }
        // Any other event is a repetition, or about a command that was never sent.
        (S::Queued, H::Acknowledged | H::Refused | H::Unsendable | H::Receipt(_) | H::TimesOut)
        | (S::Sent, H::Leaves | H::TimesOut | H::NoLongerHolds)
        | (
            S::Delivered,
            H::Leaves
            | H::Acknowledged
            | H::Refused
            | H::Unsendable
            | H::Expires
            | H::Cancelled
            | H::Superseded
            | H::NoLongerHolds,
        )
        | (
            S::Done
            | S::Failed
            | S::Rejected
            | S::TimedOut
            | S::Expired
            | S::Cancelled
            | S::Superseded
            | S::Skipped,
            _,
        ) => Transition::Stays,
    }
}

/// The final state after a receipt.
fn ended(verdict: Verdict) -> Option<State> {
    match verdict {
        Verdict::Progress => None,
        Verdict::Done => Some(State::Done),
        Verdict::Failed => Some(State::Failed),
        Verdict::Rejected => Some(State::Rejected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HAPPENINGS: [Event; 13] = [
        Event::Leaves,
        Event::Acknowledged,
        Event::Refused,
        Event::Unsendable,
        Event::Receipt(Verdict::Progress),
        Event::Receipt(Verdict::Done),
        Event::Receipt(Verdict::Failed),
        Event::Receipt(Verdict::Rejected),
        Event::Expires,
        Event::TimesOut,
        Event::Cancelled,
        Event::Superseded,
        Event::NoLongerHolds,
    ];

    fn rank(state: State) -> u8 {
        match state {
            State::Queued => 0,
            State::Sent => 1,
            State::Delivered => 2,
            _ => 3,
        }
    }

    /// For every pair: no transition leads back (DN-3), only the vehicle's answers make a command
    /// delivered, and a final state stays.
    #[test]
    fn every_transition_leads_forward_and_only_the_vehicle_delivers() {
        for state in State::ALL.iter().copied() {
            for event in HAPPENINGS {
                let said = matches!(event, Event::Acknowledged | Event::Receipt(_));
                match step(state, event) {
                    Transition::Becomes(next) => {
                        assert!(rank(next) > rank(state), "{state:?} {event:?} {next:?}");
                        assert_eq!(next == State::Delivered, said && state == State::Sent);
                        if matches!(next, State::Done | State::TimedOut) {
                            assert_eq!(state, State::Delivered);
                        }
                    }
                    Transition::DeliveredThen(next) => {
                        assert!(said && state == State::Sent && rank(next) == 3);
                    }
                    Transition::DeliveredNoting(_) => assert!(said && state == State::Sent),
                    Transition::Notes(_) => assert!(said),
                    Transition::Stays => {}
                }
            }
        }
    }

    #[test]
    fn states_are_stored_by_fixed_numbers() {
        for (code, state) in State::ALL.iter().copied().enumerate() {
            assert_eq!(
                (usize::from(state.code()), State::of_code(state.code())),
                (code, Some(state))
            );
            assert_eq!(State::of_name(state.as_str()), Some(state));
        }
        assert_eq!(State::Skipped.code(), 10);
        assert_eq!(State::of_code(11), None);
    }
}
