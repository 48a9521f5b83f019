//! The parent's side of a native query: starts a child that answers it, and ends it.

use std::{
    os::unix::process::ExitStatusExt as _, path::Path, pin::Pin, process::Stdio, sync::Arc,
    time::Duration,
};

use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, ChildStdout, Command},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::Sleep,
};

use crate::{
    model::Row,
    store::{
        embedded::reader::frames::{Frame, HEAD_BYTES, NativeQuery},
        options::{Embedded, NativeQueryLimits},
        query::{NativeQueryLimit, Rows, StoreQuery, StoreQueryError, StoreQueryLimits},
    },
};

/// How long a child that has closed its output may take to end.
const END_TIME_MAX: Duration = Duration::from_secs(1);

/// Returns the columns; the rows follow as the child sends them. The child is killed if nobody
/// waits for them any more, or if the time is over.
pub(super) async fn query(
    program: &Path,
    options: &Embedded,
    turns: &Arc<Semaphore>,
    query: StoreQuery,
    limits: StoreQueryLimits,
) -> Result<Rows, StoreQueryError> {
    let bounds = options.questions.clone();
    let mut deadline = Box::pin(tokio::time::sleep(limits.time_max));
    let turn = tokio::select! {
        () = &mut deadline => return Err(StoreQueryError::time(&limits)),
        turn = Arc::clone(turns).acquire_owned() => turn.expect("the semaphore is never closed"),
    };
    let unavailable = |error: std::io::Error| StoreQueryError::Unavailable {
        reason: format!("no process for the question: {error}"),
    };
    let mut child = Command::new(program)
        .arg("answer-question")
        // It needs nothing of our environment, least of all a token.
        .env_clear()
        .env("SQLITE_TMPDIR", ".")
        // Memory that the allocator only reserves does not count for the query.
        .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
        .current_dir(&options.dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(unavailable)?;
    let (mut input, output) =
        (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    let question = NativeQuery {
        partition: options.partition,
        text: query.text,
        params: query.params,
        limits,
        bounds: bounds.clone(),
    };
    let mut answer = Answer { child, output, bounds, limits, deadline, _turn: turn };
    // If the child does not read, it has ended, and its answer shows why.
    drop(input.write_all(&question.to_bytes()).await);
    drop(input);
    let columns = match answer.next().await? {
        Frame::Columns(columns) => columns,
        Frame::Error(error) => return Err(error),
        Frame::Rows(_) | Frame::End => return Err(StoreQueryError::broken("it has no columns")),
    };
    let (sender, chunks) = mpsc::channel(Rows::CHUNKS_AHEAD);
    tokio::spawn(answer.pass_on(sender));
    Ok(Rows { columns, chunks })
}

/// An answer that is being read; dropping it kills the child.
struct Answer {
    child: Child,
    output: ChildStdout,
    bounds: NativeQueryLimits,
    limits: StoreQueryLimits,
    deadline: Pin<Box<Sleep>>,
    _turn: OwnedSemaphorePermit,
}

impl Answer {
    /// The next frame.
    async fn next(&mut self) -> Result<Frame, StoreQueryError> {
        let timed_out = StoreQueryError::time(&self.limits);
        let Self { output, deadline, bounds, .. } = self;
        let read = tokio::select! {
            () = deadline => return Err(timed_out),
            read = frame(output, bounds.memory_bytes) => read,
        };
        match read {
            Ok(Some(frame)) => Ok(frame),
            Ok(None) => Err(StoreQueryError::broken("the process of the question makes no sense")),
            Err(_cut_off) => Err(self.end().await),
        }
    }

    /// The reason why the child has ended before its answer was complete.
    async fn end(&mut self) -> StoreQueryError {
        let status = tokio::time::timeout(END_TIME_MAX, self.child.wait()).await;
        let signal = status.ok().and_then(Result::ok).and_then(|status| status.signal());
        let signal = signal.and_then(Signal::from_named_raw);
        let too_large = |limit| StoreQueryError::TooLarge { limit, max: self.bounds.of(limit) };
        match signal {
            Some(Signal::XFSZ) => too_large(NativeQueryLimit::Temporary),
            Some(Signal::XCPU) => StoreQueryError::time(&self.limits),
            // The child had no memory for a row, or the kernel killed it to free memory.
            Some(Signal::ABORT | Signal::KILL | Signal::SEGV) => {
                too_large(NativeQueryLimit::Memory)
            }
            _ => StoreQueryError::broken("the process of the question ended before its answer"),
        }
    }

    /// Sends rows until the end, an error, or until the receiver is gone.
    async fn pass_on(mut self, sender: mpsc::Sender<Result<Vec<Row>, StoreQueryError>>) {
        loop {
            let next = tokio::select! {
                () = sender.closed() => return,
                next = self.next() => next,
            };
            let rows = match next {
                Ok(Frame::Rows(rows)) => Ok(rows),
                Ok(Frame::End) => return,
                Ok(Frame::Error(error)) | Err(error) => Err(error),
                Ok(Frame::Columns(_)) => Err(StoreQueryError::broken("it has columns twice")),
            };
            let is_last = rows.is_err();
            let is_sent = tokio::select! {
                sent = sender.send(rows) => sent.is_ok(),
                () = &mut self.deadline => {
                    // If the receiver is slow, it sees an incomplete answer instead.
                    drop(sender.try_send(Err(StoreQueryError::time(&self.limits))));
                    false
                }
            };
            if is_last || !is_sent {
                return;
            }
        }
    }
}

/// Reads one frame; `None` if it is invalid.
async fn frame(output: &mut ChildStdout, bytes_max: u64) -> std::io::Result<Option<Frame>> {
    let mut head = [0; HEAD_BYTES];
    output.read_exact(&mut head).await?;
    let [kind, length @ ..] = head;
    let length = u32::from_le_bytes(length);
    if u64::from(length) > bytes_max {
        return Ok(None);
    }
    let mut body = vec![0; length as usize];
    output.read_exact(&mut body).await?;
    Ok(Frame::read(kind, &body))
}
