//! The query engine: it bounds the number of concurrent queries and streams each answer.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use futures_util::future::try_join_all;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::{
    model::{Catalog, Column, Row},
    query::{
        dialect::{self, Known},
        merge::{self, Source},
        options::Options,
        question::Question,
        request::{QueryRequest, QuestionError},
        stored::StoredCache,
    },
    store::{Rows, Store, StoreQuery, StoreQueryError, StoreQueryLimits},
    telemetry::{Metrics, ReasonLabel},
};

/// The parts of the engine.
#[derive(Debug)]
pub struct EngineParts {
    /// Its bounds.
    pub options: Options,
    /// The store.
    pub store: Arc<Store>,
    /// The bucket or database to name in generated queries; empty if not needed.
    pub bucket: String,
    /// The known measurements.
    pub catalog: Arc<ArcSwap<Catalog>>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
}

/// Answers queries; cheap to clone.
#[derive(Clone, Debug)]
pub struct QueryEngine {
    parts: Arc<EngineParts>,
    turns: Arc<Semaphore>,
    stored_cache: Arc<StoredCache>,
}

/// A streamed answer. Dropping it cancels the work at the store.
#[derive(Debug)]
pub struct Answer {
    /// The columns of every row.
    pub columns: Vec<Column>,
    /// The parts, in order. [`Part::End`] or an error is the last; a channel that ends without
    /// either was cut off.
    pub parts: mpsc::Receiver<Result<Part, StoreQueryError>>,
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// More rows.
    Rows(Vec<Row>),
    /// The end of the answer, or of this page.
    End {
        /// Where the next page begins, if there is one.
        after: Option<String>,
    },
}

/// Why a query fails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The query is invalid.
    #[error(transparent)]
    Question(#[from] QuestionError),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreQueryError),
    /// Too many others are running: retry later, or raise `query.concurrent-max`.
    #[error("{max} other queries are running")]
    Busy {
        /// The bound.
        max: usize,
    },
}

impl QueryEngine {
    /// A new engine.
    #[must_use]
    pub fn new(parts: EngineParts) -> Self {
        let turns = Arc::new(Semaphore::new(parts.options.concurrent_max));
        Self { parts: Arc::new(parts), turns, stored_cache: Arc::default() }
    }

    /// Answers a portable query.
    ///
    /// # Errors
    /// If it is invalid, or the store fails before the first row.
    pub async fn portable(&self, request: QueryRequest) -> Result<Answer, QueryError> {
        let asked = self.ask_portable(request).await;
        asked.inspect_err(|error| self.count(error))
    }

    /// Answers a query in one of the store's languages.
    ///
    /// # Errors
    /// If the store refuses it, or fails before the first row.
    pub async fn native(&self, ask: StoreQuery) -> Result<Answer, QueryError> {
        let asked = self.ask_native(ask).await;
        asked.inspect_err(|error| self.count(error))
    }

    async fn ask_portable(&self, request: QueryRequest) -> Result<Answer, QueryError> {
        let turn = self.turn().await?;
        let question = self.question(request).await?;
        let columns = question.columns();
        let endpoints = 0..self.parts.store.endpoints();
        let sources = endpoints.map(|endpoint| self.sources(endpoint, &question));
        let sources: Vec<Vec<Source>> = try_join_all(sources).await?;
        let sources = sources.into_iter().flatten().collect();
        let (sender, parts) = mpsc::channel(Rows::CHUNKS_AHEAD);
        let engine = self.clone();
        tokio::spawn(async move {
            engine.finish(merge::merge(&question, sources, &sender), &sender).await;
            drop(turn);
        });
        Ok(Answer { columns, parts })
    }

    /// The sources of one server's rows: one per query to it; empty if it cannot have any rows.
    async fn sources(
        &self,
        endpoint: usize,
        question: &Question,
    ) -> Result<Vec<Source>, StoreQueryError> {
        let EngineParts { store, options, bucket, .. } = &*self.parts;
        let kind = store.kind();
        let known = self.known(endpoint, question).await?;
        let parts = dialect::translate(kind, bucket, question, &known)?;
        let asked = parts.into_iter().enumerate().map(async |(part, translated)| {
            let rows = store.query(endpoint, translated.ask, options.limits()).await?;
            Ok(Source::new((endpoint, part), &translated.layout, rows))
        });
        try_join_all(asked).await
    }

    /// Reads from a server what the query needs first.
    async fn known(&self, endpoint: usize, question: &Question) -> Result<Known, StoreQueryError> {
        let EngineParts { store, options, .. } = &*self.parts;
        let columns = match dialect::known_columns(store.kind(), question) {
            Some(ask) => {
                let rows = store.query(endpoint, ask, options.limits()).await?;
                Some(rows.first_column().await?)
            }
            None => {
                let (from, to) = question.rest();
                store.columns(&question.measurement, from..to).await?
            }
        };
        let table = store.table(endpoint, &question.measurement, options.limits()).await?;
        let ask = match &table {
            Some(table) => dialect::page_end(question, table)?,
            None => None,
        };
        let end = match ask {
            Some(ask) => store.query(endpoint, ask, options.limits()).await?.first_moment().await?,
            None => None,
        };
        Ok(Known { columns, table, end })
    }

