//! A store of any kind, behind one interface.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use crate::{
    env::{Clock, Supervisor},
    model::{Cause, LineDialect, Measurement, ShardId, UnixNanos},
    store::{
        client::{Encoding, HttpStore, StoreError},
        conflict, embedded, influxdb1, influxdb2, influxdb3,
        ledger::{Screened, Turn},
        options::{Kind, Options, Target},
        query::{
            Language, Rows, StoreQuery, StoreQueryError, StoreQueryLimits, Stored, Table, guard,
        },
        tdengine,
        verdict::Verdict,
    },
    telemetry::Metrics,
};

/// A store that can be written to and queried. Cheap to share; every call is independent.
#[derive(Debug)]
pub struct Store {
    kind: Kind,
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Http(Box<HttpStore>),
    Embedded { writer: embedded::Writer, reader: embedded::Reader },
}

impl Store {
    /// Sets up a store. Nothing is sent to a database yet, so it may be unavailable; the embedded
    /// store is opened.
    ///
    /// The process needs a default TLS provider installed before this is called.
    pub fn new(
        options: &Options,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        supervisor: &Supervisor,
    ) -> Result<Self, StoreError> {
        let kind = options.target.kind();
        let route = match &options.target {
            Target::InfluxDb1(options) => influxdb1::route(options),
            Target::InfluxDb2(options) => influxdb2::route(options),
            Target::InfluxDb3(options) => influxdb3::route(options),
            Target::TdEngine(options) => tdengine::route(options),
            Target::Embedded(options) => {
                let reader = embedded::Reader::new(options.clone(), Arc::clone(&clock));
                let writer = embedded::Writer::open(options.clone(), clock, metrics, supervisor)
                    .map_err(StoreError::Embedded)?;
                return Ok(Self { kind, inner: Inner::Embedded { writer, reader } });
            }
        };
        let inner = Inner::Http(Box::new(HttpStore::new(options, kind, &route, clock)?));
        Ok(Self { kind, inner })
    }

    /// Which protocol it speaks.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The richest dialect of line protocol that it understands.
    #[must_use]
    pub fn dialect(&self) -> LineDialect {
        self.kind.dialect()
    }

    /// Removes lines from a batch that must not be sent to this store: lines that it would accept
    /// and then fail on, and lines that it must refuse because of its known tables. Most stores
    /// accept any line.
    pub async fn screen(&self, shard: ShardId, lines: Vec<u8>) -> Screened {
        match &self.inner {
            Inner::Http(store) => store.screen(shard, lines).await,
            Inner::Embedded { .. } => Screened { lines, ..Screened::default() },
        }
    }

    /// Whether the rules of a screened batch no longer apply: its server turned out to be an old
    /// version.
    #[must_use]
    pub fn is_outdated(&self, shard: ShardId, screened: &Screened) -> bool {
        let Inner::Http(store) = &self.inner else { return false };
        store.rules(shard).is_some_and(|rules| rules != screened.rules)
    }

    /// The version of the knowledge about the server's tables, for comparison.
    #[must_use]
    pub fn version(&self, shard: ShardId) -> u64 {
        match &self.inner {
            Inner::Http(store) => store.version(shard),
            Inner::Embedded { .. } => 0,
        }
    }

    /// Learns from a refusal of lines, and reads the server's tables of their measurements; returns
    /// whether more is known now than at `version`, so that the other lines should be screened
    /// again.
    pub async fn relearn(&self, shard: ShardId, lines: &[u8], answer: &str, version: u64) -> bool {
        match &self.inner {
            Inner::Http(store) => store.relearn(shard, lines, answer, version).await,
            Inner::Embedded { .. } => false,
        }
    }

    /// Learns that the shard's server refuses every line of this line's measurement.
    pub fn refused_whole(&self, shard: ShardId, line: &[u8]) {
        if let Inner::Http(store) = &self.inner {
            store.refused_whole(shard, line);
        }
    }

    /// Whether it tells the type of a field when it refuses points for it, and names no lines.
    #[must_use]
    pub fn tells_types(&self) -> bool {
        matches!(self.kind, Kind::InfluxDb1 | Kind::InfluxDb2)
    }

