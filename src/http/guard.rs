//! Access control: a token's role and vehicles, and protection against requests of foreign pages.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderMap, HeaderValue, Method, header, request::Parts, uri::Authority},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use crate::{
    auth::{Access, Caller, Role},
    env::Clock,
    http::{ApiError, Refused},
    telemetry::{LogLimit, Metrics, ReasonLabel},
};

/// The access that a path needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// No token at all.
    Nothing,
    /// GET needs [`Role::Read`].
    Read(Reach),
    /// The same; methods that change something need this role.
    Change(Role, Reach),
    /// A posted query that changes nothing needs this role.
    Question(Role, Reach),
}

/// The scope of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// The whole fleet: a token that is limited to vehicles is refused.
    Fleet,
    /// Vehicles: the handler checks each with [`Caller`], or the path shows nothing of vehicles.
    Vehicles,
}

impl Needs {
    /// The role that a method needs; `None`: no token.
    pub(super) fn role(self, method: &Method) -> Option<Role> {
        let is_read = method == Method::GET || method == Method::HEAD;
        match self {
            Self::Nothing => None,
            Self::Read(_) => Some(Role::Read),
            Self::Change(_, _) if is_read => Some(Role::Read),
            Self::Change(role, _) | Self::Question(role, _) => Some(role),
        }
    }

    pub(super) const fn is_for_fleet(self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Read(reach) | Self::Change(_, reach) | Self::Question(_, reach) => {
                matches!(reach, Reach::Fleet)
            }
        }
    }

    fn is_change(self, method: &Method) -> bool {
        matches!(self, Self::Change(..)) && method != Method::GET && method != Method::HEAD
    }
}

/// The shared state of all guards.
#[derive(Debug)]
pub(super) struct Guard {
    access: Arc<Access>,
    /// Host names, besides those of this machine, that requests without a token may use to change
    /// something.
    hosts: Vec<String>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    told: std::sync::Mutex<LogLimit>,
}

impl Guard {
    pub(super) fn new(
        access: Arc<Access>,
        hosts: Vec<String>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let told = std::sync::Mutex::new(LogLimit::new(std::time::Duration::from_secs(10)));
        Self { access, hosts, clock, metrics, told }
    }

    /// Lets a request pass, with its [`Caller`], or answers it.
    pub(super) async fn pass(&self, needs: Needs, mut request: Request, next: Next) -> Response {
        match self.judge(needs, &request) {
            Ok(caller) => {
                request.extensions_mut().insert(caller);
                next.run(request).await
            }
            Err(refused) => {
                self.tell(&refused, &request);
                ApiError::Refused(refused).into_response()
            }
        }
    }

    fn judge(&self, needs: Needs, request: &Request) -> Result<Caller, Refused> {
        let Some(role) = needs.role(request.method()) else { return Ok(Caller::anybody()) };
        let caller = self.access.caller(bearer(request.headers()), self.clock.wall());
        let caller = caller.map_err(Refused::Token)?;
        if caller.role() < role {
            return Err(Refused::Role { role });
        }
        if needs.is_for_fleet() && caller.vehicles().is_some() {
            return Err(Refused::Fleet);
        }
        if needs.is_change(request.method()) {
            if caller.name().is_none() && !self.is_our_host(request) {
                return Err(Refused::Host);
            }
            // A foreign page can only send JSON after a CORS preflight request.
            let has_body = request.method() != Method::DELETE;
            if has_body && !is_json(request.headers()) {
                return Err(Refused::ContentType);
            }
        }
        Ok(caller)
    }

    /// Whether a request's host is this server's: a foreign page would send a foreign name that
    /// resolves to us.
    fn is_our_host(&self, request: &Request) -> bool {
        let said = request.headers().get(header::HOST).map(HeaderValue::as_bytes);
        let Some(said) = said else { return request.uri().host().is_none() };
        let Ok(authority) = Authority::try_from(said) else { return false };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        host.parse::<std::net::IpAddr>().is_ok()
            || host.eq_ignore_ascii_case("localhost")
            || host.to_ascii_lowercase().ends_with(".localhost")
            || self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
    }

    #[cold]
    fn tell(&self, refused: &Refused, request: &Request) {
        let label = ReasonLabel { reason: refused.cause() };
        self.metrics.http_refused_requests.get_or_create_owned(&label).inc();
        let now = self.clock.monotonic();
        let mut told = self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(suppressed) = told.admit(now) else { return };
        drop(told);
        let (method, path) = (request.method(), request.uri().path());
        tracing::warn!(%method, ?path, why = %refused, suppressed, "a request is refused");
    }
}

/// The token of `Authorization: Bearer`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn is_json(headers: &HeaderMap) -> bool {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = text.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    /// Set by the guard of every path; without it the request is refused.
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let role = Role::Admin;
        parts.extensions.get().cloned().ok_or(ApiError::Refused(Refused::Role { role }))
    }
}

/// The vehicles of a request; for a token limited to vehicles, only its own.
///
/// # Errors
/// One of them is not the token's; or none is named, and the token has prefixes, not names.
pub(super) fn vehicles_of(caller: &Caller, asked: Vec<String>) -> Result<Vec<String>, ApiError> {
    use crate::model::NamePattern;
    let Some(own) = caller.vehicles() else { return Ok(asked) };
    if let Some(other) = asked.iter().find(|vehicle| !caller.may_address(vehicle)) {
        return Err(ApiError::Refused(Refused::Vehicle { vehicle: other.clone() }));
    }
    if !asked.is_empty() {
        return Ok(asked);
    }
    let names = own.iter().map(|name| match name {
        NamePattern::Exact(name) => Some(name.to_string()),
        NamePattern::Prefix(_) => None,
    });
    names.collect::<Option<Vec<String>>>().ok_or(ApiError::Refused(Refused::Unnamed))
}
