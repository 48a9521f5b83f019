//! Requests over the WebSocket, each in a task of its own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use reqwest::Url;
use serde_json::json;
use taos::{
    AsyncQueryable, TaosBuilder,
    taos_query::{
        Address, Dsn,
        common::{SchemalessPrecision, SchemalessProtocol, SmlData, SmlDataBuilder},
    },
};
use tokio::sync::mpsc;

use super::{
    document,
    links::{AbortOnDrop, LinkError, Links, link_error},
};
use crate::{
    env::Clock,
    store::{
        Answer, StoreError,
        options::{Credentials, Options, Target, TdEngine},
        route::without_secrets,
        tdengine::Fault,
        verdict::Verdict,
    },
};

/// Pieces of an answer that are read ahead of the receiver.
const PIECES_AHEAD: usize = 2;

/// Every server of a store that is used over its WebSocket.
#[derive(Debug)]
pub(in crate::store) struct WebSockets {
    servers: Vec<Server>,
    request_timeout: Duration,
    /// Numbers the requests, to match the answers of one connection.
    requests: AtomicU64,
}

/// One server. A connection belongs to a database, which must exist.
#[derive(Debug)]
struct Server {
    /// For statements that need no database.
    bare: Arc<Links>,
    asked: Arc<Links>,
    written: Arc<Links>,
}

/// An answer that is being read: the document of `/rest/sql`, piece by piece.
#[derive(Debug)]
pub(in crate::store) struct AnswerStream {
    first: Option<Bytes>,
    pieces: mpsc::Receiver<Result<Vec<u8>, LinkError>>,
    _asking: AbortOnDrop<()>,
}

impl WebSockets {
    /// The servers of a TDengine whose addresses begin with `ws`; `None` for other stores.
    pub(in crate::store) fn of(
        options: &Options,
        clock: &Arc<dyn Clock>,
    ) -> Result<Option<Arc<Self>>, StoreError> {
        let Target::TdEngine(target) = &options.target else { return Ok(None) };
        let is_one = |url: &String| url.starts_with("ws://") || url.starts_with("wss://");
        if !options.urls.iter().any(is_one) {
            return Ok(None);
        }
        let server = |url: &String| {
            let links = |database: Option<&str>| {
                let (builder, address) = builder(url, target, database)?;
                let timeout = options.connect_timeout;
                Ok(Arc::new(Links::new(builder, address, timeout, Arc::clone(clock))))
            };
            let database = Some(target.database.as_str());
            Ok(Server { bare: links(None)?, asked: links(database)?, written: links(database)? })
        };
        let servers = options.urls.iter().map(server).collect::<Result<_, StoreError>>()?;
        let request_timeout = options.request_timeout;
        Ok(Some(Arc::new(Self { servers, request_timeout, requests: AtomicU64::new(1) })))
    }

    /// The number of servers.
    pub(in crate::store) fn endpoints(&self) -> usize {
        self.servers.len()
    }

    /// Writes lines: returns an answer as over HTTP, or a verdict if there was none.
    pub(in crate::store) async fn write(
        &self,
        endpoint: usize,
        body: &Bytes,
    ) -> Result<Answer, Verdict> {
        let Ok(lines) = str::from_utf8(body) else {
            let answer = "these lines are no UTF-8, which a WebSocket message has to be".to_owned();
            return Err(Verdict::Rejected { answer, dropped: None });
        };
        let writing = self.put(&self.servers[endpoint].written, lines);
        let written = tokio::time::timeout(self.request_timeout, writing).await;
        let away = |reason| Err(Verdict::Unavailable { reason, retry_after: None });
        match written {
            Ok(Ok(())) => Ok(Answer { status: 204, ..Answer::default() }),
            Ok(Err(LinkError::Fault(fault))) => {
                let body = json!({ "code": "internal error", "message": fault.text() });
                Ok(Answer { body: body.to_string().into_bytes(), ..Answer::default() })
            }
            Ok(Err(LinkError::Barred(text))) => {
                Ok(Answer { status: 401, body: text.into_bytes(), ..Answer::default() })
            }
            Ok(Err(LinkError::Away(reason))) => away(reason),
            Err(_elapsed) => away("timed out: no answer over the WebSocket".to_owned()),
        }
    }

