//! Lends a value to a call on a thread for blocking work.

use crate::env::blocking;

/// Lends the value in `place` to a call that reads or writes files, and puts it back afterwards.
///
/// # Panics
/// If the call panics, or the place is empty: calls on one value do not overlap.
pub(super) async fn lend<S: Send + 'static, T: Send + 'static>(
    place: &mut Option<S>,
    call: impl FnOnce(&mut S) -> T + Send + 'static,
) -> T {
    let mut lent = place.take().expect("calls do not overlap");
    let called = blocking(move || {
        let result = call(&mut lent);
        (lent, result)
    });
    let (back, result) = called.await;
    *place = Some(back);
    result
}
