//! A store of any kind, behind one set of questions.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use crate::{
    env::{Clock, Supervisor},
    model::{LineDialect, ShardId, UnixNanos},
    store::{
        ask::{Ask, AskError, AskLimits, Language, Rows, Stored, Table, guard},
        client::{Encoding, HttpStore, StoreError},
        embedded, influxdb1, influxdb2, influxdb3,
        options::{Kind, Options, Target},
        tdengine::{self, Unsendable},
        verdict::Verdict,
    },
    telemetry::Metrics,
};

/// A store that can be written to and asked. Cheap to share; every call is independent.
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
    /// A store ready to be written to. Nothing is sent to a database yet, so it may be away; the
    /// embedded store is opened.
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

    /// Whether any line can be [`Store::unsendable`], so that none has to be looked at for most
    /// kinds.
    #[must_use]
    pub fn screens_lines(&self) -> bool {
        self.kind == Kind::TdEngine
    }

    /// Why a line must not be sent to this store, though it would not refuse it; nothing if it may.
    #[must_use]
    pub fn unsendable(&self, line: &[u8]) -> Option<Unsendable> {
        match self.kind {
            Kind::TdEngine => tdengine::unsendable(line),
            Kind::InfluxDb1 | Kind::InfluxDb2 | Kind::InfluxDb3 | Kind::Embedded => None,
        }
    }

    /// Writes one request of lines and says what became of it. Every fault on the way is a verdict
    /// too: whoever calls this has nothing to decide but what the verdict says.
    ///
    /// The body is not copied; whoever keeps a clone of it can send the same bytes again. The
    /// embedded store takes no compressed body: there is no network to spare.
    pub async fn write(&self, shard: ShardId, body: Bytes, encoding: Encoding) -> Verdict {
        match &self.inner {
            Inner::Http(store) => store.write(shard, body, encoding).await,
            Inner::Embedded { writer, .. } => writer.write(body).await,
        }
    }

    /// How many servers hold the points; each holds those of its own shards.
    #[must_use]
    pub fn endpoints(&self) -> usize {
        match &self.inner {
            Inner::Http(store) => store.asker().endpoints(),
            Inner::Embedded { .. } => 1,
        }
    }

    /// The languages that [`Store::ask`] takes.
    #[must_use]
    pub fn languages(&self) -> &[Language] {
        match &self.inner {
            Inner::Http(store) => store.asker().languages(),
            Inner::Embedded { .. } => &[Language::Sql],
        }
    }

    /// Asks the server `endpoint` (from 0, below [`Store::endpoints`]) and answers once the columns
    /// are known; the rows come as they are read. Nothing is tried again.
    ///
    /// # Errors
    /// Whatever happens before the first rows; what happens later comes through [`Rows::chunks`].
    pub async fn ask(
        &self,
        endpoint: usize,
        ask: Ask,
        limits: AskLimits,
    ) -> Result<Rows, AskError> {
        let spoken = self.languages();
        if !spoken.contains(&ask.language) {
            return Err(AskError::Language { asked: ask.language, spoken: spoken.to_vec() });
        }
        guard::check(self.kind, &ask)?;
        match &self.inner {
            Inner::Http(store) => store.asker().ask(endpoint, &ask, limits).await,
            Inner::Embedded { reader, .. } => reader.ask(ask, limits).await,
        }
    }

    /// The tags and fields that the store has for a measurement in a stretch of time, where asking
    /// for others is an error; `None` where it is not.
    ///
    /// # Errors
    /// If the store cannot be looked into.
    pub async fn columns(
        &self,
        measurement: &str,
        range: Range<UnixNanos>,
    ) -> Result<Option<Vec<String>>, AskError> {
        match &self.inner {
            Inner::Http(_) => Ok(None),
            Inner::Embedded { reader, .. } => {
                reader.columns(measurement.to_owned(), range).await.map(Some)
            }
        }
    }

    /// What a server has of a measurement; nothing where it has none. Only of a store where asking
    /// for what is not there is an error: TDengine.
    ///
    /// # Errors
    /// If the store cannot be looked into, or holds times of another precision.
    pub async fn table(
        &self,
        endpoint: usize,
        measurement: &str,
        limits: AskLimits,
    ) -> Result<Option<Table>, AskError> {
        match &self.inner {
            Inner::Http(store) => store.table(endpoint, measurement, limits).await,
            Inner::Embedded { .. } => Ok(None),
        }
    }

    /// The measurements of the embedded store; nothing where a question of its language tells them.
    ///
    /// # Errors
    /// If the store cannot be looked into.
    pub async fn measurements(&self) -> Result<Option<Vec<String>>, AskError> {
        match &self.inner {
            Inner::Http(_) => Ok(None),
            Inner::Embedded { reader, .. } => reader.measurements().await.map(Some),
        }
    }

    /// What the embedded store has of a measurement; nothing where questions of its language tell.
    ///
    /// # Errors
    /// If the store cannot be looked into.
    pub async fn stored(&self, measurement: &str) -> Result<Option<Stored>, AskError> {
        match &self.inner {
            Inner::Http(_) => Ok(None),
            Inner::Embedded { reader, .. } => reader.stored(measurement.to_owned()).await.map(Some),
        }
    }
}
