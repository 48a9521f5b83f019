//! The log and its handle: open, write, query, close.

use std::{collections::BTreeMap, io, path::PathBuf, sync::Arc, thread::JoinHandle};

use tokio::sync::{Semaphore, oneshot};

use crate::{
    dead_letter::{
        Letters, ListError, Options, Submission, find,
        letter_spool::LetterSpool,
        list,
        queue::{Action, ChangeRequest, Queue},
        summarize,
        thread::LogThread,
        to_json,
    },
    env::{Supervisor, blocking, disk::Disk},
    model::{
        DeadLetter, DeadLetters, LetterFilter, LetterId, LetterKind, LetterMark, LetterPage,
        LettersAnswer, LettersError,
    },
    spool,
    telemetry::{Chain, HealthBoard, Metrics},
};

/// The thread's name, and the log's on the health board.
pub(super) const NAME: &str = "dead-letter";

/// Bytes of letters after which [`Handle::record`] begins another entry.
const ENTRY_BYTES_MAX: usize = 1 << 20;

/// Readers of the log at once; each holds a thread that may read all of it.
const READERS_MAX: usize = 2;

/// An open dead-letter log.
#[derive(Debug)]
pub struct Log {
    /// Writes to it and queries it.
    pub handle: Handle,
    thread: JoinHandle<()>,
}

/// Writes to the log and queries it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    queue: Arc<Queue>,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// Bytes of letters in one entry of [`Handle::record`].
    entry_bytes_max: usize,
    readers: Arc<Semaphore>,
}

/// Why the log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its spool cannot be opened; the source says what to do.
    #[error("cannot open the dead-letter log")]
    Spool {
        /// Why.
        #[source]
        source: Box<spool::OpenError>,
    },
    /// The machine gives no thread; raise its limit.
    #[error("cannot start the dead-letter log's thread")]
    Thread {
        /// What the machine said.
        #[source]
        source: io::Error,
    },
}

/// The log takes nothing until a restart, because a write or sync failed. What was to be set aside
/// must neither be acknowledged nor passed by a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the dead-letter log is halted until a restart")]
pub struct Halted;

/// Opens the log and starts its thread.
///
/// # Errors
/// See [`OpenError`].
pub fn open(
    disk: Arc<dyn Disk>,
    options: Options,
    metrics: Arc<Metrics>,
    board: &HealthBoard,
    supervisor: &Supervisor,
) -> Result<Log, OpenError> {
    let messages = LetterSpool::open(Arc::clone(&disk), &options, LetterKind::Message)?;
    let points = LetterSpool::open(Arc::clone(&disk), &options, LetterKind::Point)?;
    let queue = Arc::new(Queue::default());
    let half = usize::try_from(options.segment_bytes(LetterKind::Point) / 2);
    let handle = Handle {
        queue: Arc::clone(&queue),
        disk,
        dir: options.dir.clone(),
        entry_bytes_max: half.unwrap_or(usize::MAX).min(ENTRY_BYTES_MAX),
        readers: Arc::new(Semaphore::new(READERS_MAX)),
    };
    let log_thread = LogThread::new(queue, messages, points, options, metrics, board);
    let guard = supervisor.guard(NAME);
    let thread = std::thread::Builder::new()
        .name(NAME.to_owned())
        .spawn(move || {
            let _guard = guard;
            log_thread.run();
        })
        .map_err(|source| OpenError::Thread { source })?;
    Ok(Log { handle, thread })
}

