//! Calls that may block, beside a runtime's threads, which also serve requests.

use std::{future::pending, panic::resume_unwind};

use tokio::task::{JoinHandle, spawn_blocking};

/// Calls what may block (the disk, SQLite, long computations) beside the runtime's threads, and
/// waits for it as [`joined`] does.
pub(crate) async fn blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    joined(spawn_blocking(call)).await
}

/// Waits for a task that nobody aborts.
///
/// Such a task is cancelled in one case: its runtime ends before the task began. Whoever waits ends
/// with the runtime too, and until then it gets no answer: there is none, and it is no failure.
///
/// # Panics
/// If the task does, with its panic.
pub(crate) async fn joined<T>(task: JoinHandle<T>) -> T {
    match task.await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(_cancelled) => pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future as _, panic::catch_unwind, pin::pin, task::Poll, time::Duration};

    use tokio::runtime::Builder;

    use super::{blocking, joined};

    #[test]
    fn a_result_and_a_panic_reach_whoever_waits() {
        let runtime = Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(blocking(|| 7)), 7);
        let panic = catch_unwind(|| runtime.block_on(blocking(|| panic!("within")))).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"within"));
    }

    /// What a start that fails does: it ends the runtime while tasks of it still wait.
    #[test]
    fn a_task_whose_runtime_ends_first_answers_nobody_and_panics_nowhere() {
        let ended = Builder::new_current_thread().build().unwrap();
        let task = ended.spawn(std::future::pending::<()>());
        ended.shutdown_timeout(Duration::ZERO);
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut waiting = pin!(joined(task));
            for _ in 0..3 {
                let told =
                    std::future::poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context)));
                assert!(told.await.is_pending());
            }
        });
    }
}
