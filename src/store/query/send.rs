//! Sends a query, reads its answer as a stream, and enforces its bounds.

#[cfg(feature = "taos-ws")]
use std::sync::Arc;
use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use reqwest::{
    Client, RequestBuilder, Response, Url,
    header::{ACCEPT, AUTHORIZATION, HeaderValue},
};
use tokio::{sync::mpsc, time::Sleep};

#[cfg(feature = "taos-ws")]
use crate::store::tdengine::{AnswerStream as WebSocketAnswer, WebSockets};
use crate::{
    model::{Column, Row, Secret, Value},
    store::{
        Answer, StoreError, client,
        http_error::describe,
        options::{Options, Target},
        query::{
            decode::Shape,
            flux, influxql, json_lines, refusal,
            request::{Body, QueryProtocol, Request},
            tdengine,
            terms::{Language, Rows, StoreQuery, StoreQueryError, StoreQueryLimits, Table},
        },
        route::{self, Route},
    },
};

/// The reason why the embedded store is never queried here.
const NO_HTTP: &str = "the embedded store is not asked over HTTP";

/// Queries a store over the network.
#[derive(Debug)]
pub(in crate::store) struct QueryClient {
    target: Target,
    http: Client,
    /// Base addresses; never empty.
    endpoints: Vec<Url>,
    authorization: Option<HeaderValue>,
    /// The WebSockets of a TDengine that is not used over HTTP.
    #[cfg(feature = "taos-ws")]
    sockets: Option<Arc<WebSockets>>,
}

impl QueryClient {
    /// Uses the same HTTP client and credentials as the writer; `urls` are the addresses that are
    /// queried over HTTP.
    pub(in crate::store) fn new(
        options: &Options,
        urls: &[String],
        http: Client,
        authorization: Option<&Secret>,
    ) -> Result<Self, StoreError> {
        let base = Route { path: &[], query: Vec::new(), authorization: None };
        let endpoints = urls.iter().map(|url| base.endpoint(url));
        Ok(Self {
            target: options.target.clone(),
            http,
            endpoints: endpoints.collect::<Result<_, _>>()?,
            authorization: route::authorization(authorization)?,
            #[cfg(feature = "taos-ws")]
            sockets: None,
        })
    }

    /// Uses the WebSocket, if there is one.
    #[cfg(feature = "taos-ws")]
    pub(in crate::store) fn over(self, sockets: Option<Arc<WebSockets>>) -> Self {
        Self { sockets, ..self }
    }

    /// How many servers have a part of the answer.
    pub(in crate::store) fn endpoints(&self) -> usize {
        #[cfg(feature = "taos-ws")]
        if let Some(sockets) = &self.sockets {
            return sockets.endpoints();
        }
        self.endpoints.len()
    }

