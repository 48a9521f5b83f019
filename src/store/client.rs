//! The thin shell that sends: one pooled HTTP client, one address a shard, an [`Answer`] out.

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

use crate::{
    env::{Clock, http_client},
    model::ShardId,
    store::{
        Answer,
        ask::{AskError, AskLimits, Asker, Table},
        embedded,
        options::{Kind, Options, Target},
        route::{self, Route},
        tdengine::{self, DatabaseCheck, NotReady},
        verdict::{Verdict, broken_off, verdict},
    },
};

/// How a request's body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// Compressed with gzip.
    Gzip,
}

/// A store that is asked over HTTP.
#[derive(Debug)]
pub(super) struct HttpStore {
    kind: Kind,
    http: Client,
    /// Where to write, one for each base address; never empty.
    endpoints: Vec<Url>,
    headers: HeaderMap,
    asker: Asker,
    /// Whether TDengine's database is there and of the right precision.
    database: Option<DatabaseCheck>,
    clock: Arc<dyn Clock>,
}

/// Why a store cannot be spoken to. All are wrong settings: correct them and start again.
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
    /// The HTTP client cannot be made, for instance because the machine has no usable certificates.
    #[error("cannot make the HTTP client")]
    Client {
        /// What it said.
        #[source]
        source: reqwest::Error,
    },
}

impl HttpStore {
    /// A store ready to be written to; nothing is sent yet, so it may be away.
    ///
    /// The process needs a default TLS provider installed before this is called.
    pub(super) fn new(
        options: &Options,
        kind: Kind,
        route: &Route,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let endpoints: Vec<Url> =
            options.urls.iter().map(|url| route.endpoint(url)).collect::<Result<_, _>>()?;
        if endpoints.is_empty() {
            return Err(StoreError::NoUrl);
        }
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
        let asker = Asker::new(options, http.clone(), route.authorization.as_ref())?;
        let database = match &options.target {
            Target::TdEngine(options) => Some(DatabaseCheck::new(options, endpoints.len())),
            _ => None,
        };
        Ok(Self { kind, http, endpoints, headers, asker, database, clock })
    }

    /// Writes one request of lines and says what became of it. Every fault on the way is a verdict
    /// too: whoever calls this has nothing to decide but what the verdict says.
    ///
    /// The body is not copied; whoever keeps a clone of it can send the same bytes again.
    pub(super) async fn write(&self, shard: ShardId, body: Bytes, encoding: Encoding) -> Verdict {
        let endpoint = shard.as_usize() % self.endpoints.len();
        if let Some(database) = &self.database
            && let Err(reason) = database.ensure(&self.asker, endpoint, true).await
        {
            return reason.into();
        }
        match self.answer(endpoint, body, encoding).await {
            Ok((answer, Some(error))) => broken_off(&answer, &describe(&error)),
            Ok((answer, None)) => {
                if let Some(database) = &self.database
                    && tdengine::is_database_missing(&answer)
                {
                    database.forget(endpoint);
                }
                verdict(self.kind, &answer, self.clock.wall())
            }
            Err(error) => Verdict::Unavailable { reason: describe(&error), retry_after: None },
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

    /// What asks it.
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

/// An answer with what came of its body, up to the bound, and why no more came.
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

/// What to do about what TLS says, where that is known.
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
