//! The log that letters go to: a spool of its own with a commit thread of its own.

use std::{io, sync::Arc, thread::JoinHandle};

use tokio::sync::mpsc;

use crate::{
    dead_letter::{Options, letter},
    env::disk::Disk,
    model::{DeadLetter, LineDialect},
    spool::{
        self, Budget, CommitHandle, CommitOptions, CommitState, Committer, EntryBuffer, Recovery,
        Reply, Submission,
    },
    telemetry::{CauseLabel, CauseName, Critical, Health, HealthBoard, Metrics},
};

/// The part's name on the health board.
const PART: &str = "dead-letter";

/// Bytes of letters after which [`Handle::record`] begins another entry.
const ENTRY_BYTES_MAX: usize = 1 << 20;

/// Appends a letter to an entry: one line of JSON, and one item more.
///
/// Whoever submits the entry counts the letter once it is durable.
pub fn encode(letter: &DeadLetter, into: &mut EntryBuffer) {
    letter::write(letter, into.bytes_mut());
    into.items += 1;
}

/// An open dead-letter log.
#[derive(Debug)]
pub struct Log {
    /// What writes to it.
    pub handle: Handle,
    /// What was found in the folder.
    pub recovery: Recovery,
    thread: JoinHandle<()>,
}

/// Writes to the log; every clone writes to the same.
#[derive(Clone, Debug)]
pub struct Handle {
    commit: CommitHandle,
    metrics: Arc<Metrics>,
    /// Bytes that the log takes on disk.
    budget: Arc<Budget>,
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

/// Opens the log and starts its thread. Its state is told on the board: waiting when it is full,
/// failed when it has halted. Critical, because whoever has something to set aside then waits.
///
/// # Errors
/// See [`OpenError`].
pub fn open(
    disk: Arc<dyn Disk>,
    options: Options,
    metrics: Arc<Metrics>,
    board: &HealthBoard,
) -> Result<Log, OpenError> {
    let budget = Arc::new(Budget::new(options.bytes_max));
    let spool = spool::Options {
        dir: options.dir,
        // Letters are JSON; the header needs a dialect, and this one is understood everywhere.
        dialect: LineDialect::Signed,
        segment_bytes_max: options.segment_bytes_max,
        budget: Arc::clone(&budget),
    };
    let opened =
        spool::open(disk, spool).map_err(|source| OpenError::Spool { source: Box::new(source) })?;
    let cell = board.cell(PART, Critical::Yes);
    cell.set(Health::Ready);
    let on_state = Box::new(move |state: &CommitState| {
        cell.set(match state {
            CommitState::Running => Health::Ready,
            CommitState::Full => Health::Waiting("no room for dead letters".to_owned()),
            CommitState::Halted { reason } => Health::Failed(reason.to_string()),
        });
    });
    let commit = CommitOptions { interval: options.commit_interval, ..CommitOptions::default() };
    let (commit, thread) = Committer::start(PART, opened.writer, commit, None, on_state)
        .map_err(|source| OpenError::Thread { source })?;
    let handle = Handle { commit, metrics, budget };
    handle.measure();
    Ok(Log { handle, recovery: opened.recovery, thread })
}

impl Log {
    /// Makes durable what was submitted, then ends the thread. What is submitted later is refused.
    ///
    /// # Panics
    /// If the thread panicked.
    pub fn close(self) {
        self.handle.commit.stop();
        if let Err(panic) = self.thread.join() {
            std::panic::resume_unwind(panic);
        }
    }

    /// Whether the thread is there; one that is not has panicked.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.thread.is_finished()
    }
}

impl Handle {
    /// For whoever gathers entries of letters with [`encode`] and waits for them in its own way.
    #[must_use]
    pub fn commit_handle(&self) -> CommitHandle {
        self.commit.clone()
    }

    /// Makes letters durable; returns when they are. Waits while the log is full.
    ///
    /// # Errors
    /// [`Halted`] if any of them is not durable and never will be.
    pub async fn record(&self, letters: &[DeadLetter]) -> Result<(), Halted> {
        let (to, mut settled) = mpsc::unbounded_channel();
        let submit = |entry, token| {
            let reply = Reply { to: to.clone(), lane: 0, token };
            self.commit.submit(Submission { entry, points: 0, reply });
        };
        let mut submitted = 0;
        let mut entry = EntryBuffer::new();
        for letter in letters {
            encode(letter, &mut entry);
            if entry.len() >= ENTRY_BYTES_MAX {
                submit(std::mem::take(&mut entry), submitted);
                submitted += 1;
            }
        }
        if !entry.is_empty() {
            submit(entry, submitted);
            submitted += 1;
        }
        for _ in 0..submitted {
            if !settled.recv().await.is_some_and(|settled| settled.durable) {
                return Err(Halted);
            }
        }
        for letter in letters {
            let label = CauseLabel { cause: CauseName(letter.cause) };
            self.metrics.dead_letter_written_letters.get_or_create_owned(&label).inc();
        }
        self.measure();
        Ok(())
    }

    /// Brings the gauge of bytes on disk up to date.
    pub fn measure(&self) {
        let used = i64::try_from(self.budget.used()).unwrap_or(i64::MAX);
        self.metrics.dead_letter_disk_bytes.set(used);
    }
}
