//! Administration of InfluxDB 2: creates organisation and bucket if they are missing
//! (`store.create`), reads health and retention for `check --online`.
//!
//! Uses the crate `influxdb2`, behind the cargo feature of that name. It is not used for data: it
//! reads whole answers into memory and brings its own HTTP and TLS stack. It cannot create an
//! organisation; that is one request on its HTTP stack.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use influxdb2::{
    Client, ClientBuilder, RequestError,
    api::{buckets::ListBucketsRequest, organization::ListOrganizationRequest},
    models::{Bucket, PostBucketRequest, Status},
};
use influxdb2_http as http;

use crate::store::{
    Answer, StoreError,
    options::{InfluxDb2, Options, Target},
    tdengine::NotReady,
};

/// The servers of a store.
#[derive(Debug)]
pub(super) struct Admin {
    org: String,
    bucket: String,
    create: bool,
    servers: Vec<Server>,
}

#[derive(Debug)]
struct Server {
    client: Client,
    http: http::Client,
    /// The URL to create organisations, and the token for it.
    orgs: String,
    authorization: String,
    /// The bucket exists. Atomic, because requests of several shards check it at the same time;
    /// checking twice does no harm.
    is_there: AtomicBool,
    /// Why a mutex: of two simultaneous requests to create a bucket the second fails.
    making: tokio::sync::Mutex<()>,
}

/// What a server reports about itself and the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerReport {
    /// What is wrong with the server, in its own message.
    pub fault: Option<String>,
    /// How long the bucket keeps points; `None` if it keeps them forever.
    pub retention: Option<Duration>,
}

impl Admin {
    /// The administration of a store; `None` for another kind.
    pub(super) fn of(options: &Options) -> Result<Option<Self>, StoreError> {
        match &options.target {
            Target::InfluxDb2(target) => Self::new(options, target).map(Some),
            _ => Ok(None),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the other reqwest, which `env` does not know; it uses no proxy here"
    )]
    fn new(options: &Options, target: &InfluxDb2) -> Result<Self, StoreError> {
        let token = target.token.as_ref().map_or("", |token| token.expose());
        let builder = || -> Result<http::ClientBuilder, StoreError> {
            let mut builder = http::Client::builder()
                .no_proxy()
                .redirect(http::redirect::Policy::none())
                .connect_timeout(options.connect_timeout)
                .timeout(options.request_timeout);
            for der in options.authorities.iter().flat_map(|known| known.certificates()) {
                let certificate = http::Certificate::from_der(der).map_err(admin_error)?;
                builder = builder.add_root_certificate(certificate);
            }
            Ok(builder)
        };
        let server = |url: &String| {
            let client = ClientBuilder::with_builder(builder()?, url, &target.org, token).build();
            Ok(Server {
                client: client.map_err(admin_error)?,
                http: builder()?.build().map_err(admin_error)?,
                orgs: format!("{}/api/v2/orgs", url.trim_end_matches('/')),
                authorization: format!("Token {token}"),
                is_there: AtomicBool::new(false),
                making: tokio::sync::Mutex::default(),
            })
        };
        Ok(Self {
            org: target.org.clone(),
            bucket: target.bucket.clone(),
            create: target.create,
            servers: options.urls.iter().map(server).collect::<Result<_, StoreError>>()?,
        })
    }

