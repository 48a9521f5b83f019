//! Requests over the WebSocket, each fenced in.

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
    links::{Fenced, Links, Trouble, trouble},
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

/// Pieces of an answer that are read ahead of whoever takes them.
const PIECES_AHEAD: usize = 2;

/// Every server of a store that is spoken to over its WebSocket.
#[derive(Debug)]
pub(in crate::store) struct WebSockets {
    servers: Vec<Server>,
    request_timeout: Duration,
    /// Tells the answers of one connection apart.
    requests: AtomicU64,
}

/// One server. A connection belongs to a database, and there is none to one that is missing.
#[derive(Debug)]
struct Server {
    /// For statements that name no table of ours.
    bare: Arc<Links>,
    asked: Arc<Links>,
    written: Arc<Links>,
}

/// An answer on its way: the document of `/rest/sql`, piece by piece.
#[derive(Debug)]
pub(in crate::store) struct Coming {
    first: Option<Bytes>,
    pieces: mpsc::Receiver<Result<Vec<u8>, Trouble>>,
    _asking: Fenced<()>,
}

impl WebSockets {
    /// The servers of a TDengine whose addresses begin with `ws`; nothing of others.
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

    /// How many there are.
    pub(in crate::store) fn endpoints(&self) -> usize {
        self.servers.len()
    }

    /// Writes lines: an answer as over HTTP, or the verdict where none came.
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
            Ok(Err(Trouble::Fault(fault))) => {
                let body = json!({ "code": "internal error", "message": fault.text() });
                Ok(Answer { body: body.to_string().into_bytes(), ..Answer::default() })
            }
            Ok(Err(Trouble::Barred(text))) => {
                Ok(Answer { status: 401, body: text.into_bytes(), ..Answer::default() })
            }
            Ok(Err(Trouble::Away(reason))) => away(reason),
            Err(_elapsed) => away("timed out: no answer over the WebSocket".to_owned()),
        }
    }

    async fn put(&self, links: &Links, lines: &str) -> Result<(), Trouble> {
        let data: SmlData = SmlDataBuilder::default()
            .protocol(SchemalessProtocol::Line)
            .precision(SchemalessPrecision::Nanosecond)
            .data(vec![lines.to_owned()])
            .req_id(self.requests.fetch_add(1, Ordering::Relaxed))
            .build()
            .map_err(|error| Trouble::Away(error.to_string()))?;
        let link = links.take().await?;
        let mut writing = Fenced::new(async move {
            let put = link.put(&data).await;
            (link, put.map_err(|error| trouble(&error)))
        });
        let (link, put) = writing.ended().await?;
        if matches!(put, Ok(()) | Err(Trouble::Fault(_))) {
            links.give_back(link);
        }
        put
    }

    /// Asks in the database or in none, and gives the answer once it begins.
    pub(in crate::store) async fn ask(
        &self,
        endpoint: usize,
        in_database: bool,
        text: String,
    ) -> Result<Coming, String> {
        let server = &self.servers[endpoint];
        let links = Arc::clone(if in_database { &server.asked } else { &server.bare });
        let (sender, pieces) = mpsc::channel(PIECES_AHEAD);
        let asking = Fenced::new(async move { document::send(&links, &text, &sender).await });
        let mut coming = Coming { first: None, pieces, _asking: asking };
        let first = coming.chunk().await?;
        coming.first = Some(first.ok_or("the WebSocket client panicked over the answer")?);
        Ok(coming)
    }

    /// Asks, and gives the whole answer.
    pub(in crate::store) async fn tell(
        &self,
        endpoint: usize,
        text: String,
    ) -> Result<Answer, String> {
        let asked = async {
            let mut coming = self.ask(endpoint, false, text).await?;
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

impl Coming {
    /// The next piece; nothing at the end, and nothing where the client panicked: such a document
    /// lacks its end.
    pub(in crate::store) async fn chunk(&mut self) -> Result<Option<Bytes>, String> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        match self.pieces.recv().await {
            None => Ok(None),
            Some(Ok(piece)) => Ok(Some(piece.into())),
            Some(Err(Trouble::Fault(fault))) => Ok(Some(document::fault(&fault).into())),
            Some(Err(Trouble::Barred(reason) | Trouble::Away(reason))) => Err(reason),
        }
    }
}

/// What makes connections to an address, and the address as the kernel is asked for it.
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
