//! Runs blocking calls outside the runtime's own threads, which also serve requests.

use std::{future::pending, panic::resume_unwind};

use tokio::task::{JoinHandle, spawn_blocking};

/// Runs a call that may block (disk, SQLite, long computations) on the runtime's blocking threads,
/// and waits for it as [`joined`] does.
pub(crate) async fn blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    joined(spawn_blocking(call)).await
}

/// Waits for a task that is never aborted.
///
/// Such a task is cancelled in one case: its runtime ends before the task has begun. Then the
/// waiting task ends with the runtime too. Until then it gets no result: there is none, and this is
/// not a failure.
///
/// # Panics
/// If the task panics, with its panic.
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
    fn a_result_and_a_panic_reach_the_waiting_task() {
        let runtime = Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(blocking(|| 7)), 7);
        let panic = catch_unwind(|| runtime.block_on(blocking(|| panic!("within")))).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"within"));
    }

    /// As in a start that fails: the runtime ends while some of its tasks still wait.
    #[test]
    fn a_task_whose_runtime_ends_first_gives_no_result_and_no_panic() {
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
