//! Configuration file and environment → every stage's options.
//!
//! One table (`keys`) contains all properties of each key: its kind, default, bounds with their
//! reasons, documentation. Parsing, the refusal of unknown keys, overrides by environment and
//! `--set`, checks of bounds, and `config/reference.md` all use it.
//!
//! The life of a configuration: `source` reads the layers (file, then environment, then `--set`)
//! into `Settings`, and checks each value against its key; `check` makes the checks across keys;
//! `resolve` lowers the settings into each stage's options. All problems are collected and reported
//! at once, each with its place, value, reason and remedy ([`ResolveErrors`]).
//!
//! CF-1: no value is clamped and none is ignored: a configuration is used as written or refused.
//! CF-2: a secret is never printed. CF-3: only this room reads the environment.
//!
//! Why a table and not one struct a stage with `serde`: overrides, near-misses, line numbers,
//! bounds with reasons and the reference all need the same facts by path, and a struct would hold
//! only the names.

mod check;
mod key;
mod keys;
mod listeners;
mod lower;
mod problem;
mod reference;
mod resolve;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod token;
mod value;
mod web_socket;

pub use problem::{Place, Problem, ResolveErrors};
pub use reference::reference;
pub use resolve::{
    Offline, Resolved, Sources, SpoolOptions, TlsOptions, load, load_offline, log_format, shard_dir,
};
pub use token::{TokenError, token};