    /// The languages of the store.
    pub(in crate::store) fn languages(&self) -> &'static [Language] {
        match self.target {
            Target::InfluxDb1(_) => &[Language::InfluxQl],
            Target::InfluxDb2(_) => &[Language::Flux],
            Target::InfluxDb3(_) => &[Language::Sql, Language::InfluxQl],
            Target::TdEngine(_) => &[Language::Sql],
            Target::Embedded(_) => unreachable!("{NO_HTTP}"),
        }
    }

    /// Queries one server and returns the columns; the rows follow.
    pub(in crate::store) async fn query(
        &self,
        endpoint: usize,
        query: &StoreQuery,
        limits: StoreQueryLimits,
    ) -> Result<Rows, StoreQueryError> {
        let deadline = Box::pin(tokio::time::sleep(limits.time_max));
        let asking = self.asking(query)?;
        let mut answering =
            Answering { asking, limits, deadline, bytes: 0, shape: Shape::default() };
        let response = answering.send(self, endpoint).await?;
        answering.answer(response).await
    }

    /// Sends one of our own statements to TDengine and returns its whole answer, also an error. The
    /// client's own time-out applies, and the bound of any answer.
    pub(in crate::store) async fn tell(
        &self,
        endpoint: usize,
        text: &str,
    ) -> Result<Answer, String> {
        #[cfg(feature = "taos-ws")]
        if let Some(sockets) = &self.sockets {
            return sockets.tell(endpoint, text.to_owned()).await;
        }
        let request = tdengine::request(None, text.to_owned());
        let answered =
            async { client::whole(self.sending(endpoint, &request).send().await?).await };
        answered.await.map_err(|error| describe(&error))
    }

    /// Sends a query; returns its answer if it is successful.
    async fn begin(
        &self,
        endpoint: usize,
        request: &Request,
        time_max: Duration,
    ) -> Result<Pieces, StoreQueryError> {
        let unavailable = |reason| StoreQueryError::Unavailable { reason };
        #[cfg(feature = "taos-ws")]
        if let (Some(sockets), Some(Body::Text(text))) = (&self.sockets, &request.body) {
            let asked = sockets.query(endpoint, request.database.is_some(), text.clone()).await;
            return asked.map(Pieces::WebSocket).map_err(unavailable);
        }
        // The client's own time-out is for writes; a query has its own bound. The client gets one
        // second more, so that our bound is the one that is reported.
        let sending = self.sending(endpoint, request).timeout(time_max + Duration::from_secs(1));
        let response = sending.send().await;
        let response = response.map_err(|error| unavailable(describe(&error)))?;
        match response.status().as_u16() {
            200 => Ok(Pieces::Http(response)),
            _ => Err(refusal::read(self.target.kind(), response).await),
        }
    }

    /// Reads the first existing table of TDengine that may hold `measurement`.
    pub(in crate::store) async fn table(
        &self,
        endpoint: usize,
        measurement: &str,
        limits: StoreQueryLimits,
    ) -> Result<Option<Table>, StoreQueryError> {
        let Some((name, rows)) = self.described(endpoint, measurement, limits).await? else {
            return Ok(None);
        };
        let columns = rows.into_iter().map(|(column, ..)| column).collect();
        Ok(Some(Table { name, columns }))
    }

    /// TDengine's description of the table of `measurement`: its name, and for each column, the
    /// time first, its name, its type and a note.
    pub(in crate::store) async fn described(
        &self,
        endpoint: usize,
        measurement: &str,
        limits: StoreQueryLimits,
    ) -> Result<Option<(String, Vec<(String, String, String)>)>, StoreQueryError> {
        for name in tdengine::table_names(measurement) {
            let query = StoreQuery::new(Language::Sql, tdengine::describe(&name)?);
            let rows = match self.query(endpoint, &query, limits).await {
                Err(error) if tdengine::is_table_missing(&error) => continue,
                rows => rows?,
            };
            let text = |row: &Row, at: usize| match row.get(at) {
                Some(Value::String(text)) => text.clone(),
                _ => String::new(),
            };
            let rows = rows.all().await?;
            let rows = rows.iter().map(|row| (text(row, 0), text(row, 1), text(row, 3)));
            return Ok(Some((name, rows.collect())));
        }
        Ok(None)
    }

    fn asking(&self, query: &StoreQuery) -> Result<QueryProtocol, StoreQueryError> {
        Ok(match &self.target {
            Target::InfluxDb1(options) => influxql::asking(options, query),
            Target::InfluxDb2(options) => flux::asking(options, query),
            Target::InfluxDb3(options) => json_lines::asking(options, query),
            Target::TdEngine(options) => tdengine::asking(options, query)?,
            Target::Embedded(_) => unreachable!("{NO_HTTP}"),
        })
    }

    fn sending(&self, endpoint: usize, request: &Request) -> RequestBuilder {
        let mut url = self.endpoints[endpoint % self.endpoints.len()].clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(request.path).extend(&request.database);
        }
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let sending = match &request.body {
            None => self.http.get(url),
            Some(Body::Json(body)) => self.http.post(url).json(body),
            Some(Body::Text(text)) => self.http.post(url).body(text.clone()),
        };
        let sending = sending.header(ACCEPT, request.accept);
        match &self.authorization {
            Some(value) => sending.header(AUTHORIZATION, value.clone()),
            None => sending,
        }
    }
}

/// The pieces of an answer.
enum Pieces {
    Http(Response),
    #[cfg(feature = "taos-ws")]
    WebSocket(WebSocketAnswer),
}

