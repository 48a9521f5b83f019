//! One question on a thread of its own.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rusqlite::{Statement, types::Value as SqlValue};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::{
    env::Clock,
    model::{Column, Row, UnixNanos, Value},
    store::{
        ask::{Ask, AskError, AskLimits, Author, QuestionLimit, Rows, Stored},
        embedded::{
            columns::Role,
            file,
            folder::{self, Found},
            reader::{
                answer::{Answering, Deliver},
                connect::{self, Connected},
                parent,
            },
        },
        options::{Embedded, QuestionLimits},
    },
};

/// Who answers questions.
#[derive(Clone, Debug)]
pub(in crate::store) struct Reader {
    options: Arc<Embedded>,
    clock: Arc<dyn Clock>,
    /// Turns of native questions.
    turns: Arc<Semaphore>,
}

impl Reader {
    /// Reads what the writer of the same options writes.
    pub(in crate::store) fn new(options: Embedded, clock: Arc<dyn Clock>) -> Self {
        let turns = Arc::new(Semaphore::new(options.questions.at_once));
        Self { options: Arc::new(options), clock, turns }
    }

    /// Answers with the columns; the rows come as they are read.
    pub(in crate::store) async fn ask(
        &self,
        ask: Ask,
        limits: AskLimits,
    ) -> Result<Rows, AskError> {
        match &self.options.answerer {
            Some(program) if ask.author == Author::Operator => {
                parent::ask(program, &self.options, &self.turns, ask, limits).await
            }
            _ => self.ask_here(ask, limits).await,
        }
    }

    async fn ask_here(&self, ask: Ask, limits: AskLimits) -> Result<Rows, AskError> {
        let (chunks, received) = mpsc::channel(Rows::CHUNKS_AHEAD);
        let (head, columns) = oneshot::channel();
        let reader = self.clone();
        let since = self.clock.monotonic();
        // SQLite blocks, on the disk and on a reader that is slow.
        tokio::task::spawn_blocking(move || {
            let listening = chunks.clone();
            let mut taker = Channels { head: Some(head), chunks };
            let bounds = (ask.author == Author::Operator).then_some(&reader.options.questions);
            let answered = reader.files().and_then(|files| {
                let answering = Question { ask: &ask, limits, bounds, files };
                let is_unwanted = move || listening.is_closed();
                answering.answer(&reader.clock, since, is_unwanted, &mut taker)
            });
            if let Err(error) = answered {
                // Whoever does not listen needs no error.
                match taker.head.take() {
                    Some(head) => drop(head.send(Err(error))),
                    None => drop(taker.chunks.blocking_send(Err(error))),
                }
            }
        });
        let columns = columns.await.map_err(|_gone| AskError::broken("the reader has ended"))??;
        Ok(Rows { columns, chunks: received })
    }

    /// The columns that a measurement has in the files that a question about `range` reads; none if
    /// it has no points yet.
    pub(in crate::store) async fn columns(
        &self,
        measurement: String,
        range: Range<UnixNanos>,
    ) -> Result<Vec<String>, AskError> {
        let reader = self.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let mut names: Vec<String> = Vec::new();
            let mut files = reader.files()?;
            files.retain(|found| found.measurement == measurement);
            for found in connect::needed(&files, Some(&range)) {
                let columns = file::look(&found.path)
                    .map_err(|error| AskError::Unavailable { reason: error.to_string() })?;
                for (name, _) in columns {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
            }
            Ok(names)
        });
        looked.await.map_err(|_gone| AskError::broken("the reader has ended"))?
    }

    /// The measurements that there are files of.
    pub(in crate::store) async fn measurements(&self) -> Result<Vec<String>, AskError> {
        let reader = self.clone();
        let listed = tokio::task::spawn_blocking(move || {
            let files = reader.files()?.into_iter();
            let mut names: Vec<String> = files.map(|found| found.measurement).collect();
            names.dedup();
            Ok(names)
        });
        listed.await.map_err(|_gone| AskError::broken("the reader has ended"))?
    }

    /// What all files of a measurement have; nothing where there is none.
    pub(in crate::store) async fn stored(&self, measurement: String) -> Result<Stored, AskError> {
        let reader = self.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let mut stored = Stored::default();
            let files = reader.files()?.into_iter();
            for found in files.filter(|found| found.measurement == measurement) {
                let columns = file::look(&found.path)
                    .map_err(|error| AskError::Unavailable { reason: error.to_string() })?;
                for (name, role) in columns {
                    match role {
                        Role::Tag if !stored.tags.contains(&name) => stored.tags.push(name),
                        Role::Field(kind) if !stored.fields.iter().any(|(it, _)| *it == name) => {
                            stored.fields.push((name, kind));
                        }
                        Role::Tag | Role::Field(_) => {}
                    }
                }
            }
            Ok(stored)
        });
        looked.await.map_err(|_gone| AskError::broken("the reader has ended"))?
    }

    fn files(&self) -> Result<Vec<Found>, AskError> {
        folder::list(&self.options.dir, self.options.partition)
            .map_err(|error| AskError::Unavailable { reason: error.to_string() })
    }
}

