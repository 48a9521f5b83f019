//! The routes.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use serde_json::{Value, json};

use crate::{
    auth::{Access, Role},
    downlink::Downlink,
    env::Clock,
    http::{
        ApiError, Options, commands, dead_letters,
        guard::{Guard, Needs, Reach},
        measurements, native, openapi, pushes, sessions, telemetry, vehicles,
    },
    model::{Catalog, DeadLetters, LetterReplay, Presence, SessionAdmin, Sessions},
    query::QueryEngine,
    telemetry::{Component, Critical, Exposition, HealthBoard, Metrics, StatusLabel},
};

/// The handles that the routes use.
#[derive(Clone, Debug)]
pub struct HttpState {
    /// The readiness of components.
    pub health: HealthBoard,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The query engine.
    pub queries: QueryEngine,
    /// The known measurements.
    pub catalog: Arc<ArcSwap<Catalog>>,
    /// The presence of vehicles.
    pub presence: Arc<Presence>,
    /// The access to their sessions.
    pub sessions: Arc<dyn Sessions>,
    /// Lists and ends sessions.
    pub board: Arc<dyn SessionAdmin>,
    /// The dead-letter log.
    pub dead_letters: Arc<dyn DeadLetters>,
    /// Replays dead letters.
    pub replay: Arc<dyn LetterReplay>,
    /// Tokens and access rules.
    pub access: Arc<Access>,
    /// The commands; shared, because each request has its own state.
    pub downlink: Arc<Downlink>,
    /// The clock, for ranges that end now.
    pub clock: Arc<dyn Clock>,
}

/// The handler and the needed access of each path; a test compares the API's description with it.
pub(super) fn routes() -> Vec<(&'static str, MethodRouter<HttpState>, Needs)> {
    const READ: Needs = Needs::Read(Reach::Fleet);
    const READ_VEHICLES: Needs = Needs::Read(Reach::Vehicles);
    const ADMIN: Needs = Needs::Change(Role::Admin, Reach::Fleet);
    const COMMAND: Needs = Needs::Change(Role::Command, Reach::Vehicles);
    const NATIVE: Needs = Needs::Question(Role::Admin, Reach::Fleet);
    vec![
        ("/healthz", get(healthz), Needs::Nothing),
        ("/readyz", get(readyz), Needs::Nothing),
        ("/metrics", get(scrape), Needs::Nothing),
        ("/openapi.json", get(openapi::serve), Needs::Nothing),
        ("/api/v1/stats", get(stats), READ),
        ("/api/v1/telemetry/{measurement}", get(telemetry::ask), READ_VEHICLES),
        ("/api/v1/measurements", get(measurements::list), READ_VEHICLES),
        ("/api/v1/measurements/{measurement}/fields", get(measurements::fields), READ_VEHICLES),
        ("/api/v1/measurements/{measurement}/tags", get(measurements::tags), READ_VEHICLES),
        ("/api/v1/query", post(native::ask), NATIVE),
        ("/api/v1/dead-letters", get(dead_letters::list).delete(dead_letters::delete), ADMIN),
        ("/api/v1/dead-letters/replay", post(dead_letters::replay), ADMIN),
        ("/api/v1/dead-letters/summary", get(dead_letters::summary), READ),
        ("/api/v1/dead-letters/{id}", get(dead_letters::one), READ),
        ("/api/v1/sessions", get(sessions::list), READ),
        ("/api/v1/sessions/{client-id}", get(sessions::one).delete(sessions::end), ADMIN),
        ("/api/v1/commands", get(commands::list).post(commands::send_many), COMMAND),
        ("/api/v1/commands/events", get(commands::feed), READ),
        ("/api/v1/commands/{id}", get(commands::one).delete(commands::cancel), COMMAND),
        ("/api/v1/pushes", get(pushes::list).post(pushes::send), COMMAND),
        ("/api/v1/pushes/{id}", get(pushes::one).delete(pushes::forget), COMMAND),
        ("/api/v1/pushes/{id}/pause", post(pushes::pause), COMMAND),
        ("/api/v1/pushes/{id}/resume", post(pushes::resume), COMMAND),
        ("/api/v1/pushes/{id}/abort", post(pushes::abort), COMMAND),
        ("/api/v1/pushes/{id}/commands", get(pushes::its_commands), READ_VEHICLES),
        ("/api/v1/pushes/{id}/runs", get(pushes::runs), READ_VEHICLES),
        ("/api/v1/audit", get(commands::audit), READ),
        ("/api/v1/vehicles", get(vehicles::list), READ_VEHICLES),
        ("/api/v1/vehicles/{vin}/commands", post(commands::send), COMMAND),
        ("/api/v1/vehicles/{vin}", get(vehicles::one), READ_VEHICLES),
    ]
}

