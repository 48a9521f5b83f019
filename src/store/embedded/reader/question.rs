//! One question on a thread of its own.

use std::{ops::Range, sync::Arc, time::Duration};

use rusqlite::{Statement, types::Value as SqlValue};
use tokio::sync::{mpsc, oneshot};

use crate::{
    env::Clock,
    model::{Column, Row, UnixNanos, Value},
    store::{
        ask::{Ask, AskError, AskLimits, Rows},
        embedded::{
            file,
            folder::{self, Found},
            reader::{
                answer::Answering,
                connect::{self, Connected},
            },
        },
        options::Embedded,
    },
};

/// What is asked.
#[derive(Clone, Debug)]
pub(in crate::store) struct Reader {
    options: Arc<Embedded>,
    clock: Arc<dyn Clock>,
}

type Head = Result<Vec<Column>, AskError>;
pub(super) type Chunks = mpsc::Sender<Result<Vec<Row>, AskError>>;

impl Reader {
    /// Reads what the writer of the same options writes.
    pub(in crate::store) fn new(options: Embedded, clock: Arc<dyn Clock>) -> Self {
        Self { options: Arc::new(options), clock }
    }

    /// Answers with the columns; the rows come as they are read.
    pub(in crate::store) async fn ask(
        &self,
        ask: Ask,
        limits: AskLimits,
    ) -> Result<Rows, AskError> {
        let (chunks, received) = mpsc::channel(Rows::CHUNKS_AHEAD);
        let (head, columns) = oneshot::channel();
        let reader = self.clone();
        let since = self.clock.monotonic();
        // SQLite blocks, on the disk and on a reader that is slow.
        tokio::task::spawn_blocking(move || {
            let mut head = Some(head);
            if let Err(error) = reader.answer(&ask, limits, since, &mut head, &chunks) {
                // Whoever does not listen needs no error.
                match head.take() {
                    Some(head) => drop(head.send(Err(error))),
                    None => drop(chunks.blocking_send(Err(error))),
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

    fn files(&self) -> Result<Vec<Found>, AskError> {
        folder::list(&self.options.dir, self.options.partition)
            .map_err(|error| AskError::Unavailable { reason: error.to_string() })
    }

    fn answer(
        &self,
        ask: &Ask,
        limits: AskLimits,
        since: Duration,
        head: &mut Option<oneshot::Sender<Head>>,
        chunks: &Chunks,
    ) -> Result<(), AskError> {
        let (clock, listening) = (Arc::clone(&self.clock), chunks.clone());
        let is_late = move || clock.monotonic().saturating_sub(since) > limits.time_max;
        let late = is_late.clone();
        let mut connected = Connected::new(self.files()?, Arc::clone(&self.clock))?;
        connected.interrupt_when(move || late() || listening.is_closed())?;
        connected.attach_for(ask)?;
        let mut statement = connected.prepare(&ask.text)?;
        bind(&mut statement, &ask.params)?;
        let mut answering = Answering::new(limits, is_late);
        answering.run(&mut statement, head, chunks)
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
