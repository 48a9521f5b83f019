//! What a failure asks of whoever meets it.

/// The decision that an error calls for; each error enum maps every variant to one, without a
/// default, so that a new variant does not compile until somebody decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// May succeed unchanged later: keep the input and try again.
    Retry,
    /// This input can never succeed: set it aside and go on.
    Reject,
    /// The environment or an invariant is broken: stop accepting until somebody restarts us.
    Halt,
}