/// All routes, within their bounds.
pub(super) fn router(state: HttpState, options: &Options) -> Router {
    let limit = options.request_timeout;
    let metrics = Arc::clone(&state.metrics);
    let HttpState { access, clock, .. } = &state;
    let (access, clock) = (Arc::clone(access), Arc::clone(clock));
    let guard = Guard::new(access, options.hosts.clone(), clock, Arc::clone(&metrics));
    let guard = Arc::new(guard);
    let guarded = |methods: MethodRouter<HttpState>, needs| {
        let guard = Arc::clone(&guard);
        methods.layer(middleware::from_fn(move |request, next| {
            let guard = Arc::clone(&guard);
            async move { guard.pass(needs, request, next).await }
        }))
    };
    routes()
        .into_iter()
        .fold(Router::new(), |router, (path, methods, needs)| {
            router.route(path, guarded(methods, needs))
        })
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(state)
        .layer(DefaultBodyLimit::max(options.body_bytes_max))
        .layer(middleware::from_fn(move |request, next| within(limit, request, next)))
        .layer(middleware::from_fn(move |request, next| count(Arc::clone(&metrics), request, next)))
}

async fn healthz() -> Json<Value> {
    Json(json!({ "alive": true }))
}

async fn readyz(State(state): State<HttpState>) -> Response {
    let parts = state.health.snapshot();
    let ready = parts.iter().all(Component::allows_ready);
    let components: Vec<Value> = parts
        .iter()
        .map(|part| {
            json!({
                "name": part.name,
                "critical": part.critical == Critical::Yes,
                "state": part.health.as_str(),
                "reason": part.health.reason(),
            })
        })
        .collect();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready, "components": components }))).into_response()
}

async fn scrape(State(state): State<HttpState>, headers: HeaderMap) -> Response {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let format = Exposition::accepted(&accepted.collect::<Vec<_>>().join(","));
    ([(header::CONTENT_TYPE, format.content_type())], state.metrics.encode(format)).into_response()
}

async fn stats(State(state): State<HttpState>) -> Json<Value> {
    let messages = state.metrics.ledgers().messages();
    let points = state.metrics.ledgers().points();
    let deliveries = state.metrics.ledgers().deliveries();
    Json(json!({
        "messages": {
            "received": messages.received,
            "spooled": messages.spooled,
            "dead_lettered": messages.dead_lettered,
            "filtered": messages.filtered,
            "unmapped": messages.unmapped,
            "refused": messages.refused,
            "pending": messages.pending,
        },
        "points": {
            "recovered": points.recovered,
            "spooled": points.spooled,
            "stored": points.stored,
            "dead_lettered": points.dead_lettered,
            "damaged": points.damaged,
            "in_spool": points.in_spool,
            "merged": messages.points_merged,
        },
        "deliveries": {
            "recovered": deliveries.recovered,
            "routed": deliveries.routed,
            "delivered": deliveries.delivered,
            "queued": deliveries.queued,
            "dropped": deliveries.dropped,
            "expired": deliveries.expired,
        },
    }))
}

async fn not_found(uri: Uri) -> ApiError {
    ApiError::NotFound { path: uri.path().to_owned() }
}

async fn method_not_allowed(method: Method, uri: Uri) -> ApiError {
    ApiError::MethodNotAllowed { path: uri.path().to_owned(), method }
}

/// Answers within the limit, or with a timeout error.
async fn within(limit: std::time::Duration, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
            ApiError::TimedOut { limit_ms }.into_response()
        }
    }
}

async fn count(metrics: Arc<Metrics>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let label = StatusLabel { status: response.status().as_u16() };
    metrics.http_requests.get_or_create(&label).inc();
    response
}
