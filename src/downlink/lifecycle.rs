//! The states of a command, and what leads from one to the next: forward only (DN-3).

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
    /// Whether nothing follows.
    #[must_use]
    pub const fn is_final(self, expects_receipt: bool) -> bool {
        match self {
            Self::Queued | Self::Sent => false,
            Self::Delivered => !expects_receipt,
            _ => true,
        }
    }

    /// As it is stored.
    pub(super) fn code(self) -> u8 {
        self as u8
    }

    /// Out of what was stored.
    pub(super) fn of_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// By its name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|state| state.as_str() == name)
    }
}

/// What a receipt says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The vehicle is at it.
    Progress,
    /// It was done.
    Done,
    /// It failed.
    Failed,
    /// The vehicle does not do it.
    Rejected,
}

/// What happens to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Happening {
    /// It leaves for a session.
    Leaves,
    /// Its PUBACK or PUBCOMP came.
    Acknowledged,
    /// Its PUBACK or PUBREC came, with a reason of 0x80 or more.
    Refused,
    /// It cannot be sent to the session that it was for.
    Unsendable,
    /// A receipt came.
    Receipt(Verdict),
    /// `expires-in` is over.
    Expires,
    /// `execute-within` is over.
    TimesOut,
    /// An operator takes it back, and nothing of it is under way.
    Cancelled,
    /// A newer one takes its place.
    Superseded,
    /// Its `still` does not hold.
    NoLongerHolds,
}

/// What follows from a happening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is in this state now.
    Becomes(State),
    /// It was delivered by this, and then comes this.
    DeliveredThen(State),
    /// It was delivered by this, and this is noted.
    DeliveredNoting(Note),
    /// Nothing changes, and this is noted.
    Notes(Note),
    /// Nothing.
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

/// What a happening does to a command in a state.
#[must_use]
pub fn step(state: State, happening: Happening) -> Step {
    use Happening as H;
    use State as S;
    match (state, happening) {
        (S::Queued, H::Leaves) => Step::Becomes(S::Sent),
        (S::Queued | S::Sent, H::Expires) => Step::Becomes(S::Expired),
        (S::Queued | S::Sent, H::Cancelled) => Step::Becomes(S::Cancelled),
        (S::Queued | S::Sent, H::Superseded) => Step::Becomes(S::Superseded),
        (S::Queued, H::NoLongerHolds) => Step::Becomes(S::Skipped),
        (S::Sent, H::Acknowledged) => Step::Becomes(S::Delivered),
        (S::Sent, H::Refused) => Step::Becomes(S::Rejected),
        (S::Sent, H::Unsendable) => Step::Becomes(S::Failed),
        (S::Sent, H::Receipt(verdict)) => match ended(verdict) {
            Some(end) => Step::DeliveredThen(end),
            None => Step::DeliveredNoting(Note::Progress),
        },
        (S::Delivered, H::Receipt(verdict)) => match ended(verdict) {
            Some(end) => Step::Becomes(end),
            None => Step::Notes(Note::Progress),
        },
        (S::Delivered, H::TimesOut) => Step::Becomes(S::TimedOut),
        // The vehicle had it all the same.
        (S::Expired | S::Cancelled | S::Superseded, H::Acknowledged | H::Receipt(_))
        | (S::Done | S::Failed | S::Rejected | S::TimedOut, H::Receipt(_)) => {
            Step::Notes(Note::Late)
        }
        // Whatever else comes has come before, or is about a command that never left.
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
        ) => Step::Stays,
    }
}

/// The state that a receipt ends a command with.
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

    const HAPPENINGS: [Happening; 13] = [
        Happening::Leaves,
        Happening::Acknowledged,
        Happening::Refused,
        Happening::Unsendable,
        Happening::Receipt(Verdict::Progress),
        Happening::Receipt(Verdict::Done),
        Happening::Receipt(Verdict::Failed),
        Happening::Receipt(Verdict::Rejected),
        Happening::Expires,
        Happening::TimesOut,
        Happening::Cancelled,
        Happening::Superseded,
        Happening::NoLongerHolds,
    ];

    fn rank(state: State) -> u8 {
        match state {
            State::Queued => 0,
            State::Sent => 1,
            State::Delivered => 2,
            _ => 3,
        }
    }

    /// Every pair there is: nothing leads back (DN-3), nothing is delivered but by what the vehicle
    /// said, and what has ended stays as it ended.
    #[test]
    fn every_step_leads_forward_and_only_the_vehicle_delivers() {
        for state in State::ALL.iter().copied() {
            for happening in HAPPENINGS {
                let said = matches!(happening, Happening::Acknowledged | Happening::Receipt(_));
                match step(state, happening) {
                    Step::Becomes(next) => {
                        assert!(rank(next) > rank(state), "{state:?} {happening:?} {next:?}");
                        assert_eq!(next == State::Delivered, said && state == State::Sent);
                        if matches!(next, State::Done | State::TimedOut) {
                            assert_eq!(state, State::Delivered);
                        }
                    }
                    Step::DeliveredThen(next) => {
                        assert!(said && state == State::Sent && rank(next) == 3);
                    }
                    Step::DeliveredNoting(_) => assert!(said && state == State::Sent),
                    Step::Notes(_) => assert!(said),
                    Step::Stays => {}
                }
            }
        }
    }

    #[test]
    fn states_are_stored_by_numbers_that_stay() {
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
