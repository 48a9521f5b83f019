//! The child's side: one question from standard input, its answer to standard output.

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
        ask::{Ask, AskError, Language},
        embedded::{
            folder,
            reader::{
                answer::Deliver,
                frames::{Frame, NativeQuestion},
                question::Question,
            },
        },
    },
};

/// What the child needs beside what its question may hold: the program itself.
const BASE_BYTES: u64 = 16 << 20;

/// Answers the question that a running appliance hands over; nothing for a person to type.
#[must_use]
pub fn answer_question() -> ExitCode {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().read_to_end(&mut bytes);
    let Some(question) = read.ok().and_then(|_| NativeQuestion::from_bytes(&bytes)) else {
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

fn answer(question: &NativeQuestion, pipe: &mut Pipe) -> Result<(), AskError> {
    let bounds = &question.bounds;
    limit(question).map_err(|reason| AskError::Unavailable { reason })?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let since = clock.monotonic();
    // The parent has put us into the store's folder.
    let files = folder::list(Path::new("."), question.partition)
        .map_err(|error| AskError::Unavailable { reason: error.to_string() })?;
    let mut ask = Ask::new(Language::Sql, question.text.clone());
    ask.params.clone_from(&question.params);
    let answering = Question { ask: &ask, limits: question.limits, bounds: Some(bounds), files };
    answering.answer(&clock, since, || false, pipe)
}

/// Holds this process to the question's bounds (EM-7): SQLite to half of the memory, which leaves
/// the other half for the rows that it gives; the kernel watches what SQLite does not count.
fn limit(question: &NativeQuestion) -> Result<(), String> {
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
    // The limit is the process's and outlives the connection.
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
    /// False where nobody reads any more.
    fn send(&mut self, frame: &Frame) -> bool {
        self.frame.clear();
        frame.write(&mut self.frame);
        let mut out = io::stdout().lock();
        out.write_all(&self.frame).and_then(|()| out.flush()).is_ok()
    }
}

impl Deliver for Pipe {
    fn columns(&mut self, columns: Vec<Column>) {
        self.send(&Frame::Columns(columns));
    }

    fn rows(&mut self, rows: Vec<Row>) -> bool {
        self.send(&Frame::Rows(rows))
    }
}
