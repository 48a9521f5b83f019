//! The child process: reads one query from standard input, writes its answer to standard output.

use std::{
    io::{self, Read as _, Write as _},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use rusqlite::Connection;
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::{
    env::{Clock, SystemClock},
    model::{Column, Row},
    store::{
        embedded::{
            folder,
            reader::{
                answer::Receiver,
                frames::{Frame, NativeQuery},
                run::Question,
            },
        },
        query::{Language, StoreQuery, StoreQueryError},
    },
};

/// Memory that the child needs in addition to its query's bound: for the program itself.
const BASE_BYTES: u64 = 16 << 20;

/// Answers a query of a running appliance; not a command for people.
#[must_use]
pub fn answer_question() -> ExitCode {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().read_to_end(&mut bytes);
    let Some(question) = read.ok().and_then(|_| NativeQuery::from_bytes(&bytes)) else {
        return ExitCode::FAILURE;
    };
    drop(bytes);
    let mut pipe = Pipe::default();
    let last = match answer(&question, &mut pipe) {
        Ok(()) => Frame::End,
        Err(error) => Frame::Error(error),
    };
    match pipe.send(&last) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn answer(question: &NativeQuery, pipe: &mut Pipe) -> Result<(), StoreQueryError> {
    let bounds = &question.bounds;
    limit(question).map_err(|reason| StoreQueryError::Unavailable { reason })?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let since = clock.monotonic();
    // The parent has set the working directory to the store's folder.
    let files = folder::list(Path::new("."), question.partition)
        .map_err(|error| StoreQueryError::Unavailable { reason: error.to_string() })?;
    let mut query = StoreQuery::new(Language::Sql, question.text.clone());
    query.params.clone_from(&question.params);
    let answering =
        Question { query: &query, limits: question.limits, bounds: Some(bounds), files };
    answering.answer(&clock, since, || false, pipe)
}

/// Limits this process to the query's bounds (EM-7): SQLite gets half of the memory, which leaves
/// the other half for the rows that it returns; the kernel limits what SQLite does not count.
fn limit(question: &NativeQuery) -> Result<(), String> {
    let bounds = &question.bounds;
    let seconds = question.limits.time_max.as_secs() + 2;
    for (resource, max) in [
        (Resource::Data, bounds.memory_bytes + BASE_BYTES),
        (Resource::Fsize, bounds.temporary_bytes),
        (Resource::Cpu, seconds),
        (Resource::Core, 0),
    ] {
        let limit = Rlimit { current: Some(max), maximum: Some(max) };
        setrlimit(resource, limit).map_err(|error| format!("a limit of the question: {error}"))?;
    }
    // The limit is per process and stays when the connection is closed.
    let heap = bounds.memory_bytes / 2;
    let limited = Connection::open_in_memory().and_then(|connection| {
        connection.query_row(&format!("PRAGMA hard_heap_limit = {heap}"), [], |_| Ok(()))
    });
    limited.map_err(|error| error.to_string())
}

/// Standard output, as frames.
#[derive(Default)]
struct Pipe {
    frame: Vec<u8>,
}

impl Pipe {
    /// False if nobody reads any more.
    fn send(&mut self, frame: &Frame) -> bool {
        self.frame.clear();
        frame.write(&mut self.frame);
        let mut out = io::stdout().lock();
        out.write_all(&self.frame).and_then(|()| out.flush()).is_ok()
    }
}

impl Receiver for Pipe {
    fn columns(&mut self, columns: Vec<Column>) {
        self.send(&Frame::Columns(columns));
    }

    fn rows(&mut self, rows: Vec<Row>) -> bool {
        self.send(&Frame::Rows(rows))
    }
}
