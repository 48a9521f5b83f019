//! The journal: opens, writes, queries and closes it.

use std::{
    io, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
};

use super::{
    change::{Change, OnAnswer},
    fetch::{self, DueWill, FetchJob, Piece, Wanted},
    maintenance::JournalMaintenance,
    options::Options,
    record::Terms,
    recovery::{OpenError, Recovery, recover},
    table::{Facts, Table},
};
use crate::{
    env::{Supervisor, disk::Disk},
    model::{SessionId, UnixNanos},
    spool::{Budget, CommitHandle, CommitState, Committer, Feed},
    telemetry::{Critical, Health, HealthBoard, Metrics},
};

/// The snapshot's name in the journal's folder.
pub(super) const TABLE_NAME: &str = "table";
/// The journal's name on the health board, and its thread's.
const NAME: &str = "sessions";

/// The state that all users of the journal share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Changed only by the journal's thread (except marks of what was handed out); a mutex because
    /// other threads read it briefly.
    table: Mutex<Table>,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) options: Options,
    pub(super) budget: Arc<Budget>,
    pub(super) metrics: Arc<Metrics>,
    is_halted: AtomicBool,
}

impl Shared {
    pub(super) fn new(
        table: Table,
        disk: Arc<dyn Disk>,
        options: Options,
        budget: Arc<Budget>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { table: Mutex::new(table), disk, options, budget, metrics, is_halted: false.into() }
    }

    /// Whether there is no room on disk for records that can be refused.
    pub(super) fn is_full(&self) -> bool {
        self.budget.used() > self.options.full_bytes()
    }

    /// Poisoning is ignored: each change of the table is one step.
    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    /// The handle to it.
    pub sessions: Sessions,
    /// What was found at the start.
    pub recovery: Recovery,
    commit: CommitHandle,
    threads: [JoinHandle<()>; 2],
}

/// The handle to persistent sessions; all clones share one journal.
#[derive(Clone, Debug)]
pub struct Sessions {
    pub(super) shared: Arc<Shared>,
    commit: CommitHandle,
    asks: mpsc::Sender<FetchJob>,
}

/// Opens the journal and starts its threads.
///
/// # Errors
/// See [`OpenError`]: in use, of another version, or the disk does not work.
pub fn open(
    disk: Arc<dyn Disk>,
    options: Options,
    now: UnixNanos,
    metrics: Arc<Metrics>,
    board: &HealthBoard,
    supervisor: &Supervisor,
) -> Result<Journal, OpenError> {
    let recovered = recover(&disk, &options, now)?;
    let recovery = recovered.recovery;
    recovery.tell();
    let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    metrics.sessions_limit_bytes.set(gauge(options.bytes_max));
    metrics.sessions_damaged_frames.inc_by(recovery.damaged_frames);
    let segment_bytes = options.segment_bytes();
    let commit_options = options.commit.clone();
    let budget = recovered.budget;
    let shared = Arc::new(Shared::new(recovered.table, disk, options, budget, metrics));
    let maintenance = JournalMaintenance::new(Arc::clone(&shared), segment_bytes, recovered.upto);
    let cell = board.cell(NAME, Critical::Yes);
    cell.set(Health::Ready);
    let told = Arc::clone(&shared);
    let on_state = move |state: &CommitState| {
        cell.set(match state {
            CommitState::Running => Health::Ready,
            CommitState::Full => Health::Waiting(
                "no room for the session journal: what changes sessions waits".to_owned(),
            ),
            CommitState::Halted { reason } => {
                told.is_halted.store(true, Ordering::SeqCst);
                Health::Failed(reason.to_string())
            }
        });
    };
    let thread_error = |source| OpenError::Thread { source };
    let (commit, committing) = Committer::start_with_maintenance(
        supervisor.guard(NAME),
        recovered.writer,
        commit_options,
        None,
        Box::new(on_state),
        Box::new(maintenance),
    )
    .map_err(thread_error)?;
    let (asks, asked) = mpsc::channel();
    let serving = Arc::clone(&shared);
    let guard = supervisor.guard("sessions-read");
    let fetching = std::thread::Builder::new().name("sessions-read".to_owned()).spawn(move || {
        let _guard = guard;
        fetch::serve(&serving, &asked);
    });
    let threads = [committing, fetching.map_err(thread_error)?];
    let sessions = Sessions { shared, commit: commit.clone(), asks };
    Ok(Journal { sessions, recovery, commit, threads })
}

