//! The operator edge: health, metrics, statistics, questions, vehicles, dead letters.
//!
//! | path | answers |
//! |---|---|
//! | `/healthz` | 200 while the process serves at all |
//! | `/readyz` | 200, or 503 while a critical part is not ready; every part with its reason |
//! | `/metrics` | all metrics as OpenMetrics text |
//! | `/openapi.json` | the description of all of this, as OpenAPI 3.1 |
//! | `/api/v1/stats` | the counters of the two equations, as of one moment |
//! | `/api/v1/telemetry/{measurement}` | a portable question: rows, or a function over windows |
//! | `/api/v1/measurements` | what can be asked: measurements of mappings and store |
//! | `/api/v1/measurements/{measurement}/fields`, `…/tags` | what one of them has, with types |
//! | `/api/v1/query` | a question in one of the store's own languages, posted as JSON |
//! | `/api/v1/dead-letters` | what was set aside, by filter, in pages; DELETE removes it |
//! | `/api/v1/dead-letters/{id}` | one of them |
//! | `/api/v1/dead-letters/replay` | POST sends those of a filter through today's mappings |
//! | `/api/v1/sessions` | MQTT sessions by client identifier, with filters, in pages |
//! | `/api/v1/sessions/{client-id}` | one of them; DELETE ends it |
//! | `/api/v1/vehicles/{vin}/commands` | POST sends a command |
//! | `/api/v1/commands` | commands by filter, in pages; POST sends one to many vehicles |
//! | `/api/v1/commands/{id}` | one of them; DELETE takes it back |
//! | `/api/v1/commands/events` | every change, by a durable cursor: pages, or server-sent events |
//! | `/api/v1/pushes` | pushes, in pages; POST makes one of a question's rows, or tries it |
//! | `/api/v1/pushes/{id}` | one of them with its report; DELETE forgets one that has ended |
//! | `/api/v1/pushes/{id}/pause`, `…/resume`, `…/abort` | POST does so |
//! | `/api/v1/pushes/{id}/commands`, `…/runs` | what it sent, and when it did |
//! | `/api/v1/audit` | who sent what to whom |
//! | `/api/v1/vehicles` | vehicles by name, with presence and sessions, in pages |
//! | `/api/v1/vehicles/{vin}` | one of them, with the last point of each measurement |
//!
//! Answers to questions are sent as the store gives them. HT-2: an answer that fails after its
//! first bytes ends by closing the connection in the middle of its body, never as a shorter answer.
//!
//! # Vehicles
//! A vehicle is listed from its first stored point on, for as long as the process remembers it
//! (`mqtt.away-vehicles-max`); after a restart the list fills again as vehicles come back. The last
//! values of a connected vehicle are what its sessions keep, also while the store is away or
//! behind; where no session keeps any (it is away, or its points are over the bounds) the store is
//! asked, as far back as `from` says. So a vehicle that left a moment ago shows what has reached
//! the store by then, and one that nobody has seen since the start is found if the store has it.
//! An answer is either whole or an error.
//!
//! It runs on the control runtime, never on an MQTT worker, and holds handles only: the health
//! board, the metrics, the query engine, the presence of vehicles, the way to
//! their sessions. Errors have one shape ([`ApiError`]).
//!
//! # Who may ask
//! Where `auth.tokens` names a file, every path below `/api/v1` wants a bearer token, whose role
//! says what it may do and whose vehicles what it may see (`guard`); a handler of vehicles asks
//! its [`Caller`](crate::auth::Caller). Where none is asked for, what changes something has to name
//! this server as its host, so that no page of somebody else can make a browser do it.
//!
//! Bounds: the head of a request in bytes and time, its body in bytes, the answer in time, the
//! connections at once; each is an [`Options`] field. HT-1: a request past a bound is answered with
//! its status or the connection is closed; it never takes memory or a task without end.
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
