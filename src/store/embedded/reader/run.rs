//! Runs one query on its own thread.

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
        embedded::{
            columns::Role,
            file,
            folder::{self, Found},
            reader::{
                answer::{Answering, Receiver},
                connect::{self, Connected},
                parent,
            },
        },
        options::{Embedded, NativeQueryLimits},
        query::{
            Author, NativeQueryLimit, Rows, StoreQuery, StoreQueryError, StoreQueryLimits, Stored,
        },
    },
};

/// Answers queries.
#[derive(Clone, Debug)]
pub(in crate::store) struct Reader {
    options: Arc<Embedded>,
    clock: Arc<dyn Clock>,
    /// Permits for native queries.
    turns: Arc<Semaphore>,
}

impl Reader {
    /// A reader of the store with these options.
    pub(in crate::store) fn new(options: Embedded, clock: Arc<dyn Clock>) -> Self {
        let turns = Arc::new(Semaphore::new(options.questions.at_once));
        Self { options: Arc::new(options), clock, turns }
    }

    /// Returns the columns; the rows follow as they are read.
    pub(in crate::store) async fn query(
        &self,
        query: StoreQuery,
        limits: StoreQueryLimits,
    ) -> Result<Rows, StoreQueryError> {
        match &self.options.answerer {
            Some(program) if query.author == Author::Operator => {
                parent::query(program, &self.options, &self.turns, query, limits).await
            }
            _ => self.ask_here(query, limits).await,
        }
    }

    async fn ask_here(
        &self,
        query: StoreQuery,
        limits: StoreQueryLimits,
    ) -> Result<Rows, StoreQueryError> {
        let (chunks, received) = mpsc::channel(Rows::CHUNKS_AHEAD);
        let (head, columns) = oneshot::channel();
        let reader = self.clone();
        let since = self.clock.monotonic();
        // SQLite blocks, on the disk and on a slow receiver.
        tokio::task::spawn_blocking(move || {
            let listening = chunks.clone();
            let mut taker = Channels { head: Some(head), chunks };
            let bounds = (query.author == Author::Operator).then_some(&reader.options.questions);
            let answered = reader.files().and_then(|files| {
                let answering = Question { query: &query, limits, bounds, files };
                let is_unwanted = move || listening.is_closed();
                answering.answer(&reader.clock, since, is_unwanted, &mut taker)
            });
            if let Err(error) = answered {
                // A receiver that is gone needs no error.
                match taker.head.take() {
                    Some(head) => drop(head.send(Err(error))),
                    None => drop(taker.chunks.blocking_send(Err(error))),
                }
            }
        });
        let columns =
            columns.await.map_err(|_gone| StoreQueryError::broken("the reader has ended"))??;
        Ok(Rows { columns, chunks: received })
    }

    /// The columns of a measurement in the files that a query of `range` reads; none if it has no
    /// points yet.
    pub(in crate::store) async fn columns(
        &self,
        measurement: String,
        range: Range<UnixNanos>,
    ) -> Result<Vec<String>, StoreQueryError> {
        let reader = self.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let mut names: Vec<String> = Vec::new();
            let mut files = reader.files()?;
            files.retain(|found| found.measurement == measurement);
            for found in connect::needed(&files, Some(&range)) {
                let columns = file::look(&found.path)
                    .map_err(|error| StoreQueryError::Unavailable { reason: error.to_string() })?;
                for (name, _) in columns {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
            }
            Ok(names)
        });
        looked.await.map_err(|_gone| StoreQueryError::broken("the reader has ended"))?
    }

    /// The measurements that have files.
    pub(in crate::store) async fn measurements(&self) -> Result<Vec<String>, StoreQueryError> {
        let reader = self.clone();
        let listed = tokio::task::spawn_blocking(move || {
            let files = reader.files()?.into_iter();
            let mut names: Vec<String> = files.map(|found| found.measurement).collect();
            names.dedup();
            Ok(names)
        });
        listed.await.map_err(|_gone| StoreQueryError::broken("the reader has ended"))?
    }

    /// The tags and fields of a measurement in all its files; `None` if there are none.
    pub(in crate::store) async fn stored(
        &self,
        measurement: String,
    ) -> Result<Stored, StoreQueryError> {
        let reader = self.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let mut stored = Stored::default();
            let files = reader.files()?.into_iter();
            for found in files.filter(|found| found.measurement == measurement) {
                let columns = file::look(&found.path)
                    .map_err(|error| StoreQueryError::Unavailable { reason: error.to_string() })?;
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
        looked.await.map_err(|_gone| StoreQueryError::broken("the reader has ended"))?
    }

    fn files(&self) -> Result<Vec<Found>, StoreQueryError> {
        folder::list(&self.options.dir, self.options.partition)
            .map_err(|error| StoreQueryError::Unavailable { reason: error.to_string() })
    }
}