impl Log {
    /// Makes durable what was submitted, then ends the thread. Letters that wait for room or are
    /// submitted later never become durable.
    ///
    /// # Panics
    /// If the thread panicked.
    pub fn close(self) {
        self.handle.queue.stop();
        if let Err(panic) = self.thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Handle {
    /// Submits letters. Never blocks. Each submission is notified on its own, in any order: one
    /// that waits for room does not delay others.
    pub fn submit(&self, submissions: impl IntoIterator<Item = Submission>) {
        self.queue.submit(submissions);
    }

    /// Makes letters about points durable; returns when they are.
    ///
    /// # Errors
    /// [`Halted`] if any of them is not durable and never will be.
    pub async fn record(&self, letters: &[DeadLetter]) -> Result<(), Halted> {
        let mut receivers = Vec::new();
        let mut submissions = Vec::new();
        let mut submit = |letters: &mut Vec<DeadLetter>| {
            let (sender, receiver) = oneshot::channel();
            receivers.push(receiver);
            submissions.push(Submission {
                kind: LetterKind::Point,
                letters: std::mem::take(letters),
                durable: Box::new(move || {
                    // A receiver that is gone was cut off, and writes them again.
                    let _gone = sender.send(());
                }),
            });
        };
        let (mut group, mut bytes) = (Vec::new(), 0);
        for letter in letters {
            bytes += letter.line.as_ref().map_or(0, Vec::len) + 512;
            group.push(letter.clone());
            if bytes >= self.entry_bytes_max {
                submit(&mut group);
                bytes = 0;
            }
        }
        if !group.is_empty() {
            submit(&mut group);
        }
        self.submit(submissions);
        for durable in receivers {
            durable.await.map_err(|_dropped| Halted)?;
        }
        Ok(())
    }

    /// The matching letters behind a mark, oldest first. Blocks while it reads.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn letters(&self, filter: LetterFilter, after: LetterMark) -> Result<Letters, ListError> {
        list(Arc::clone(&self.disk), &self.dir, filter, after)
    }

    /// Replaces letters under their ids, or removes them, durably; returns how many it removed.
    /// Letters that are not there any more are skipped.
    ///
    /// # Errors
    /// As [`DeadLetters::remove`]: what was changed before stays so.
    pub async fn change(
        &self,
        changes: BTreeMap<LetterId, Option<DeadLetter>>,
    ) -> Result<u64, LettersError> {
        self.request(Action::Change(changes)).await
    }

    async fn request(&self, action: Action) -> Result<u64, LettersError> {
        let (answer, answered) = oneshot::channel();
        self.queue.request(ChangeRequest { action, answer });
        answered.await.unwrap_or(Err(LettersError::Halted))
    }

    /// Reads the log on a thread for blocking work.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Self) -> Result<T, LettersError> + Send + 'static,
    ) -> Result<T, LettersError> {
        let permit = Arc::clone(&self.readers).acquire_owned().await;
        let permit = permit.map_err(|_closed| LettersError::Halted)?;
        let handle = self.clone();
        let task = move || {
            // A read goes on when nobody waits for it any more, and keeps its permit.
            let _permit = permit;
            read(&handle)
        };
        blocking(task).await
    }
}

impl DeadLetters for Handle {
    fn page(
        &self,
        filter: LetterFilter,
        after: LetterMark,
        limit: usize,
    ) -> LettersAnswer<'_, LetterPage> {
        Box::pin(self.read(move |this| {
            let letters = this.letters(filter, after);
            let mut page = LetterPage::default();
            let mut mark = after;
            for letter in letters.map_err(|error| unreadable(&error))? {
                match letter {
                    Ok(_) if page.letters.len() == limit => {
                        page.after = Some(mark);
                        break;
                    }
                    Ok((id, letter)) => {
                        mark.pass(id);
                        page.letters.push(to_json(id, &letter));
                    }
                    // Another version wrote it; the others are shown all the same.
                    Err(error @ ListError::Letter { .. }) => {
                        tracing::warn!(error = %Chain(&error), "a dead letter is not shown");
                    }
                    Err(error) => return Err(unreadable(&error)),
                }
            }
            Ok(page)
        }))
    }

    fn find(&self, id: LetterId) -> LettersAnswer<'_, Option<String>> {
        Box::pin(self.read(move |this| {
            let found = find(Arc::clone(&this.disk), &this.dir, id);
            let found = found.map_err(|error| unreadable(&error))?;
            Ok(found.map(|letter| to_json(id, &letter)))
        }))
    }

    fn summary(&self, filter: LetterFilter, vehicles_max: usize) -> LettersAnswer<'_, String> {
        Box::pin(self.read(move |this| {
            let letters = this.letters(filter, LetterMark::default());
            let summary = letters.and_then(|letters| summarize(letters, vehicles_max));
            let summary = summary.map_err(|error| unreadable(&error))?;
            Ok(serde_json::to_string(&summary)
                .expect("text and numbers always serialise into memory"))
        }))
    }

    fn remove(&self, filter: LetterFilter) -> LettersAnswer<'_, u64> {
        Box::pin(self.request(Action::Remove(filter)))
    }
}

fn unreadable(error: &ListError) -> LettersError {
    LettersError::Unreadable { reason: Chain(error).to_string() }
}
