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
//! - [`env`]: what we ask of the machine: clock, disk.
//! - [`telemetry`]: what we tell the operator about ourselves: counters, metrics, health.
//! - [`schema`]: schema files → an immutable registry of codecs.
//! - [`mapping`]: mapping files → compiled plans.
//! - [`uplink`]: vehicle → spool: decode, map, line, lane.
//! - [`spool`]: the durable log of one shard; knows nothing of points.
//! - [`store`]: databases as protocols: request → verdict.
//! - [`sink`]: spool → store: batches, retries, the cursor.
//! - [`dead_letter`]: what could not be decoded, mapped or accepted.
//! - [`mqtt`]: the vehicle edge.
//! - [`http`]: the operator edge.
//! - [`config`]: text and environment → every stage's options.
//! - [`app`]: builds every stage, connects them, runs, drains in order.
//! - [`cli`]: one file a subcommand.

pub mod app;
pub mod cli;
pub mod config;
pub mod dead_letter;
pub mod env;
pub mod http;
pub mod mapping;
pub mod model;
pub mod mqtt;
pub mod schema;
pub mod sink;
pub mod spool;
pub mod store;
pub mod telemetry;
pub mod uplink;