/// The tags and fields of a measurement in the files of a store, which may be open elsewhere.
///
/// # Errors
/// If the files cannot be read.
pub async fn stored_in(
    options: Embedded,
    clock: Arc<dyn Clock>,
    measurement: String,
) -> Result<Stored, StoreQueryError> {
    Reader::new(options, clock).stored(measurement).await
}

/// Sends an answer to a task.
struct Channels {
    head: Option<oneshot::Sender<Result<Vec<Column>, StoreQueryError>>>,
    chunks: mpsc::Sender<Result<Vec<Row>, StoreQueryError>>,
}

impl Receiver for Channels {
    fn columns(&mut self, columns: Vec<Column>) {
        if let Some(head) = self.head.take() {
            // A receiver that is gone is noticed when the rows are sent.
            drop(head.send(Ok(columns)));
        }
    }

    fn rows(&mut self, rows: Vec<Row>) -> bool {
        self.chunks.blocking_send(Ok(rows)).is_ok()
    }
}

/// A query on the thread that answers it.
pub(super) struct Question<'a> {
    pub(super) query: &'a StoreQuery,
    pub(super) limits: StoreQueryLimits,
    /// `None`: the text is ours.
    pub(super) bounds: Option<&'a NativeQueryLimits>,
    /// Every file of the store.
    pub(super) files: Vec<Found>,
}

impl Question<'_> {
    /// Answers the query, unless its time is over or nobody waits for it.
    pub(super) fn answer(
        self,
        clock: &Arc<dyn Clock>,
        since: Duration,
        is_unwanted: impl Fn() -> bool + Send + 'static,
        taker: &mut impl Receiver,
    ) -> Result<(), StoreQueryError> {
        let Self { query, limits, bounds, files } = self;
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
        let answered = connected.attach_for(query).and_then(|()| {
            let mut statement = connected.prepare(&query.text)?;
            bind(&mut statement, &query.params)?;
            answering.run(&mut statement, taker)
        });
        answered.map_err(|error| match (error, bounds) {
            // SQLite reports only that it was interrupted.
            (StoreQueryError::Broken { .. }, Some(_))
                if steps.load(Ordering::Relaxed) > steps_max =>
            {
                StoreQueryError::TooLarge { limit: NativeQueryLimit::Steps, max: steps_max }
            }
            (StoreQueryError::TooLarge { limit, .. }, Some(bounds)) => {
                StoreQueryError::TooLarge { limit, max: bounds.of(limit) }
            }
            (error, _) => error,
        })
    }
}

/// Binds the parameters of the statement: `$name`, `:name` or `@name`.
fn bind(statement: &mut Statement<'_>, params: &[(String, Value)]) -> Result<(), StoreQueryError> {
    let mut unused: Vec<&str> = params.iter().map(|(name, _)| name.as_str()).collect();
    for at in 1..=statement.parameter_count() {
        let Some(written) = statement.parameter_name(at).map(str::to_owned) else {
            return Err(StoreQueryError::refused("a parameter has a name, such as `$vin`"));
        };
        let name = &written[1..];
        let Some((_, value)) = params.iter().find(|(known, _)| known == name) else {
            return Err(StoreQueryError::refused(format!(
                "the parameter `{written}` has no value"
            )));
        };
        let value = match value {
            Value::Null => SqlValue::Null,
            Value::Timestamp(time) => SqlValue::Integer(time.0),
            Value::Float(value) => SqlValue::Real(*value),
            Value::Integer(value) => SqlValue::Integer(*value),
            Value::Unsigned(value) => SqlValue::Integer(i64::try_from(*value).map_err(|_| {
                StoreQueryError::refused(format!(
                    "`{written}` is past the largest integer of the store"
                ))
            })?),
            Value::Boolean(value) => SqlValue::Integer(i64::from(*value)),
            Value::String(text) => SqlValue::Text(text.clone()),
        };
        statement
            .raw_bind_parameter(at, value)
            .map_err(|error| StoreQueryError::refused(error.to_string()))?;
        unused.retain(|known| *known != name);
    }
    match unused.first() {
        None => Ok(()),
        Some(name) => {
            Err(StoreQueryError::refused(format!("the question has no parameter `${name}`")))
        }
    }
}
