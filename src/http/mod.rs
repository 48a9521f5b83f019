//! The HTTP server for operators: health, metrics, statistics, queries, vehicles, dead letters.
//!
//! | path | answers |
//! |---|---|
//! | `/healthz` | 200 while the process serves at all |
//! | `/readyz` | 200, or 503 while a critical component is not ready; each with its reason |
//! | `/metrics` | all metrics as OpenMetrics text |
//! | `/openapi.json` | the description of all paths, as OpenAPI 3.1 |
//! | `/api/v1/stats` | the counters of the two equations, as of one moment |
//! | `/api/v1/telemetry/{measurement}` | a portable query: rows, or a function over windows |
//! | `/api/v1/measurements` | the measurements of mappings and store |
//! | `/api/v1/measurements/{measurement}/fields`, `…/tags` | its fields and tags, with types |
//! | `/api/v1/query` | a query in one of the store's own languages, posted as JSON |
//! | `/api/v1/dead-letters` | dead letters by filter, in pages; DELETE removes them |
//! | `/api/v1/dead-letters/{id}` | one dead letter |
//! | `/api/v1/dead-letters/replay` | POST replays matching letters through the mappings in force |
//! | `/api/v1/sessions` | MQTT sessions by client identifier, with filters, in pages |
//! | `/api/v1/sessions/{client-id}` | one session; DELETE ends it |
//! | `/api/v1/vehicles/{vin}/commands` | POST sends a command |
//! | `/api/v1/commands` | commands by filter, in pages; POST sends one to many vehicles |
//! | `/api/v1/commands/{id}` | one command; DELETE cancels it |
//! | `/api/v1/commands/events` | every change, by a durable cursor: pages, or server-sent events |
//! | `/api/v1/pushes` | pushes, in pages; POST makes one from a query's rows, or tries it |
//! | `/api/v1/pushes/{id}` | one push with its report; DELETE deletes an ended one |
//! | `/api/v1/pushes/{id}/pause`, `…/resume`, `…/abort` | POST does so |
//! | `/api/v1/pushes/{id}/commands`, `…/runs` | its commands and its runs |
//! | `/api/v1/audit` | who sent which command to which vehicle |
//! | `/api/v1/vehicles` | vehicles by name, with presence and sessions, in pages |
//! | `/api/v1/vehicles/{vin}` | one vehicle, with the last point of each measurement |
//!
//! Answers of queries are streamed as the store sends them. HT-2: if an answer fails after its
//! first bytes, the connection is closed in the middle of its body; the answer never just ends
//! early.
//!
//! # Vehicles
//! A vehicle is listed from its first stored point on, for as long as the process remembers it
//! (`mqtt.away-vehicles-max`); after a restart the list fills again as vehicles come back. The last
//! values of a connected vehicle come from its sessions, also while the store is unavailable or
//! behind; if no session has any (the vehicle is disconnected, or its points exceed the bounds) the
//! store is queried, as far back as `from` says. So a vehicle that has just disconnected shows what
//! has reached the store by then, and a vehicle not seen since the start is found if the store has
//! it. An answer is either whole or an error.
//!
//! The server runs on the control runtime, never on an MQTT worker, and holds only handles: the
//! health board, the metrics, the query engine, the presence of vehicles, the access to their
//! sessions. Errors have one shape ([`ApiError`]).
//!
//! # Access
//! If `auth.tokens` names a file, every path below `/api/v1` needs a bearer token; its role defines
//! what it may do, and its vehicles what it may see (`guard`). A handler of vehicles checks its
//! [`Caller`](crate::auth::Caller). Without tokens, a request that changes something must name this
//! server as its host, so that no foreign web page can make a browser send it.
//!
//! Limits: bytes and time of a request's head, bytes of its body, time of the answer, concurrent
//! connections; each is an [`Options`] field. HT-1: a request beyond a limit gets its error status
//! or its connection is closed; it never holds memory or a task forever.
//!
//! Why not `axum::serve`: it has no bound on the time and size of a request's head, nor on the
//! number of connections.

mod answer;
mod commands;
mod dead_letters;
mod error;
mod guard;
mod last_values;
mod measurements;
mod native;
mod openapi;
mod options;
mod parameters;
mod pushes;
mod refused;
mod routes;
mod server;
mod sessions;
mod telemetry;
#[cfg(test)]
mod tests;
mod vehicles;

pub use commands::CommandError;
pub use error::{ApiError, Code};
pub use options::Options;
pub use refused::Refused;
pub use routes::HttpState;
pub use server::{BindError, Server, bind, serve};
