//! Requests to the appliance, one after the other, and their streamed answers.

use std::{
    error::Error,
    io::{self, Read},
    path::PathBuf,
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use reqwest::{
    Client, RequestBuilder, Response, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde::Deserialize;
use tokio::runtime::Runtime;

use super::Place;
use crate::{env::http_client, model::Secret};

/// The maximum time to connect.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Bytes of a refusal that are read at most.
const REFUSAL_BYTES_MAX: u64 = 64 * 1024;

const JSON: &[u8] = b"application/json";

/// How long to wait for the appliance.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) enum Patience {
    /// From the request to the end of the answer.
    Whole(Duration),
    /// Between two reads.
    Silence(Duration),
}

/// An appliance that may be running.
#[derive(Debug)]
pub(in crate::cli) struct Appliance {
    client: Client,
    base: Url,
    lock: Option<PathBuf>,
    runtime: Runtime,
}

/// Why the appliance did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum ApplianceError {
    /// The system provides no sockets or timers.
    #[error("cannot start the client")]
    Runtime(#[source] io::Error),
    /// The HTTP client cannot be built.
    #[error("cannot make the HTTP client")]
    Client(#[source] reqwest::Error),
    /// The token holds a line break, or bytes that are not text: name the right file.
    #[error("the token holds characters that no token has")]
    Token,
    /// No connection to the address: start the appliance, or name another address.
    #[error("no appliance answers at {url}{}: {reason}", found(.lock.as_ref()))]
    Away {
        /// Its address.
        url: String,
        /// The file that named it.
        lock: Option<PathBuf>,
        /// The system's error message.
        reason: String,
    },
    /// It refused the request, with a stable code.
    #[error("{code}: {message}")]
    Refused {
        /// For programs.
        code: String,
        /// For people.
        message: String,
    },
    /// Another server listens there: name the appliance's address.
    #[error("{url} answered {status}, but not as an appliance does; is it one?")]
    Foreign {
        /// The whole address.
        url: String,
        /// The status that it answered.
        status: StatusCode,
    },
}

fn found(lock: Option<&PathBuf>) -> String {
    match lock {
        Some(path) => format!(", which `{}` names", path.display()),
        None => String::new(),
    }
}

impl Appliance {
    /// Sends nothing yet.
    pub(in crate::cli) fn new(
        place: Place,
        patience: Patience,
        token: Option<&Secret>,
    ) -> Result<Self, ApplianceError> {
        let Place { base, addresses, lock } = place;
        // A redirect would let another server answer.
        let mut builder = http_client()
            .user_agent(concat!("fleetline/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .http1_only()
            .connect_timeout(CONNECT_MAX);
        builder = match patience {
            Patience::Whole(limit) => builder.timeout(limit),
            Patience::Silence(limit) => builder.read_timeout(limit),
        };
        if let Some(host) = base.host_str().filter(|_| !addresses.is_empty()) {
            builder = builder.resolve_to_addrs(host, &addresses);
        }
        if let Some(token) = token {
            let bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
            let mut bearer = bearer.map_err(|_not_text| ApplianceError::Token)?;
            bearer.set_sensitive(true);
            builder = builder.default_headers([(AUTHORIZATION, bearer)].into_iter().collect());
        }
        let client = builder.build().map_err(ApplianceError::Client)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(ApplianceError::Runtime)?;
        Ok(Self { client, base, lock, runtime })
    }

    /// Sends GET to a path below the root.
    pub(in crate::cli) fn get(
        &self,
        path: &[&str],
        parameters: &[(&str, String)],
    ) -> Result<Answer<'_>, ApplianceError> {
        self.send(self.client.get(self.url(path)).query(parameters))
    }

    /// Posts JSON to a path below the root.
    pub(in crate::cli) fn post(
        &self,
        path: &[&str],
        body: &serde_json::Value,
    ) -> Result<Answer<'_>, ApplianceError> {
        self.post_with(path, &[], body)
    }

    /// Posts JSON, with query parameters, to a path below the root.
    pub(in crate::cli) fn post_with(
        &self,
        path: &[&str],
        parameters: &[(&str, String)],
        body: &serde_json::Value,
    ) -> Result<Answer<'_>, ApplianceError> {
        self.send(self.client.post(self.url(path)).query(parameters).json(body))
    }

    /// Sends DELETE to a path below the root.
    pub(in crate::cli) fn delete(
        &self,
        path: &[&str],
        parameters: &[(&str, String)],
    ) -> Result<Answer<'_>, ApplianceError> {
        self.send(self.client.delete(self.url(path)).query(parameters))
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    fn send(&self, request: RequestBuilder) -> Result<Answer<'_>, ApplianceError> {
        // Its timers need the runtime from the start.
        let sent = self.runtime.block_on(async { request.send().await });
        let response = sent.map_err(|error| ApplianceError::Away {
            url: self.base.to_string().trim_end_matches('/').to_owned(),
            lock: self.lock.clone(),
            reason: reason(&error),
        })?;
        Ok(Answer { runtime: &self.runtime, response, chunk: Bytes::new() })
    }
}

/// The innermost cause: the outer ones only say that a request was sent.
fn reason(error: &reqwest::Error) -> String {
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// An answer; its body is streamed.
#[derive(Debug)]
pub(in crate::cli) struct Answer<'a> {
    runtime: &'a Runtime,
    response: Response,
    chunk: Bytes,
}

impl Answer<'_> {
    /// The status, which came before the body.
    pub(in crate::cli) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The answer, if it is a success and JSON.
    pub(in crate::cli) fn wanted(self) -> Result<Self, ApplianceError> {
        let content_type = self.response.headers().get(CONTENT_TYPE);
        let is_json = content_type.is_some_and(|value| value.as_bytes().starts_with(JSON));
        match (self.status().is_success(), is_json) {
            (true, true) => Ok(self),
            (true, false) => Err(self.foreign()),
            (false, _) => Err(refusal(self)),
        }
    }

    /// For a body that cannot be understood.
    pub(in crate::cli) fn foreign(&self) -> ApplianceError {
        let url = self.response.url().to_string();
        ApplianceError::Foreign { url, status: self.status() }
    }
}

impl Read for Answer<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.runtime.block_on(self.response.chunk()) {
                Ok(Some(chunk)) => self.chunk = chunk,
                Ok(None) => return Ok(0),
                Err(error) => return Err(io::Error::other(reason(&error))),
            }
        }
        let len = into.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut into[..len]);
        Ok(len)
    }
}

/// The error of an unsuccessful answer.
fn refusal(answer: Answer<'_>) -> ApplianceError {
    #[derive(Deserialize)]
    struct Body {
        error: Told,
    }
    #[derive(Deserialize)]
    struct Told {
        code: String,
        message: String,
    }
    let foreign = answer.foreign();
    match serde_json::from_reader(answer.take(REFUSAL_BYTES_MAX)) {
        Ok(Body { error: Told { code, message } }) => ApplianceError::Refused { code, message },
        Err(_) => foreign,
    }
}
