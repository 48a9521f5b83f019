//! Sends writes and returns the [`Answer`]: with one pooled HTTP client or TDengine's WebSocket, to
//! one address per shard.

use std::{error::Error, sync::Arc};

use bytes::Bytes;
use reqwest::{
    Certificate, Client, Response, Url,
    header::{
        AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION,
        RETRY_AFTER,
    },
    redirect::Policy,
};

#[cfg(feature = "taos-ws")]
use crate::store::tdengine::WebSockets;
use crate::{
    env::{Clock, http_client},
    model::{FieldType, ShardId},
    store::{
        Answer,
        conflict::{self, TypeConflict},
        embedded,
        http_error::describe,
        ledger::{Column, Ledger, Screened, Turn},
        options::{Kind, Options, Target},
        placement::Placement,
        query::{QueryClient, Rows, StoreQuery, StoreQueryError, StoreQueryLimits, Table},
        route::{self, Route},
        tdengine::{self, DatabaseCheck, LineRules, NotReady},
        verdict::{Verdict, broken_off, verdict},
    },
};

/// How a request's body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Uncompressed.
    Identity,
    /// Compressed with gzip.
    Gzip,
}

/// A store that is used over the network.
#[derive(Debug)]
pub(super) struct HttpStore {
    kind: Kind,
    http: Client,
    /// The write URLs, one for each base address.
    endpoints: Vec<Url>,
    placement: Placement,
    headers: HeaderMap,
    queries: QueryClient,
    /// The check that TDengine's database exists and has the right precision.
    database: Option<DatabaseCheck>,
    /// The check that InfluxDB 2's bucket exists.
    #[cfg(feature = "influxdb2")]
    admin: Option<super::influxdb2_admin::Admin>,
    /// The WebSocket links to a TDengine.
    #[cfg(feature = "taos-ws")]
    sockets: Option<Arc<WebSockets>>,
    /// The store's rules for lines, if it has any, and the known tables of each server.
    rules: Option<LineRules>,
    ledgers: Vec<Ledger>,
    clock: Arc<dyn Clock>,
}

