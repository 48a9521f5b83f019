//! The thin shell that sends: one pooled HTTP client, one address a shard, an [`Answer`] out.

use std::{error::Error, sync::Arc};

use bytes::Bytes;
use reqwest::{
    Client, Response, Url,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};

use crate::{
    env::Clock,
    model::{Secret, ShardId},
    store::{
        ask::{AskError, AskLimits, Asker, Table},
        embedded,
        options::{Kind, Options, Target},
        route::Route,
        tdengine::{self, Gate, Shut},
        verdict::{Answer, Verdict, verdict},
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
    /// What has to be passed before TDengine is written to.
    gate: Option<Gate>,
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
            options.urls.iter().map(|url| endpoint(url, route)).collect::<Result<_, _>>()?;
        if endpoints.is_empty() {
            return Err(StoreError::NoUrl);
        }
        // A redirect would repeat credentials and points to whoever it names, and a proxy from the
        // environment is a setting that nobody wrote into the configuration.
        let http = Client::builder()
            .user_agent(concat!("fleetline/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .no_proxy()
            .http1_only()
            .tcp_nodelay(true)
            .connect_timeout(options.connect_timeout)
            .timeout(options.request_timeout)
            .build()
            .map_err(|source| StoreError::Client { source })?;
        let headers = headers(route.authorization.as_ref())?;
        let asker = Asker::new(options, http.clone(), route.authorization.as_ref())?;
        let gate = match &options.target {
            Target::TdEngine(options) => Some(Gate::new(options, endpoints.len())),
            _ => None,
        };
        Ok(Self { kind, http, endpoints, headers, asker, gate, clock })
    }

    /// Writes one request of lines and says what became of it. Every fault on the way is a verdict
    /// too: whoever calls this has nothing to decide but what the verdict says.
    ///
    /// The body is not copied; whoever keeps a clone of it can send the same bytes again.
    pub(super) async fn write(&self, shard: ShardId, body: Bytes, encoding: Encoding) -> Verdict {
        let endpoint = shard.as_usize() % self.endpoints.len();
        if let Some(gate) = &self.gate
            && let Err(shut) = gate.pass(&self.asker, endpoint, true).await
        {
            return shut.into();
        }
        match self.answer(endpoint, body, encoding).await {
            Ok(answer) => {
                if let Some(gate) = &self.gate
                    && tdengine::is_database_missing(&answer)
                {
                    gate.shut(endpoint);
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
        let Some(gate) = &self.gate else { return Ok(None) };
        gate.pass(&self.asker, endpoint, false).await.map_err(|shut| match shut {
            Shut::Setting(reason) => AskError::Halted { reason },
            Shut::Wait(reason) => AskError::Unavailable { reason },
        })?;
        match self.asker.table(endpoint, measurement, limits).await {
            // The first write will make it; until then nothing is there.
            Err(error) if gate.makes_up_for(&error) => Ok(None),
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
    ) -> Result<Answer, reqwest::Error> {
        let url = self.endpoints[endpoint].clone();
        let mut request = self.http.post(url).headers(self.headers.clone()).body(body);
        if encoding == Encoding::Gzip {
            request = request.header(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        whole(request.send().await?).await
    }
}

/// An answer with its body, up to the bound.
pub(super) async fn whole(mut response: Response) -> Result<Answer, reqwest::Error> {
    let retry_after = response.headers().get(RETRY_AFTER);
    let mut answer = Answer {
        status: response.status().as_u16(),
        retry_after: retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned),
        ..Answer::default()
    };
    // A body cut off by the network is an error and not a short body: half a sentence may read
    // as a refusal. A body without an end is cut here, and its connection closed with it.
    while let Some(chunk) = response.chunk().await? {
        let room = Answer::BODY_BYTES_MAX - answer.body.len();
        answer.cut = chunk.len() > room;
        answer.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if answer.cut {
            break;
        }
    }
    Ok(answer)
}

/// The address that writes go to, below a base address whose own path is kept.
pub(super) fn endpoint(base: &str, route: &Route) -> Result<Url, StoreError> {
    let invalid = |source: Box<dyn Error + Send + Sync>| StoreError::UrlInvalid {
        url: base.to_owned(),
        source,
    };
    let mut url = Url::parse(base).map_err(|source| invalid(source.into()))?;
    if !url.username().is_empty() || url.password().is_some() {
        let host = url.host_str().unwrap_or_default().to_owned();
        return Err(StoreError::UrlWithCredentials { host });
    }
    if !matches!(url.scheme(), "http" | "https") {
        return Err(StoreError::SchemeUnknown { url: base.to_owned() });
    }
    match url.path_segments_mut() {
        Ok(mut segments) => segments.pop_if_empty().extend(route.path),
        Err(()) => return Err(StoreError::SchemeUnknown { url: base.to_owned() }),
    };
    url.set_query(None);
    if !route.query.is_empty() {
        url.query_pairs_mut().extend_pairs(&route.query);
    }
    Ok(url)
}

fn headers(authorization: Option<&Secret>) -> Result<HeaderMap, StoreError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if let Some(value) = self::authorization(authorization)? {
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

/// The header that lets us in.
pub(super) fn authorization(secret: Option<&Secret>) -> Result<Option<HeaderValue>, StoreError> {
    let Some(secret) = secret else { return Ok(None) };
    let mut value = HeaderValue::from_str(secret.expose())
        .map_err(|_invalid| StoreError::CredentialsInvalid)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

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
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        influxdb1, influxdb2, influxdb3,
        options::{Credentials, InfluxDb1, InfluxDb2, InfluxDb3, TdEngine},
    };

    fn check_route(base: &str, route: &Route, expect: &str, authorization: Option<&str>) {
        assert_eq!(endpoint(base, route).map(String::from).expect("a good address"), expect);
        assert_eq!(route.authorization.as_ref().map(Secret::expose), authorization);
    }

    #[test]
    fn each_store_is_written_to_in_nanoseconds_in_its_own_spelling() {
        let one = |credentials| InfluxDb1 {
            database: "flötte & co".to_owned(),
            retention_policy: Some("one week".to_owned()),
            credentials,
        };
        check_route(
            "http://h:8086",
            &influxdb1::route(&one(Some(Credentials::Basic {
                user: "Aladdin".to_owned(),
                password: Secret::new("open sesame"),
            }))),
            "http://h:8086/write?db=fl%C3%B6tte+%26+co&rp=one+week&precision=n",
            Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        );
        check_route(
            "https://h/proxied/",
            &influxdb1::route(&one(Some(Credentials::Token(Secret::new("t"))))),
            "https://h/proxied/write?db=fl%C3%B6tte+%26+co&rp=one+week&precision=n",
            Some("Token t"),
        );
        let (org, bucket) = ("fleet".to_owned(), "telemetry".to_owned());
        check_route(
            "http://h:8086/",
            &influxdb2::route(&InfluxDb2 { org, bucket, token: Some(Secret::new("t")) }),
            "http://h:8086/api/v2/write?org=fleet&bucket=telemetry&precision=ns",
            Some("Token t"),
        );
        check_route(
            "http://[::1]:8181",
            &influxdb3::route(&InfluxDb3 { database: "d".to_owned(), token: None }),
            "http://[::1]:8181/api/v3/write_lp\
             ?db=d&precision=nanosecond&accept_partial=true&no_sync=false",
            None,
        );
        let taos = |credentials| TdEngine { database: "d".to_owned(), credentials, create: false };
        let basic = Credentials::Basic { user: "root".to_owned(), password: Secret::new("t:d") };
        check_route(
            "http://h:6041",
            &tdengine::route(&taos(basic)),
            "http://h:6041/influxdb/v1/write?db=d&precision=ns",
            Some("Basic cm9vdDp0OmQ="),
        );
        check_route(
            "http://h:6041",
            &tdengine::route(&taos(Credentials::Token(Secret::new("t")))),
            "http://h:6041/influxdb/v1/write?db=d&precision=ns",
            Some("Bearer t"),
        );
    }

    #[test]
    fn an_address_that_cannot_work_is_told_without_its_password() {
        let route = influxdb3::route(&InfluxDb3 { database: "d".to_owned(), token: None });
        let told = |base| endpoint(base, &route).expect_err("a bad address").to_string();
        assert_eq!(told("nonsense"), "store address `nonsense` is not a URL");
        assert_eq!(told("udp://h:1"), "store address `udp://h:1` is neither http nor https");
        assert_eq!(
            told("http://u:hush@h:1"),
            "store address of host `h` holds credentials; use the store's own keys for them"
        );
        assert!(headers(Some(&Secret::new("Token a\nb"))).is_err());
    }
}
