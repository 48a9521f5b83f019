//! Fleetline: a time-series ingestion appliance for vehicle fleets.
//!
//! Vehicles publish over MQTT; their payloads are decoded by schemas loaded at run time, written as
//! line protocol, made durable in a spool, acknowledged, and shipped to a time-series database.
//!
//! ```text
//!  vehicle ──MQTT──▶ mqtt ─▶ uplink ─────────▶ spool ─▶ sink ─▶ store ──HTTP──▶ database
//!                            decode→map→line    per                 ▲
//!                            →lane              shard               │
//!                               └──────────▶ dead_letter ◀── sink ──┘
//! ```
//!
//! # Modules, in reading order
//! - [`model`]: the vocabulary as pure values.
//! - [`mod@env`]: the machine's clock and disk, as seams.
//! - [`telemetry`]: Fleetline's own counters, metrics, health and log.
//! - [`schema`]: schema files → an immutable registry of codecs.
//! - [`mapping`]: mapping files → compiled plans.
//! - [`uplink`]: vehicle → spool: decode, map, line, lane.
//! - [`spool`]: the durable log of one shard; knows nothing of points.
//! - [`store`]: databases as protocols: request → verdict.
//! - [`sink`]: spool → store: batches, retries, the cursor.
//! - [`dead_letter`]: messages and points that could not be decoded, mapped or accepted.
//! - [`query`]: a portable query → each store's language → rows.
//! - [`auth`]: authentication and access rules.
//! - [`sessions`]: persistent MQTT sessions: queues, retained messages, wills.
//! - [`downlink`]: commands to vehicles, and their states.
//! - [`mqtt`]: the MQTT server for vehicles.
//! - [`http`]: the HTTP server for operators.
//! - [`simulator`]: a fleet that drives, for trials, load tests and the demo.
//! - [`config`]: configuration file and environment → every stage's options.
//! - [`app`]: builds every stage, connects them, runs, drains in order.
//! - [`cli`]: one file a subcommand.
//!
//! # Who may import whom
//! Each module imports only these modules, all above it in the list (a test checks it):
//! `telemetry` and `env` take [`model`]; `schema` takes `telemetry`; `mapping` takes `schema`;
//! `spool` and `store` take `telemetry` and `env`; `dead_letter` takes `spool`; `uplink` takes
//! `schema`, `mapping`, `spool`, `dead_letter`; `sink` takes `spool`, `store`, `dead_letter`;
//! `query` takes `store`; `auth` takes `telemetry` and `env`; `sessions` takes `spool`; `mqtt`
//! takes `uplink`, `auth` and `sessions`; `downlink` takes `mapping` and `query`; `http` takes
//! `telemetry`, `query`, `auth` and `downlink`; `simulator` takes `schema`, `mapping` and of `mqtt`
//! only the codec, `wire`; `config` takes every room's options; `app`, `cli` and `main` take
//! everything.
//!
//! The architecture shows in what is absent: `uplink` and `sink` meet only through bytes on disk;
//! `spool` does not know what an entry means; `mqtt` and `http` know neither each other nor a
//! database; only `config` reads the environment; only `env` touches the clock, and the disk for
//! data that must survive a crash.
//!
//! # Invariants
//! The module that keeps an invariant states it; asserts and tests quote its id.
//!
//! | ids | kept by | about |
//! |---|---|---|
//! | UP-1 to UP-4 | [`uplink`], [`mqtt`] | durable before acknowledged, all counted, bounded |
//! | SP-1 to SP-8 | [`spool`] | positions, what a crash keeps, damage, bounds, one writer |
//! | SK-1 to SK-4 | [`sink`] | the cursor, order, requests in flight, what waits |
//! | AK-1 to AK-4 | [`store`] | a query reads, its parameters are data, it is bounded, never cut |
//! | QY-1 to QY-4 | [`query`] | types, order, pages and rows of a portable answer |
//! | AU-1 to AU-5 | [`auth`] | names, refusal if no rule allows, topics only the server publishes |
//! | DL-1 to DL-3 | [`dead_letter`] | ids, nothing dropped, bytes kept |
//! | SE-1 to SE-5 | [`sessions`] | durable before answered, numbers, decided once, files, wills |
//! | DN-1 to DN-5 | [`downlink`] | receivers, expiry, forward only, durable first, true states |
//! | PR-1, PR-2 | [`model`], [`mqtt`] | presence follows sessions; last lines are the latest |
//! | MQ-1 to MQ-3 | [`mqtt`] | order of acknowledgements, numbering, receive maximum |
//! | HB-1, HB-2 | [`telemetry`] | a health snapshot is of one moment; changes are logged once |
//! | HT-1, HT-2 | [`http`] | every request is bounded; a failed answer is no short answer |
//! | CF-1 to CF-3 | [`config`] | nothing clamped, nothing ignored, no secret printed |

pub mod app;
pub mod auth;
pub mod cli;
pub mod config;
pub mod dead_letter;
pub mod downlink;
pub mod env;
pub mod http;
pub mod mapping;
pub mod model;
pub mod mqtt;
pub mod query;
pub mod schema;
pub mod sessions;
pub mod simulator;
pub mod sink;
pub mod spool;
pub mod store;
pub mod telemetry;
pub mod uplink;