    async fn ask_native(&self, ask: StoreQuery) -> Result<Answer, QueryError> {
        let turn = self.turn().await?;
        let limits = self.parts.options.limits();
        let first = self.parts.store.query(0, ask.clone(), limits).await?;
        let columns = first.columns.clone();
        let (sender, parts) = mpsc::channel(Rows::CHUNKS_AHEAD);
        let engine = self.clone();
        tokio::spawn(async move {
            engine.finish(engine.relay(ask, first, limits, &sender), &sender).await;
            drop(turn);
        });
        Ok(Answer { columns, parts })
    }

    /// The rows of each server, one server after the other.
    async fn relay(
        &self,
        ask: StoreQuery,
        first: Rows,
        limits: StoreQueryLimits,
        sender: &mpsc::Sender<Result<Part, StoreQueryError>>,
    ) -> Result<(), StoreQueryError> {
        let names = |columns: &[Column]| -> Vec<String> {
            columns.iter().map(|column| column.name.clone()).collect()
        };
        let columns = names(&first.columns);
        let mut left = limits;
        let mut next = Some(first);
        for endpoint in 1..=self.parts.store.endpoints() {
            let Some(mut rows) = next.take() else { break };
            if !rows.columns.is_empty() && names(&rows.columns) != columns {
                let message = "the servers answer with different columns; name them".to_owned();
                return Err(StoreQueryError::Refused { message });
            }
            while let Some(chunk) = rows.chunks.recv().await {
                let chunk = chunk?;
                left.rows_max = left.rows_max.saturating_sub(chunk.len());
                if sender.send(Ok(Part::Rows(chunk))).await.is_err() {
                    return Ok(());
                }
            }
            if endpoint < self.parts.store.endpoints() {
                let more = self.parts.store.query(endpoint, ask.clone(), left).await;
                next = Some(more.map_err(|error| match error {
                    StoreQueryError::Rows { .. } => StoreQueryError::Rows { max: limits.rows_max },
                    error => error,
                })?);
            }
        }
        // A receiver that is gone needs no end.
        drop(sender.send(Ok(Part::End { after: None })).await);
        Ok(())
    }

    pub(super) fn parts(&self) -> &EngineParts {
        &self.parts
    }

    pub(super) fn stored_cache(&self) -> &StoredCache {
        &self.stored_cache
    }

    /// Waits for a permit to run a query.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit, QueryError> {
        let Options { concurrent_max, time_max, .. } = self.parts.options;
        let turn = Arc::clone(&self.turns).acquire_owned();
        let turn = tokio::time::timeout(time_max.max(Duration::from_millis(1)), turn).await;
        let Ok(turn) = turn else { return Err(QueryError::Busy { max: concurrent_max }) };
        self.parts.metrics.query_asked_questions.inc();
        Ok(turn.expect("the semaphore is never closed"))
    }

    /// Runs an answer to its end, until the reader is gone or the time is over: a reader that does
    /// not read must not keep its permit.
    async fn finish(
        &self,
        answering: impl Future<Output = Result<(), StoreQueryError>>,
        sender: &mpsc::Sender<Result<Part, StoreQueryError>>,
    ) {
        let limits = self.parts.options.limits();
        let ended = tokio::select! {
            () = sender.closed() => return,
            ended = answering => ended,
            () = tokio::time::sleep(limits.time_max) => Err(StoreQueryError::time(&limits)),
        };
        if let Err(error) = ended {
            self.count(&QueryError::Store(error.clone()));
            // A slow reader sees a channel that ends without an end part instead.
            drop(sender.try_send(Err(error)));
        }
    }

    fn count(&self, error: &QueryError) {
        let reason = error.reason();
        let failures = &self.parts.metrics.query_failed_questions;
        failures.get_or_create(&ReasonLabel { reason }).inc();
    }
}

impl QueryError {
    /// The reason in the metric.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Question(_) => "question",
            Self::Busy { .. } => "busy",
            Self::Store(error) => match error {
                StoreQueryError::Language { .. } => "language",
                StoreQueryError::Refused { .. } => "refused",
                StoreQueryError::Unavailable { .. } => "unavailable",
                StoreQueryError::Halted { .. } => "halted",
                StoreQueryError::Rows { .. } => "rows",
                StoreQueryError::Bytes { .. } => "bytes",
                StoreQueryError::Time { .. } => "time",
                StoreQueryError::TooLarge { .. } => "too-large",
                StoreQueryError::SumOverflow { .. } => "sum-overflow",
                StoreQueryError::Broken { .. } => "broken",
            },
        }
    }
}