    /// Whether nothing is to be learned from a refusal of these lines: the store does not
    /// [tell types](Self::tells_types), or it has accepted lines of each of their measurements, or
    /// their fields were [read](Self::learn_types) from it.
    #[must_use]
    pub fn knows_types(&self, shard: ShardId, lines: &[u8]) -> bool {
        match &self.inner {
            Inner::Http(store) if self.tells_types() => store.knows_types(shard, lines),
            Inner::Http(_) | Inner::Embedded { .. } => true,
        }
    }

    /// Learns which fields have another type in the store than mappings write, before points
    /// arrive.
    pub fn learn_types(&self, measurement: &str, mapped: &Measurement, stored: &Stored) {
        let store = match (&self.inner, self.kind) {
            // The tables of TDengine are read completely when a line is refused.
            (Inner::Http(_), Kind::TdEngine) | (Inner::Embedded { .. }, _) => return,
            (Inner::Http(store), _) => store,
        };
        for (field, kind) in &stored.fields {
            let mut mapped = mapped.fields.iter();
            if mapped.any(|(known, by_mapping)| known == field && by_mapping != kind) {
                store.learn_type(measurement, field, *kind);
            }
        }
        let is_stored = |field: &str| stored.fields.iter().any(|(known, _)| known == field);
        if !stored.fields.is_empty() && mapped.fields.iter().all(|(field, _)| is_stored(field)) {
            store.know_types(measurement);
        }
    }

    /// The cause of a refusal, from the store's message.
    #[must_use]
    pub fn cause_of(answer: &str) -> Cause {
        match conflict::is_type_conflict(answer) {
            true => Cause::TypeConflict,
            false => Cause::StoreRefused,
        }
    }

    /// Whether it refuses a whole request for one bad line.
    #[must_use]
    pub fn refuses_whole(&self) -> bool {
        self.kind == Kind::TdEngine
    }

    /// Waits until no other request adds columns to the measurements to which these lines add
    /// columns. Needed for lines with [`Screened::grows`].
    pub async fn turn(&self, shard: ShardId, lines: &[u8]) -> Turn {
        match &self.inner {
            Inner::Http(store) => store.turn(shard, lines).await,
            Inner::Embedded { .. } => Turn::default(),
        }
    }

    /// Learns from lines that were accepted in a turn, or of which not all
    /// [types were known](Self::knows_types).
    pub fn learn(&self, shard: ShardId, lines: &[u8]) {
        if let Inner::Http(store) = &self.inner {
            store.learn(shard, lines);
        }
    }

    /// Forgets the known tables of lines whose refusal looks like a race.
    pub fn forget(&self, shard: ShardId, lines: &[u8]) {
        if let Inner::Http(store) = &self.inner {
            store.forget(shard, lines);
        }
    }

    /// Checks that points can be written at all; called before each write.
    ///
    /// # Errors
    /// The verdict that any write would get now.
    pub async fn ready(&self, shard: ShardId) -> Result<(), Verdict> {
        match &self.inner {
            Inner::Http(store) => store.ready(store.endpoint(shard)).await,
            Inner::Embedded { .. } => Ok(()),
        }
    }

    /// Writes one request of lines and returns the verdict. Every fault on the way is also a
    /// verdict, so that the caller only acts on the verdict.
    ///
    /// The body is not copied; the caller can keep a clone to send the same bytes again. The
    /// embedded store does not take compressed bodies: there is no network.
    pub async fn write(&self, shard: ShardId, body: Bytes, encoding: Encoding) -> Verdict {
        match &self.inner {
            Inner::Http(store) => store.write(store.endpoint(shard), body, encoding).await,
            Inner::Embedded { writer, .. } => writer.write(body).await,
        }
    }

    /// Sends an empty write to a server (from 0, below [`Store::endpoints`]): the answer shows
    /// whether it is reachable, authorises us, and has the database.
    pub async fn write_empty(&self, endpoint: usize) -> Verdict {
        let Inner::Http(store) = &self.inner else { return Verdict::Accepted };
        match store.ready(endpoint).await {
            Ok(()) => store.write(endpoint, Bytes::new(), Encoding::Identity).await,
            Err(verdict) => verdict,
        }
    }