impl Pieces {
    /// The next piece; `None` at the end.
    async fn chunk(&mut self) -> Result<Option<Bytes>, String> {
        match self {
            Self::Http(response) => response.chunk().await.map_err(|error| describe(&error)),
            #[cfg(feature = "taos-ws")]
            Self::WebSocket(coming) => coming.chunk().await,
        }
    }
}

/// An answer that is being read.
struct Answering {
    asking: QueryProtocol,
    limits: StoreQueryLimits,
    deadline: Pin<Box<Sleep>>,
    bytes: usize,
    shape: Shape,
}

impl Answering {
    /// Sends the query; returns the answer if it is successful.
    async fn send(
        &mut self,
        queries: &QueryClient,
        endpoint: usize,
    ) -> Result<Pieces, StoreQueryError> {
        let beginning = queries.begin(endpoint, &self.asking.request, self.limits.time_max);
        let timed_out = StoreQueryError::time(&self.limits);
        tokio::select! {
            () = &mut self.deadline => Err(timed_out),
            coming = beginning => coming,
        }
    }

    /// Reads until the columns are known; a task reads the rest as the receiver takes it.
    async fn answer(mut self, mut coming: Pieces) -> Result<Rows, StoreQueryError> {
        let columns = loop {
            let is_end = !self.step(&mut coming).await?;
            if let Some(columns) = self.shape.columns() {
                break (columns, is_end);
            }
        };
        let (columns, is_end): (Vec<Column>, bool) = columns;
        let (sender, chunks) = mpsc::channel(Rows::CHUNKS_AHEAD);
        tokio::spawn(self.stream(coming, is_end, sender));
        Ok(Rows { columns, chunks })
    }

    /// Reads and sends until the end, an error, or until the receiver is gone. The connection is
    /// dropped with this task; that cancels an answer that was not read to its end.
    async fn stream(
        mut self,
        mut coming: Pieces,
        mut is_end: bool,
        sender: mpsc::Sender<Result<Vec<Row>, StoreQueryError>>,
    ) {
        loop {
            let rows = self.shape.take_rows();
            if !rows.is_empty() && self.pass_on(&sender, Ok(rows)).await.is_err() {
                return;
            }
            if is_end {
                return;
            }
            let stepped = tokio::select! {
                () = sender.closed() => return,
                stepped = self.step(&mut coming) => stepped,
            };
            match stepped {
                Ok(goes_on) => is_end = !goes_on,
                Err(error) => {
                    // A receiver that is gone needs no error.
                    drop(sender.send(Err(error)).await);
                    return;
                }
            }
        }
    }

    /// Sends rows to a receiver that may be slow, until the time is over.
    async fn pass_on(
        &mut self,
        sender: &mpsc::Sender<Result<Vec<Row>, StoreQueryError>>,
        rows: Result<Vec<Row>, StoreQueryError>,
    ) -> Result<(), ()> {
        let timed_out = StoreQueryError::time(&self.limits);
        tokio::select! {
            sent = sender.send(rows) => sent.map_err(drop),
            () = &mut self.deadline => {
                drop(sender.send(Err(timed_out)).await);
                Err(())
            }
        }
    }

    /// Decodes the next piece of the answer; false at its end.
    async fn step(&mut self, coming: &mut Pieces) -> Result<bool, StoreQueryError> {
        let piece = tokio::select! {
            () = &mut self.deadline => return Err(StoreQueryError::time(&self.limits)),
            piece = coming.chunk() => piece,
        };
        let piece = piece.map_err(StoreQueryError::broken)?;
        let goes_on = piece.is_some();
        match piece {
            Some(piece) => {
                self.bytes = self.bytes.saturating_add(piece.len());
                if self.bytes > self.limits.bytes_max {
                    return Err(StoreQueryError::Bytes { max: self.limits.bytes_max });
                }
                self.asking.decoder.take(&piece, &mut self.shape)?;
            }
            None => self.asking.decoder.end(&mut self.shape)?,
        }
        if self.shape.count() > self.limits.rows_max {
            return Err(StoreQueryError::Rows { max: self.limits.rows_max });
        }
        Ok(goes_on)
    }
}
