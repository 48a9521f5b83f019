//! `check`: are the configuration files correct, and are the servers that they name reachable?

mod online;
mod rules;
mod run;
mod types;

pub(super) use run::{Arguments, no_key, run};
