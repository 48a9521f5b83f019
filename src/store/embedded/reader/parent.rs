//! The parent's side of a native question: a child that answers it, and its end.

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
        ask::{Ask, AskError, AskLimits, QuestionLimit, Rows},
        embedded::reader::frames::{Frame, HEAD_BYTES, NativeQuestion},
        options::{Embedded, QuestionLimits},
    },
};

/// How long a child that has closed its output may take to end.
const END_TIME_MAX: Duration = Duration::from_secs(1);

/// Answers with the columns; the rows come as the child gives them. The child is killed where
/// nobody waits for them any more, or the time is over.
pub(super) async fn ask(
    program: &Path,
    options: &Embedded,
    turns: &Arc<Semaphore>,
    ask: Ask,
    limits: AskLimits,
) -> Result<Rows, AskError> {
    let bounds = options.questions.clone();
    let mut deadline = Box::pin(tokio::time::sleep(limits.time_max));
    let turn = tokio::select! {
        () = &mut deadline => return Err(AskError::time(&limits)),
        turn = Arc::clone(turns).acquire_owned() => turn.expect("the semaphore is never closed"),
    };
    let unavailable = |error: std::io::Error| AskError::Unavailable {
        reason: format!("no process for the question: {error}"),
    };
    let mut child = Command::new(program)
        .arg("answer-question")
        // It needs nothing of ours, least of all a token.
        .env_clear()
        .env("SQLITE_TMPDIR", ".")
        // The allocator's reserve is no memory of the question until it is used.
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
    let question = NativeQuestion {
        partition: options.partition,
        text: ask.text,
        params: ask.params,
        limits,
        bounds: bounds.clone(),
    };
    let mut answer = Answer { child, output, bounds, limits, deadline, _turn: turn };
    // A child that reads nothing has ended, which its answer shows.
    drop(input.write_all(&question.to_bytes()).await);
    drop(input);
    let columns = match answer.next().await? {
        Frame::Columns(columns) => columns,
        Frame::Error(error) => return Err(error),
        Frame::Rows(_) | Frame::End => return Err(AskError::broken("it has no columns")),
    };
    let (sender, chunks) = mpsc::channel(Rows::CHUNKS_AHEAD);
    tokio::spawn(answer.pass_on(sender));
    Ok(Rows { columns, chunks })
}

/// An answer on its way; dropping it kills the child.
struct Answer {
    child: Child,
    output: ChildStdout,
    bounds: QuestionLimits,
    limits: AskLimits,
    deadline: Pin<Box<Sleep>>,
    _turn: OwnedSemaphorePermit,
}

impl Answer {
    /// The next frame.
    async fn next(&mut self) -> Result<Frame, AskError> {
        let timed_out = AskError::time(&self.limits);
        let Self { output, deadline, bounds, .. } = self;
        let read = tokio::select! {
            () = deadline => return Err(timed_out),
            read = frame(output, bounds.memory_bytes) => read,
        };
        match read {
            Ok(Some(frame)) => Ok(frame),
            Ok(None) => Err(AskError::broken("the process of the question makes no sense")),
            Err(_cut_off) => Err(self.end().await),
        }
    }

    /// Why the child has ended before its answer.
    async fn end(&mut self) -> AskError {
        let status = tokio::time::timeout(END_TIME_MAX, self.child.wait()).await;
        let signal = status.ok().and_then(Result::ok).and_then(|status| status.signal());
        let signal = signal.and_then(Signal::from_named_raw);
        let too_large = |limit| AskError::TooLarge { limit, max: self.bounds.of(limit) };
        match signal {
            Some(Signal::XFSZ) => too_large(QuestionLimit::Temporary),
            Some(Signal::XCPU) => AskError::time(&self.limits),
            // No memory for a row of ours, or the kernel chose it to have more for the others.
            Some(Signal::ABORT | Signal::KILL | Signal::SEGV) => too_large(QuestionLimit::Memory),
            _ => AskError::broken("the process of the question ended before its answer"),
        }
    }

    /// Hands rows on until the end, an error, or nobody listens.
    async fn pass_on(mut self, sender: mpsc::Sender<Result<Vec<Row>, AskError>>) {
        loop {
            let next = tokio::select! {
                () = sender.closed() => return,
                next = self.next() => next,
            };
            let rows = match next {
                Ok(Frame::Rows(rows)) => Ok(rows),
                Ok(Frame::End) => return,
                Ok(Frame::Error(error)) | Err(error) => Err(error),
                Ok(Frame::Columns(_)) => Err(AskError::broken("it has columns twice")),
            };
            let is_last = rows.is_err();
            let is_sent = tokio::select! {
                sent = sender.send(rows) => sent.is_ok(),
                () = &mut self.deadline => {
                    // A reader that is behind sees the answer cut off instead.
                    drop(sender.try_send(Err(AskError::time(&self.limits))));
                    false
                }
            };
            if is_last || !is_sent {
                return;
            }
        }
    }
}

/// Reads one frame; nothing where it is none.
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