/// Why a store cannot be set up. All are wrong settings: correct them and start again.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// `store.urls` is empty; name at least one address.
    #[error("no store address is given")]
    NoUrl,
    /// An address does not parse; write it as `http://host:port`.
    #[error("store address `{url}` is not a URL")]
    UrlInvalid {
        /// As written.
        url: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// An address has another scheme; write it as `http://host:port`.
    #[error("store address `{url}` is neither http nor https")]
    SchemeUnknown {
        /// As written.
        url: String,
    },
    /// An address holds a user or a password, which would show in logs; use the keys for them.
    #[error("store address of host `{host}` holds credentials; use the store's own keys for them")]
    UrlWithCredentials {
        /// The address's host, without the credentials.
        host: String,
    },
    /// A token, user or password holds a character that an HTTP header cannot; check for a newline.
    #[error("the store's credentials hold a character that an HTTP header cannot")]
    CredentialsInvalid,
    /// The embedded store cannot be opened.
    #[error("cannot open the embedded store")]
    Embedded(#[source] embedded::OpenError),
    /// The client that creates organisation and bucket cannot be set up.
    #[cfg(feature = "influxdb2")]
    #[error("cannot make the client that creates the bucket")]
    Admin {
        /// The client's error.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The HTTP client cannot be set up, for instance because the machine has no usable
    /// certificates.
    #[error("cannot make the HTTP client")]
    Client {
        /// The client's error.
        #[source]
        source: reqwest::Error,
    },
}

impl HttpStore {
    /// Sets up a store. Nothing is sent yet, so it may be unavailable.
    ///
    /// The process needs a default TLS provider installed before this is called.
    pub(super) fn new(
        options: &Options,
        kind: Kind,
        route: &Route,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        if options.urls.is_empty() {
            return Err(StoreError::NoUrl);
        }
        #[cfg(feature = "taos-ws")]
        let sockets = WebSockets::of(options, &clock)?;
        #[cfg(feature = "taos-ws")]
        let urls = if sockets.is_none() { options.urls.as_slice() } else { &[] };
        #[cfg(not(feature = "taos-ws"))]
        let urls = options.urls.as_slice();
        let endpoints = urls.iter().map(|url| route.endpoint(url)).collect::<Result<_, _>>()?;
        // A redirect would send credentials and points to another server.
        let mut http = http_client()
            .user_agent(concat!("fleetline/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .http1_only()
            .tcp_nodelay(true)
            .connect_timeout(options.connect_timeout)
            .timeout(options.request_timeout);
        let client = |source| StoreError::Client { source };
        if let Some(authorities) = &options.authorities {
            let found: Result<Vec<_>, _> =
                authorities.certificates().map(Certificate::from_der).collect();
            http = http.tls_certs_merge(found.map_err(client)?);
        }
        let http = http.build().map_err(client)?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if let Some(value) = route::authorization(route.authorization.as_ref())? {
            headers.insert(AUTHORIZATION, value);
        }
        let queries = QueryClient::new(options, urls, http.clone(), route.authorization.as_ref())?;
        #[cfg(feature = "taos-ws")]
        let queries = queries.over(sockets.clone());
        let (database, rules) = match &options.target {
            Target::TdEngine(options) => {
                let rules = LineRules {
                    newlines: options.newlines,
                    string_bytes_max: options.string_bytes_max,
                    is_old: false,
                };
                (Some(DatabaseCheck::new(options, queries.endpoints())), Some(rules))
            }
            _ => (None, None),
        };
        let ledgers = options.urls.iter().map(|_| Ledger::new(kind.names())).collect();
        #[cfg(feature = "influxdb2")]
        let admin = super::influxdb2_admin::Admin::of(options)?;
        let placement = Placement::new(&options.urls, options.shards);
        Ok(Self {
            kind,
            http,
            endpoints,
            placement,
            headers,
            queries,
            database,
            #[cfg(feature = "influxdb2")]
            admin,
            #[cfg(feature = "taos-ws")]
            sockets,
            rules,
            ledgers,
            clock,
        })
    }

    /// Which server a shard is written to.
    pub(super) fn endpoint(&self, shard: ShardId) -> usize {
        self.placement.endpoint(shard)
    }

    /// The rules for the lines of a shard, as far as its server's version is known; `None` if there
    /// are none.
    pub(super) fn rules(&self, shard: ShardId) -> Option<LineRules> {
        let (rules, database) = (self.rules?, self.database.as_ref()?);
        Some(LineRules { is_old: database.is_old(self.endpoint(shard)), ..rules })
    }

    /// Checks a batch against the rules and the known tables of the server.
    pub(super) async fn screen(&self, shard: ShardId, lines: Vec<u8>) -> Screened {
        let Some(rules) = self.rules(shard) else {
            return match self.ledgers[self.endpoint(shard)].parted(&lines) {
                None => Screened { lines, ..Screened::default() },
                Some((lines, at)) => {
                    let suspects_from = (at < lines.len()).then_some(at);
                    Screened { lines, suspects_from, ..Screened::default() }
                }
            };
        };
        let (endpoint, now) = (self.endpoint(shard), self.clock.monotonic());
        let ledger = &self.ledgers[endpoint];
        let mut pass = ledger.screen(&lines, rules, now);
        if !pass.doubted.is_empty() {
            for table in &pass.doubted {
                self.read_table(endpoint, table).await;
            }
            pass = ledger.screen(&lines, rules, self.clock.monotonic());
        }
        let lines = pass.kept.unwrap_or(lines);
        let (lines, suspects_from) = match ledger.refused_last(&lines, now) {
            None => (lines, None),
            Some((lines, at)) => (lines, Some(at)),
        };
        let (refused, grows) = (pass.refused, pass.grows);
        // Newer servers have a message for each bad line.
        Screened { lines, refused, grows, races: !rules.is_old, suspects_from, rules }
    }

    /// The shard's server refuses every line of this line's measurement: for some time such lines
    /// are sent after all others.
    pub(super) fn refused_whole(&self, shard: ShardId, line: &[u8]) {
        self.ledgers[self.endpoint(shard)].refused_whole(line, self.clock.monotonic());
    }

    /// Reads the server's tables of the measurements of refused lines, each at most once a second;
    /// returns whether more is known now than at `version`.
    pub(super) async fn relearn(
        &self,
        shard: ShardId,
        lines: &[u8],
        answer: &str,
        version: u64,
    ) -> bool {
        /// Measurements read per refusal; the others wait for the next one.
        const ASKED_MAX: usize = 16;
        let endpoint = self.endpoint(shard);
        let ledger = &self.ledgers[endpoint];
        if self.rules.is_none() {
            if let Some(TypeConflict { measurement, field, kind }) = conflict::read(answer) {
                ledger.learn_type(&measurement, &field, kind);
            }
            return ledger.version() != version;
        }
        for table in ledger.tables_of(lines).iter().take(ASKED_MAX) {
            self.read_table(endpoint, table).await;
        }
        ledger.version() != version
    }

    /// Reads one table into the ledger; it is not a fault if the server refuses that.
    async fn read_table(&self, endpoint: usize, table: &str) {
        let limits = StoreQueryLimits {
            rows_max: 10_000,
            bytes_max: 4 << 20,
            time_max: std::time::Duration::from_secs(2),
        };
        let ledger = &self.ledgers[endpoint];
        if !ledger.asks(table, self.clock.monotonic()) {
            return;
        }
        match self.queries.described(endpoint, table, limits).await {
            Ok(found) => {
                let columns = found.map(|(_, rows)| {
                    let column = |(name, kind, note): (String, String, String)| {
                        (name, Column::of_tdengine(&kind, &note))
                    };
                    rows.into_iter().skip(1).map(column).collect()
                });
                ledger.read(table, columns, self.clock.monotonic());
            }
            Err(error) => tracing::debug!(table, %error, "a table cannot be looked at"),
        }
    }

    /// Whether the types of each measurement of these lines are known.
    pub(super) fn knows_types(&self, shard: ShardId, lines: &[u8]) -> bool {
        self.ledgers[self.endpoint(shard)].knows_types(lines)
    }

    /// All fields that mappings write into a measurement were read from every server.
    pub(super) fn know_types(&self, measurement: &str) {
        for ledger in &self.ledgers {
            ledger.know_types(measurement);
        }
    }

    /// Notes a field whose type on every server differs from the type in the mappings.
    pub(super) fn learn_type(&self, measurement: &str, field: &str, kind: FieldType) {
        for ledger in &self.ledgers {
            ledger.learn_type(measurement, field, kind);
        }
    }

    /// The version of the knowledge about the tables of a shard's server.
    pub(super) fn version(&self, shard: ShardId) -> u64 {
        self.ledgers[self.endpoint(shard)].version()
    }

    /// Waits for its turn to send lines that may add columns.
    pub(super) async fn turn(&self, shard: ShardId, lines: &[u8]) -> Turn {
        self.ledgers[self.endpoint(shard)].turn(lines).await
    }

    /// Lines were accepted that took a turn, or of which not all types were known.
    pub(super) fn learn(&self, shard: ShardId, lines: &[u8]) {
        let ledger = &self.ledgers[self.endpoint(shard)];
        match self.rules {
            Some(_) => ledger.accepted(lines, self.clock.monotonic()),
            None => ledger.know_types_of(lines),
        }
    }

    /// A refusal of these lines suggests that another writer changed their tables.
    pub(super) fn forget(&self, shard: ShardId, lines: &[u8]) {
        self.ledgers[self.endpoint(shard)].forget(lines);
    }

    /// Checks that points can be written at all.
    pub(super) async fn ready(&self, endpoint: usize) -> Result<(), Verdict> {
        #[cfg(feature = "influxdb2")]
        if let Some(admin) = &self.admin {
            admin.ensure(endpoint).await.map_err(Verdict::from)?;
        }
        let Some(database) = &self.database else { return Ok(()) };
        let ensured = database.ensure(&self.queries, endpoint, true).await;
        ensured.map_err(Verdict::from)
    }

    /// Writes one request of lines and returns the verdict. Every fault on the way is a verdict,
    /// too: the caller only acts on the verdict.
    ///
    /// The body is not copied; the caller can keep a clone to send the same bytes again.
    pub(super) async fn write(&self, endpoint: usize, body: Bytes, encoding: Encoding) -> Verdict {
        #[cfg(feature = "taos-ws")]
        if let Some(sockets) = &self.sockets {
            return match sockets.write(endpoint, &body).await {
                Ok(answer) => self.judge(endpoint, &answer),
                Err(verdict) => verdict,
            };
        }
        match self.answer(endpoint, body, encoding).await {
            Ok((answer, Some(error))) => broken_off(&answer, &describe(&error)),
            Ok((answer, None)) => self.judge(endpoint, &answer),
            Err(error) => Verdict::Unavailable { reason: describe(&error), retry_after: None },
        }
    }

    /// The verdict of a whole answer to a write.
    fn judge(&self, endpoint: usize, answer: &Answer) -> Verdict {
        if let Some(database) = &self.database
            && tdengine::is_database_missing(answer)
        {
            database.forget(endpoint);
        }
        #[cfg(feature = "influxdb2")]
        if let Some(admin) = &self.admin
            && answer.status == 404
        {
            admin.forget(endpoint);
        }
        verdict(self.kind, answer, self.clock.wall())
    }

    /// What a server of InfluxDB 2 reports about itself and the bucket.
    #[cfg(feature = "influxdb2")]
    pub(super) async fn look(
        &self,
        endpoint: usize,
    ) -> Result<Option<super::ServerReport>, String> {
        let Some(admin) = &self.admin else { return Ok(None) };
        admin.look(endpoint).await.map(Some).map_err(|why| match why {
            NotReady::Setting(reason) | NotReady::Away(reason) => reason,
        })
    }

    /// Queries a server. A server whose database the first write will create has no rows.
    pub(super) async fn query(
        &self,
        endpoint: usize,
        query: &StoreQuery,
        limits: StoreQueryLimits,
    ) -> Result<Rows, StoreQueryError> {
        match (self.queries.query(endpoint, query, limits).await, &self.database) {
            (Err(error), Some(database)) if database.will_be_made(&error) => Ok(Rows::none()),
            (answered, _) => answered,
        }
    }

    /// A measurement's table on a server of TDengine; `None` if there is none.
    pub(super) async fn table(
        &self,
        endpoint: usize,
        measurement: &str,
        limits: StoreQueryLimits,
    ) -> Result<Option<Table>, StoreQueryError> {
        // Every other store answers a query of missing columns.
        let Some(database) = &self.database else { return Ok(None) };
        database.ensure(&self.queries, endpoint, false).await.map_err(|why| match why {
            NotReady::Setting(reason) => StoreQueryError::Halted { reason },
            NotReady::Away(reason) => StoreQueryError::Unavailable { reason },
        })?;
        match self.queries.table(endpoint, measurement, limits).await {
            // The first write will create it; until then there is nothing.
            Err(error) if database.will_be_made(&error) => Ok(None),
            table => table,
        }
    }

    /// The query client.
    pub(super) const fn queries(&self) -> &QueryClient {
        &self.queries
    }

    async fn answer(
        &self,
        endpoint: usize,
        body: Bytes,
        encoding: Encoding,
    ) -> Result<(Answer, Option<reqwest::Error>), reqwest::Error> {
        let url = self.endpoints[endpoint].clone();
        let mut request = self.http.post(url).headers(self.headers.clone()).body(body);
        if encoding == Encoding::Gzip {
            request = request.header(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Ok(received(request.send().await?).await)
    }
}

/// An answer with its body, up to the bound. A body that the network cut off is an error and not a
/// short body: half a message may look like a refusal.
pub(super) async fn whole(response: Response) -> Result<Answer, reqwest::Error> {
    match received(response).await {
        (answer, None) => Ok(answer),
        (_, Some(error)) => Err(error),
    }
}

/// An answer with the received part of its body, up to the bound, and the error that ended it.
async fn received(mut response: Response) -> (Answer, Option<reqwest::Error>) {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let mut answer = Answer {
        status: response.status().as_u16(),
        retry_after: header(RETRY_AFTER).map(str::to_owned),
        location: header(LOCATION).and_then(|to| route::shown(response.url(), to)),
        ..Answer::default()
    };
    // An endless body is cut here, and its connection is closed.
    loop {
        let chunk = match response.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return (answer, None),
            Err(error) => return (answer, Some(error)),
        };
        let room = Answer::BODY_BYTES_MAX - answer.body.len();
        answer.cut = chunk.len() > room;
        answer.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if answer.cut {
            return (answer, None);
        }
    }
}