    /// What a server of `InfluxDB` 2 reports about itself and the bucket; `None` for other stores.
    ///
    /// # Errors
    /// The reason why it cannot be inspected, for the operator.
    #[cfg(feature = "influxdb2")]
    pub async fn look(&self, endpoint: usize) -> Result<Option<super::ServerReport>, String> {
        match &self.inner {
            Inner::Http(store) => store.look(endpoint).await,
            Inner::Embedded { .. } => Ok(None),
        }
    }

    /// Which server a shard is written to, from 0.
    #[must_use]
    pub fn endpoint(&self, shard: ShardId) -> usize {
        match &self.inner {
            Inner::Http(store) => store.endpoint(shard),
            Inner::Embedded { .. } => 0,
        }
    }

    /// How many servers hold the points; each holds those of its own shards.
    #[must_use]
    pub fn endpoints(&self) -> usize {
        match &self.inner {
            Inner::Http(store) => store.queries().endpoints(),
            Inner::Embedded { .. } => 1,
        }
    }

    /// The languages of [`Store::query`].
    #[must_use]
    pub fn languages(&self) -> &[Language] {
        match &self.inner {
            Inner::Http(store) => store.queries().languages(),
            Inner::Embedded { .. } => &[Language::Sql],
        }
    }

    /// Queries the server `endpoint` (from 0, below [`Store::endpoints`]) and returns once the
    /// columns are known; the rows are streamed. Nothing is retried.
    ///
    /// # Errors
    /// Errors before the first rows; later errors are sent in [`Rows::chunks`].
    pub async fn query(
        &self,
        endpoint: usize,
        query: StoreQuery,
        limits: StoreQueryLimits,
    ) -> Result<Rows, StoreQueryError> {
        let spoken = self.languages();
        if !spoken.contains(&query.language) {
            return Err(StoreQueryError::Language {
                asked: query.language,
                spoken: spoken.to_vec(),
            });
        }
        guard::check(self.kind, &query)?;
        match &self.inner {
            Inner::Http(store) => store.query(endpoint, &query, limits).await,
            Inner::Embedded { reader, .. } => reader.query(query, limits).await,
        }
    }

    /// The tags and fields that the store has for a measurement in a range of time, for a store
    /// where a query of others is an error; `None` for other stores.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn columns(
        &self,
        measurement: &str,
        range: Range<UnixNanos>,
    ) -> Result<Option<Vec<String>>, StoreQueryError> {
        match &self.inner {
            Inner::Http(_) => Ok(None),
            Inner::Embedded { reader, .. } => {
                reader.columns(measurement.to_owned(), range).await.map(Some)
            }
        }
    }

    /// A measurement's table on a server; `None` if there is none. Only for TDengine, where a query
    /// of missing columns is an error.
    ///
    /// # Errors
    /// If the store cannot be read, or has times of another precision.
    pub async fn table(
        &self,
        endpoint: usize,
        measurement: &str,
        limits: StoreQueryLimits,
    ) -> Result<Option<Table>, StoreQueryError> {
        match &self.inner {
            Inner::Http(store) => store.table(endpoint, measurement, limits).await,
            Inner::Embedded { .. } => Ok(None),
        }
    }

    /// The measurements of the embedded store; `None` for other stores, where a query returns them.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn measurements(&self) -> Result<Option<Vec<String>>, StoreQueryError> {
        match &self.inner {
            Inner::Http(_) => Ok(None),
            Inner::Embedded { reader, .. } => reader.measurements().await.map(Some),
        }
    }

    /// The tags and fields of a measurement in the embedded store; `None` for other stores, where
    /// queries return them.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn stored(&self, measurement: &str) -> Result<Option<Stored>, StoreQueryError> {
        match &self.inner {
            Inner::Http(_) => Ok(None),
            Inner::Embedded { reader, .. } => reader.stored(measurement.to_owned()).await.map(Some),
        }
    }
}