    /// Checks that organisation and bucket exist, unless that was done, and creates them if
    /// missing.
    pub(super) async fn ensure(&self, endpoint: usize) -> Result<(), NotReady> {
        let server = &self.servers[endpoint];
        if !self.create || server.is_there.load(Ordering::Relaxed) {
            return Ok(());
        }
        // Another request may have created it meanwhile.
        let _making = server.making.lock().await;
        if server.is_there.load(Ordering::Relaxed) {
            return Ok(());
        }
        let org_id = match self.org_id(server).await? {
            Some(id) => id,
            None => {
                self.make_org(server).await?;
                let found = self.org_id(server).await?;
                found
                    .ok_or_else(|| NotReady::Away("the organisation is not there yet".to_owned()))?
            }
        };
        if self.found(server, &org_id).await?.is_none() {
            let request = PostBucketRequest {
                org_id: org_id.clone(),
                name: self.bucket.clone(),
                ..PostBucketRequest::default()
            };
            match server.client.create_bucket(Some(request)).await {
                Ok(()) => tracing::info!(bucket = self.bucket, endpoint, "created the bucket"),
                // Another Fleetline has created it.
                Err(RequestError::Http { status, .. }) if status.as_u16() == 422 => {}
                Err(error) => return Err(not_ready("cannot create the bucket", &error)),
            }
        }
        server.is_there.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Checks again before the next write: the bucket existed and does not exist any more.
    pub(super) fn forget(&self, endpoint: usize) {
        self.servers[endpoint].is_there.store(false, Ordering::Relaxed);
    }

    /// What the server reports about itself and the bucket.
    pub(super) async fn look(&self, endpoint: usize) -> Result<ServerReport, NotReady> {
        let server = &self.servers[endpoint];
        let health = server.client.health().await;
        let health = health.map_err(|error| not_ready("cannot read the health", &error))?;
        let fault = (health.status != Status::Pass)
            .then(|| bounded(health.message.unwrap_or_else(|| "it says no more".to_owned())));
        let found = match self.org_id(server).await? {
            Some(id) => self.found(server, &id).await?,
            None => None,
        };
        let seconds = found.iter().flat_map(|bucket| &bucket.retention_rules);
        let seconds = seconds.filter_map(|rule| u64::try_from(rule.every_seconds).ok()).max();
        let retention = seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs);
        Ok(ServerReport { fault, retention })
    }

    async fn org_id(&self, server: &Server) -> Result<Option<String>, NotReady> {
        let request = ListOrganizationRequest {
            org: Some(self.org.clone()),
            ..ListOrganizationRequest::default()
        };
        match server.client.list_organizations(request).await {
            Ok(found) => {
                let mut orgs = found.orgs.into_iter();
                Ok(orgs.find(|org| org.name == self.org).and_then(|org| org.id))
            }
            Err(RequestError::Http { status, .. }) if status.as_u16() == 404 => Ok(None),
            Err(error) => Err(not_ready("cannot look for the organisation", &error)),
        }
    }

    async fn found(&self, server: &Server, org_id: &str) -> Result<Option<Bucket>, NotReady> {
        let request = ListBucketsRequest {
            name: Some(self.bucket.clone()),
            org_id: Some(org_id.to_owned()),
            ..ListBucketsRequest::default()
        };
        match server.client.list_buckets(Some(request)).await {
            Ok(found) => Ok(found.buckets.into_iter().find(|bucket| bucket.name == self.bucket)),
            Err(RequestError::Http { status, .. }) if status.as_u16() == 404 => Ok(None),
            Err(error) => Err(not_ready("cannot look for the bucket", &error)),
        }
    }

    async fn make_org(&self, server: &Server) -> Result<(), NotReady> {
        let body = serde_json::json!({ "name": self.org });
        let request = server.http.post(&server.orgs).json(&body);
        let answer = request.header("Authorization", &server.authorization).send().await;
        let answer = answer.map_err(|error| NotReady::Away(bounded(error.to_string())))?;
        match answer.status().as_u16() {
            201 => {
                tracing::info!(org = self.org, "created the organisation");
                Ok(())
            }
            // Another Fleetline has created it.
            422 => Ok(()),
            status if status >= 500 => {
                Err(NotReady::Away(format!("cannot create the organisation: HTTP {status}")))
            }
            status => Err(NotReady::Setting(format!(
                "cannot create the organisation: HTTP {status}; the token may not, or make it \
                 yourself"
            ))),
        }
    }
}

/// Why nothing can be written, from the error of the server or the network.
fn not_ready(what: &str, error: &RequestError) -> NotReady {
    let text = bounded(format!("{what}: {error}"));
    match error {
        RequestError::Http { status, .. } if status.is_client_error() => NotReady::Setting(text),
        _ => NotReady::Away(text),
    }
}

fn bounded(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(Answer::QUOTE_BYTES_MAX));
    text
}

fn admin_error(source: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Admin { source: Box::new(source) }
}
