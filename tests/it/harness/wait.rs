//! Level-triggered waiting for a state: the only place that pauses.

use std::{
    thread,
    time::{Duration, Instant},
};

const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `look` finds something, and returns it.
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

/// A short pause, in a loop that checks again afterwards.
pub(crate) fn pause() {
    thread::sleep(PAUSE);
}