impl Journal {
    /// Makes everything durable that was handed over, writes a snapshot, and ends the threads.
    ///
    /// # Panics
    /// If one of its threads has panicked.
    pub fn close(self) {
        self.commit.stop();
        // A thread that has ended already needs no stop.
        drop(self.sessions.asks.send(FetchJob::Stop));
        for thread in self.threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

impl Sessions {
    /// Opens a feed to the journal. All workers share one, so that changes become durable in the
    /// order in which they are handed over.
    #[must_use]
    pub fn feed<T: Send + 'static>(&self) -> Feed<Change<T>> {
        self.commit.feed()
    }

    /// A change without records.
    #[must_use]
    pub fn change<T>(&self, on_answer: &OnAnswer<T>) -> Box<Change<T>> {
        Box::new(Change::new(Arc::clone(&self.shared), Arc::clone(on_answer)))
    }

    /// Whether nothing becomes durable until a restart.
    #[must_use]
    pub fn is_halted(&self) -> bool {
        self.shared.is_halted.load(Ordering::SeqCst)
    }

    /// Whether new records are refused, if they can be.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.shared.is_full()
    }

    /// The bounds that it was opened with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.shared.options
    }

    /// Whether a session of the client is stored.
    #[must_use]
    pub fn has(&self, identity: &str, client_id: &str) -> bool {
        self.shared.table().find(identity, client_id).is_some()
    }

    /// The live session of a session, if it is connected.
    #[must_use]
    pub fn live(&self, session: u64) -> Option<SessionId> {
        self.shared.table().live(session)
    }

    /// Reads a piece of a queue; `answer` is called on a thread of the journal.
    pub fn fetch(&self, wanted: Wanted, answer: impl FnOnce(Piece) + Send + 'static) {
        // A closed journal does not answer.
        drop(self.asks.send(FetchJob::Queue(wanted, Box::new(answer))));
    }

    /// Takes due wills, if there are any: each is handed out once per process. False if there are
    /// none.
    pub fn fetch_wills(
        &self,
        now: UnixNanos,
        answer: impl FnOnce(Vec<DueWill>) + Send + 'static,
    ) -> bool {
        self.shared.table().has_due(now)
            && self.asks.send(FetchJob::Wills(now, Box::new(answer))).is_ok()
    }

    /// The expired sessions among the next `steps` sessions.
    pub fn expired(&self, sweep: &mut Sweep, steps: usize, now: UnixNanos) -> Vec<u64> {
        let behind = mem::take(&mut sweep.0);
        let (found, last) = self.shared.table().expired(behind.as_ref(), steps, now);
        sweep.0 = last;
        found
    }

    /// The disconnected sessions with a wanted client identifier, among the next `steps` in the
    /// order of identities and client identifiers.
    pub fn absent(
        &self,
        sweep: &mut Sweep,
        steps: usize,
        is_wanted: &mut dyn FnMut(&str) -> bool,
    ) -> Vec<Facts> {
        let behind = mem::take(&mut sweep.0);
        let (found, last) = self.shared.table().absent(behind.as_ref(), steps, is_wanted);
        sweep.0 = last;
        found
    }

    /// One session, for an operator.
    #[must_use]
    pub fn facts(&self, identity: &str, client_id: &str) -> Option<Facts> {
        let table = self.shared.table();
        let session = table.find(identity, client_id)?;
        table.facts(session)
    }

    /// The subscriptions of a session.
    #[must_use]
    pub fn subscriptions(&self, session: u64) -> Vec<(Box<str>, Terms)> {
        self.shared.table().subscriptions(session)
    }

    /// The next sessions after one, in the order of identities and client identifiers.
    #[must_use]
    pub fn page(&self, behind: Option<&Facts>, most: usize) -> Vec<Facts> {
        let behind = behind.map(|facts| format!("{}\0{}", facts.identity, facts.client_id));
        self.shared.table().page(behind.as_deref(), most)
    }

    /// The numbers of sessions, and of messages queued or in flight.
    #[must_use]
    pub fn counts(&self) -> (usize, u64) {
        self.shared.table().counts()
    }
}

/// The position of a pass over all sessions.
#[derive(Debug, Default)]
pub struct Sweep(Option<Arc<str>>);

impl Sweep {
    /// Whether it is at the beginning, again or for the first time.
    #[must_use]
    pub fn is_at_begin(&self) -> bool {
        self.0.is_none()
    }
}

impl Sessions {
    /// Visits every retained message, in any order: its number, and its bytes for
    /// [`StoredMessage::read`](super::StoredMessage::read). Unreadable ones are counted and
    /// skipped.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn retained(&self, visit: &mut dyn FnMut(u64, Vec<u8>)) -> io::Result<()> {
        super::recovery::retained(&self.shared, visit)
    }
}
