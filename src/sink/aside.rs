//! Calls that may block, beside the runtime: it also serves requests.

/// Lends what is in a place to a call that reads or writes files, and puts it back.
///
/// # Panics
/// If the call panics, or the place is empty: calls on one thing do not overlap.
pub(super) async fn aside<S: Send + 'static, T: Send + 'static>(
    place: &mut Option<S>,
    call: impl FnOnce(&mut S) -> T + Send + 'static,
) -> T {
    let mut lent = place.take().expect("calls do not overlap");
    let called = tokio::task::spawn_blocking(move || {
        let result = call(&mut lent);
        (lent, result)
    });
    let (back, result) = match called.await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_cancelled) => std::future::pending().await,
        },
    };
    *place = Some(back);
    result
}
