//! A thing that is lent to a call that may block.

use crate::env::blocking;

/// Lends what is in a place to a call that reads or writes files, and puts it back.
///
/// # Panics
/// If the call panics, or the place is empty: calls on one thing do not overlap.
pub(super) async fn aside<S: Send + 'static, T: Send + 'static>(
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
