//! The thin shell that sends: one pooled HTTP client, or TDengine's WebSocket, one address a shard,
//! an [`Answer`] out.

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
        ask::{Ask, AskError, AskLimits, Asker, Rows, Table},
        conflict::{self, TypeConflict},
        embedded,
        ledger::{Column, Ledger, Screened, Turn},
        options::{Kind, Options, Target},
        placement::Placement,
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

/// A store of the network.
#[derive(Debug)]
pub(super) struct HttpStore {
    kind: Kind,
    http: Client,
    /// The write URLs, one for each base address.
    endpoints: Vec<Url>,
    placement: Placement,
    headers: HeaderMap,
    asker: Asker,
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
    /// An address is not of a web server; write it as `http://host:port`.
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
    /// A token, user or password holds a character that no HTTP header can; check for a newline.
    #[error("the store's credentials hold a character that an HTTP header cannot")]
    CredentialsInvalid,
    /// The embedded store cannot be opened.
    #[error("cannot open the embedded store")]
    Embedded(#[source] embedded::OpenError),
    /// The client that creates organisation and bucket cannot be made.
    #[cfg(feature = "influxdb2")]
    #[error("cannot make the client that creates the bucket")]
    Admin {
        /// What it said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The HTTP client cannot be made, for instance because the machine has no usable certificates.
    #[error("cannot make the HTTP client")]
    Client {
        /// What it said.
        #[source]
        source: reqwest::Error,
    },
}

impl HttpStore {
    /// A store ready to be written to; nothing is sent yet, so it may be unavailable.
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
        // A redirect would repeat credentials and points to whoever it names.
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
        let asker = Asker::new(options, urls, http.clone(), route.authorization.as_ref())?;
        #[cfg(feature = "taos-ws")]
        let asker = asker.over(sockets.clone());
        let (database, rules) = match &options.target {
            Target::TdEngine(options) => {
                let rules = LineRules {
                    newlines: options.newlines,
                    string_bytes_max: options.string_bytes_max,
                    is_old: false,
                };
                (Some(DatabaseCheck::new(options, asker.endpoints())), Some(rules))
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
            asker,
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

    /// The rules for lines of a shard, as far as its server is known; `None` if there are none.
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
        // Newer servers find words for each bad line.
        Screened { lines, refused, grows, races: !rules.is_old, suspects_from, rules }
    }

    /// The shard's server refuses every line of this line's measurement: for a while such lines are
    /// sent after all others.
    pub(super) fn refused_whole(&self, shard: ShardId, line: &[u8]) {
        self.ledgers[self.endpoint(shard)].refused_whole(line, self.clock.monotonic());
    }

    /// Reads the server's tables of the measurements of refused lines, each at most once a moment;
    /// returns whether more is known now than at `version`.
    pub(super) async fn relearn(
        &self,
        shard: ShardId,
        lines: &[u8],
        answer: &str,
        version: u64,
    ) -> bool {
        /// Measurements read for one refusal; the others wait for the next.
        const ASKED_MAX: usize = 16;
        let endpoint = self.endpoint(shard);
        let ledger = &self.ledgers[endpoint];
        if self.rules.is_none() {
            if let Some(TypeConflict { measurement, field, kind }) = conflict::read(answer) {
                ledger.told(&measurement, &field, kind);
            }
            return ledger.version() != version;
        }
        for table in ledger.tables_of(lines).iter().take(ASKED_MAX) {
            self.read_table(endpoint, table).await;
        }
        ledger.version() != version
    }

    /// Reads one table into the ledger; a server that refuses this is no fault.
    async fn read_table(&self, endpoint: usize, table: &str) {
        let limits = AskLimits {
            rows_max: 10_000,
            bytes_max: 4 << 20,
            time_max: std::time::Duration::from_secs(2),
        };
        let ledger = &self.ledgers[endpoint];
        if !ledger.asks(table, self.clock.monotonic()) {
            return;
        }
        match self.asker.described(endpoint, table, limits).await {
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

    /// Notes a field whose type on every server differs from the mappings'.
    pub(super) fn told(&self, measurement: &str, field: &str, kind: FieldType) {
        for ledger in &self.ledgers {
            ledger.told(measurement, field, kind);
        }
    }

    /// The version of what is known of the tables of a shard's server.
    pub(super) fn version(&self, shard: ShardId) -> u64 {
        self.ledgers[self.endpoint(shard)].version()
    }

    /// Waits for the turn to send lines that may add columns.
    pub(super) async fn turn(&self, shard: ShardId, lines: &[u8]) -> Turn {
        self.ledgers[self.endpoint(shard)].turn(lines).await
    }

    /// Lines that took a turn were accepted.
    pub(super) fn learn(&self, shard: ShardId, lines: &[u8]) {
        self.ledgers[self.endpoint(shard)].accepted(lines, self.clock.monotonic());
    }

    /// A refusal of these lines suggests that another writer changed their tables.
    pub(super) fn forget(&self, shard: ShardId, lines: &[u8]) {
        self.ledgers[self.endpoint(shard)].forget(lines);
    }

    /// Checks that points may be written at all.
    pub(super) async fn ready(&self, endpoint: usize) -> Result<(), Verdict> {
        #[cfg(feature = "influxdb2")]
        if let Some(admin) = &self.admin {
            admin.ensure(endpoint).await.map_err(Verdict::from)?;
        }
        let Some(database) = &self.database else { return Ok(()) };
        let ensured = database.ensure(&self.asker, endpoint, true).await;
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

    /// What a server of InfluxDB 2 tells of itself and of the bucket.
    #[cfg(feature = "influxdb2")]
    pub(super) async fn look(&self, endpoint: usize) -> Result<Option<super::Looked>, String> {
        let Some(admin) = &self.admin else { return Ok(None) };
        admin.look(endpoint).await.map(Some).map_err(|why| match why {
            NotReady::Setting(reason) | NotReady::Away(reason) => reason,
        })
    }

    /// Queries a server. A server whose database the first write will create has no rows.
    pub(super) async fn ask(
        &self,
        endpoint: usize,
        ask: &Ask,
        limits: AskLimits,
    ) -> Result<Rows, AskError> {
        match (self.asker.ask(endpoint, ask, limits).await, &self.database) {
            (Err(error), Some(database)) if database.will_be_made(&error) => Ok(Rows::none()),
            (answered, _) => answered,
        }
    }

    /// What a server of TDengine has of a measurement; nothing where it has none.
    pub(super) async fn table(
        &self,
        endpoint: usize,
        measurement: &str,
        limits: AskLimits,
    ) -> Result<Option<Table>, AskError> {
        // Every other store answers a question about what it does not have.
        let Some(database) = &self.database else { return Ok(None) };
        database.ensure(&self.asker, endpoint, false).await.map_err(|why| match why {
            NotReady::Setting(reason) => AskError::Halted { reason },
            NotReady::Away(reason) => AskError::Unavailable { reason },
        })?;
        match self.asker.table(endpoint, measurement, limits).await {
            // The first write will make it; until then nothing is there.
            Err(error) if database.will_be_made(&error) => Ok(None),
            table => table,
        }
    }

    /// The asker.
    pub(super) const fn asker(&self) -> &Asker {
        &self.asker
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

/// An answer with its body, up to the bound. A body cut off by the network is an error and not a
/// short body: half a sentence may read as a refusal.
pub(super) async fn whole(response: Response) -> Result<Answer, reqwest::Error> {
    match received(response).await {
        (answer, None) => Ok(answer),
        (_, Some(error)) => Err(error),
    }
}

/// An answer with the received part of its body, up to the bound, and why no more came.
async fn received(mut response: Response) -> (Answer, Option<reqwest::Error>) {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let mut answer = Answer {
        status: response.status().as_u16(),
        retry_after: header(RETRY_AFTER).map(str::to_owned),
        location: header(LOCATION).and_then(|to| route::shown(response.url(), to)),
        ..Answer::default()
    };
    // A body without an end is cut here, and its connection closed with it.
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

/// Remedies for known TLS errors.
const REMEDIES: &[(&str, &str)] = &[
    (
        "UnknownIssuer",
        " (an authority that this machine does not trust signed the store's certificate; name the \
         authority's file in store.ca-file)",
    ),
    (
        "CaUsedAsEndEntity",
        " (the store's certificate is an authority's own; give the store one that the authority \
         signed, and name the authority's file in store.ca-file)",
    ),
    ("InvalidContentType", " (the store may not speak TLS; try http:// in store.urls)"),
];

/// The whole chain of an error in one bounded line. Each link of reqwest's chain prints itself
/// only.
pub(super) fn describe(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "timed out: ".to_owned() } else { String::new() };
    text.push_str(&error.to_string());
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text.truncate(text.floor_char_boundary(Answer::QUOTE_BYTES_MAX));
    for (words, remedy) in REMEDIES {
        if text.contains(words) {
            text.push_str(remedy);
        }
    }
    text
}
