//! Integration tests: one binary, one module per feature.
//!
//! They run the real binary over real sockets and real files. Tests that need a real server are in
//! [`real`] and skip themselves, visibly, if `tests/run` has not set where that server is.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test stops at the first surprise, reads files and clocks as it likes, and says so"
)]

mod access;
mod answers;
mod bad_disk;
mod commands;
mod config;
mod corpus;
mod dead_letters;
mod demo;
mod downlink;
mod durability;
mod edge;
mod embedded;
mod examples;
mod first_day;
mod golden;
mod harness;
mod hold;
mod infer;
mod judge;
mod kinds;
mod metrics;
mod new_names;
mod payloads;
mod query;
mod question_limits;
mod real;
mod refusals;
mod schema_folders;
mod schemas;
mod schemas_page;
mod simulate;
mod store_answers;
mod tdengine;
mod tidy;
mod trial;
mod types;
mod vectors;
mod vehicles;