    async fn put(&self, links: &Links, lines: &str) -> Result<(), LinkError> {
        let data: SmlData = SmlDataBuilder::default()
            .protocol(SchemalessProtocol::Line)
            .precision(SchemalessPrecision::Nanosecond)
            .data(vec![lines.to_owned()])
            .req_id(self.requests.fetch_add(1, Ordering::Relaxed))
            .build()
            .map_err(|error| LinkError::Away(error.to_string()))?;
        let link = links.take().await?;
        let mut writing = AbortOnDrop::new(async move {
            let put = link.put(&data).await;
            (link, put.map_err(|error| link_error(&error)))
        });
        let (link, put) = writing.ended().await?;
        if matches!(put, Ok(()) | Err(LinkError::Fault(_))) {
            links.give_back(link);
        }
        put
    }

    /// Runs a query with or without the database, and returns the answer once it begins.
    pub(in crate::store) async fn query(
        &self,
        endpoint: usize,
        in_database: bool,
        text: String,
    ) -> Result<AnswerStream, String> {
        let server = &self.servers[endpoint];
        let links = Arc::clone(if in_database { &server.asked } else { &server.bare });
        let (sender, pieces) = mpsc::channel(PIECES_AHEAD);
        let asking = AbortOnDrop::new(async move { document::send(&links, &text, &sender).await });
        let mut coming = AnswerStream { first: None, pieces, _asking: asking };
        let first = coming.chunk().await?;
        coming.first = Some(first.ok_or("the WebSocket client panicked over the answer")?);
        Ok(coming)
    }

    /// Runs a query and returns the whole answer.
    pub(in crate::store) async fn tell(
        &self,
        endpoint: usize,
        text: String,
    ) -> Result<Answer, String> {
        let asked = async {
            let mut coming = self.query(endpoint, false, text).await?;
            let mut answer = Answer { status: 200, ..Answer::default() };
            while let Some(piece) = coming.chunk().await? {
                let room = Answer::BODY_BYTES_MAX - answer.body.len();
                answer.cut = piece.len() > room;
                answer.body.extend_from_slice(&piece[..piece.len().min(room)]);
                if answer.cut {
                    break;
                }
            }
            if answer.whole_body().and_then(Fault::read).is_some() {
                answer.status = 0;
            }
            Ok(answer)
        };
        let timed_out = || Err("timed out: no answer over the WebSocket".to_owned());
        tokio::time::timeout(self.request_timeout, asked).await.unwrap_or_else(|_| timed_out())
    }
}

impl AnswerStream {
    /// The next piece; `None` at the end, and also if the client panicked: then the document is
    /// incomplete.
    pub(in crate::store) async fn chunk(&mut self) -> Result<Option<Bytes>, String> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        match self.pieces.recv().await {
            None => Ok(None),
            Some(Ok(piece)) => Ok(Some(piece.into())),
            Some(Err(LinkError::Fault(fault))) => Ok(Some(document::fault(&fault).into())),
            Some(Err(LinkError::Barred(reason) | LinkError::Away(reason))) => Err(reason),
        }
    }
}

/// The client's connection builder for an address, and the address as `host:port`.
fn builder(
    url: &str,
    options: &TdEngine,
    database: Option<&str>,
) -> Result<(TaosBuilder, String), StoreError> {
    let invalid = |source: Box<dyn std::error::Error + Send + Sync>| StoreError::UrlInvalid {
        url: without_secrets(url),
        source,
    };
    let parsed = Url::parse(url).map_err(|source| invalid(source.into()))?;
    let unknown = || StoreError::SchemeUnknown { url: without_secrets(url) };
    if !matches!(parsed.scheme(), "ws" | "wss") {
        return Err(unknown());
    }
    let (Some(host), Some(port)) = (parsed.host_str(), parsed.port_or_known_default()) else {
        return Err(unknown());
    };
    let Credentials::Basic { user, password } = &options.credentials else {
        return Err(StoreError::CredentialsInvalid);
    };
    let dsn = Dsn {
        driver: parsed.scheme().to_owned(),
        username: Some(user.clone()),
        password: Some(password.expose().to_owned()),
        addresses: vec![Address::new(host, port)],
        subject: database.map(str::to_owned),
        ..Dsn::default()
    };
    let builder = TaosBuilder::from_dsn(dsn).map_err(|error| invalid(error.into()))?;
    Ok((builder, format!("{host}:{port}")))
}
