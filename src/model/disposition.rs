//! What the caller has to do about a failure.

/// What to do about an error. Each error enum maps every variant to one of these, without a
/// default, so that a new variant does not compile until somebody decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// May succeed unchanged later: keep the input and try again.
    Retry,
    /// This input can never succeed: set it aside and continue.
    Reject,
    /// The environment or an invariant is broken: stop accepting until a restart.
    Halt,
}
