//! The writing side: opens the store, sends requests to its thread, ends it.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, mpsc},
    thread::JoinHandle,
};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::{
    env::{
        Clock, Supervisor,
        disk::{Disk as _, RealDisk},
    },
    store::{
        embedded::{
            check::{self, Damaged},
            folder,
            thread::State,
        },
        options::{Embedded, Partition},
        verdict::Verdict,
    },
    telemetry::Metrics,
};

/// Requests that the store holds at once, waiting or being written; more requests wait in `write`,
/// and are bounded by `sink.requests-in-flight`.
pub const REQUESTS_MAX: usize = 64;

/// Why the embedded store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its folder cannot be created or read: check the path, its owner and its file system.
    #[error("cannot use {}", path.display())]
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// It has files of the other partition. Points of one time would be in two files.
    #[error(
        "{} holds files a {found} and the configuration asks for files a {}; set store.partition = \
         \"{found}\", or move the folder away", path.display(), asked
    )]
    Partition {
        /// The folder.
        path: PathBuf,
        /// The partition that it has.
        found: Partition,
        /// The partition that was asked for.
        asked: Partition,
    },
    /// The thread cannot be started.
    #[error("the embedded store's thread cannot be started")]
    Thread(#[source] io::Error),
}

/// A job for the thread.
pub(super) enum Job {
    /// Lines to store, and where to send the verdict.
    Write { lines: Bytes, reply: Reply },
    /// A file that must not be written to any more.
    Damaged(Damaged),
}

/// Where to send the verdict, and the permit that the request holds until then.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) verdict: oneshot::Sender<Verdict>,
    _place: OwnedSemaphorePermit,
}

/// The writing side of the embedded store.
#[derive(Debug)]
pub(in crate::store) struct Writer {
    /// `None` only while it is dropped.
    jobs: Option<mpsc::Sender<Job>>,
    /// Permits for requests that the thread has not answered yet.
    places: Arc<Semaphore>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Opens the store; files that were open at a crash are checked in the background.
    pub(in crate::store) fn open(
        options: Embedded,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        supervisor: &Supervisor,
    ) -> Result<Self, OpenError> {
        let dir = options.dir.clone();
        let unusable = |source| OpenError::Unusable { path: dir.clone(), source };
        RealDisk.create_dirs(&dir).map_err(unusable)?;
        let asked = options.partition;
        let other = asked.other();
        if !folder::list(&dir, other).map_err(unusable)?.is_empty() {
            return Err(OpenError::Partition { path: dir, found: other, asked });
        }
        let found = folder::list(&dir, asked).map_err(unusable)?;
        let bytes: u64 = found.iter().map(|file| folder::bytes(&file.path)).sum();
        tracing::info!(files = found.len(), bytes, path = %dir.display(), "embedded store opened");
        let suspects: Vec<PathBuf> =
            found.into_iter().map(|file| file.path).filter(|path| folder::was_open(path)).collect();
        let (jobs, queue) = mpsc::channel();
        let damage = jobs.clone();
        check::start(suspects, Arc::clone(&clock), move |damaged| {
            drop(damage.send(Job::Damaged(damaged)))
        });
        let state = State::new(options, clock, metrics);
        let thread = std::thread::Builder::new().name("embedded".to_owned());
        let guard = supervisor.guard("embedded");
        let thread = thread.spawn(move || {
            let _guard = guard;
            state.run(&queue);
        });
        let thread = thread.map_err(OpenError::Thread)?;
        let places = Arc::new(Semaphore::new(REQUESTS_MAX));
        Ok(Self { jobs: Some(jobs), places, thread: Some(thread) })
    }

    /// Stores the lines of one request.
    pub(in crate::store) async fn write(&self, lines: Bytes) -> Verdict {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.expect("the semaphore is never closed");
        let (answer, verdict) = oneshot::channel();
        let ended = || Verdict::Unavailable {
            reason: "the embedded store's thread has ended; restart".to_owned(),
            retry_after: None,
        };
        let jobs = self.jobs.as_ref().expect("dropped only with the store");
        let reply = Reply { verdict: answer, _place: place };
        if jobs.send(Job::Write { lines, reply }).is_err() {
            return ended();
        }
        verdict.await.unwrap_or_else(|_gone| ended())
    }
}

impl Drop for Writer {
    /// Waits until the thread has finished its jobs and closed the files.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the embedded store's thread has panicked");
        }
    }
}
