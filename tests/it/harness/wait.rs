//! Waiting for a state, however it comes about: the only place that pauses.

use std::{
    thread,
    time::{Duration, Instant},
};

const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `look` finds something, and gives it back.
#[track_caller]
pub(crate) fn until_some<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} in vain for: {what}");
        thread::sleep(PAUSE);
    }
}

/// Waits until `holds` is true.
#[track_caller]
pub(crate) fn until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    until_some(what, limit, || holds().then_some(()));
}

/// Lets others go on for a moment, in a loop that looks again afterwards.
pub(crate) fn pause() {
    thread::sleep(PAUSE);
}