/// What the files of a store have of a measurement, read while it may be open elsewhere.
///
/// # Errors
/// If they cannot be looked into.
pub async fn stored_in(
    options: Embedded,
    clock: Arc<dyn Clock>,
    measurement: String,
) -> Result<Stored, AskError> {
    Reader::new(options, clock).stored(measurement).await
}

/// Hands an answer to a task.
struct Channels {
    head: Option<oneshot::Sender<Result<Vec<Column>, AskError>>>,
    chunks: mpsc::Sender<Result<Vec<Row>, AskError>>,
}

impl Deliver for Channels {
    fn columns(&mut self, columns: Vec<Column>) {
        if let Some(head) = self.head.take() {
            // Whoever does not listen any more is found out when the rows are sent.
            drop(head.send(Ok(columns)));
        }
    }

    fn rows(&mut self, rows: Vec<Row>) -> bool {
        self.chunks.blocking_send(Ok(rows)).is_ok()
    }
}

/// A question on the thread that answers it.
pub(super) struct Question<'a> {
    pub(super) ask: &'a Ask,
    pub(super) limits: AskLimits,
    /// Absent: the text is ours.
    pub(super) bounds: Option<&'a QuestionLimits>,
    /// Every file of the store.
    pub(super) files: Vec<Found>,
}

impl Question<'_> {
    /// Answers it, unless it is late or unwanted first.
    pub(super) fn answer(
        self,
        clock: &Arc<dyn Clock>,
        since: Duration,
        is_unwanted: impl Fn() -> bool + Send + 'static,
        taker: &mut impl Deliver,
    ) -> Result<(), AskError> {
        let Self { ask, limits, bounds, files } = self;
        let watched = Arc::clone(clock);
        let is_late = move || watched.monotonic().saturating_sub(since) > limits.time_max;
        let steps_max = bounds.map_or(u64::MAX, |bounds| bounds.steps);
        let steps = Arc::new(AtomicU64::new(0));
        let (late, counted) = (is_late.clone(), Arc::clone(&steps));
        let mut connected = Connected::new(files, Arc::clone(clock))?;
        connected.interrupt_when(move |more| {
            let steps = counted.fetch_add(more, Ordering::Relaxed) + more;
            late() || is_unwanted() || steps > steps_max
        })?;
        if let Some(bounds) = bounds {
            connected.hold_to(bounds)?;
        }
        let mut answering = Answering::new(limits, is_late);
        let answered = connected.attach_for(ask).and_then(|()| {
            let mut statement = connected.prepare(&ask.text)?;
            bind(&mut statement, &ask.params)?;
            answering.run(&mut statement, taker)
        });
        answered.map_err(|error| match (error, bounds) {
            // SQLite says only that it was interrupted.
            (AskError::Broken { .. }, Some(_)) if steps.load(Ordering::Relaxed) > steps_max => {
                AskError::TooLarge { limit: QuestionLimit::Steps, max: steps_max }
            }
            (AskError::TooLarge { limit, .. }, Some(bounds)) => {
                AskError::TooLarge { limit, max: bounds.of(limit) }
            }
            (error, _) => error,
        })
    }
}

/// Gives the parameters to the statement: `$name`, `:name` or `@name`.
fn bind(statement: &mut Statement<'_>, params: &[(String, Value)]) -> Result<(), AskError> {
    let mut unused: Vec<&str> = params.iter().map(|(name, _)| name.as_str()).collect();
    for at in 1..=statement.parameter_count() {
        let Some(written) = statement.parameter_name(at).map(str::to_owned) else {
            return Err(AskError::refused("a parameter has a name, such as `$vin`"));
        };
        let name = &written[1..];
        let Some((_, value)) = params.iter().find(|(known, _)| known == name) else {
            return Err(AskError::refused(format!("the parameter `{written}` has no value")));
        };
        let value = match value {
            Value::Null => SqlValue::Null,
            Value::Timestamp(time) => SqlValue::Integer(time.0),
            Value::Float(value) => SqlValue::Real(*value),
            Value::Integer(value) => SqlValue::Integer(*value),
            Value::Unsigned(value) => SqlValue::Integer(i64::try_from(*value).map_err(|_| {
                AskError::refused(format!("`{written}` is past the largest integer of the store"))
            })?),
            Value::Boolean(value) => SqlValue::Integer(i64::from(*value)),
            Value::String(text) => SqlValue::Text(text.clone()),
        };
        statement
            .raw_bind_parameter(at, value)
            .map_err(|error| AskError::refused(error.to_string()))?;
        unused.retain(|known| *known != name);
    }
    match unused.first() {
        None => Ok(()),
        Some(name) => Err(AskError::refused(format!("the question has no parameter `${name}`"))),
    }
}
