//! Text and environment → every stage's options.
//!
//! One table of keys (`keys`) says everything about each key: its kind, default, bounds with their
//! reasons, documentation. From it come the parsing with refusal of unknown keys, the overrides by
//! environment and `--set`, the checks of bounds, and `config/reference.md`.
//!
//! The life of a configuration: `source` reads the layers (file, then environment, then `--set`)
//! into `Settings`, each value checked against its key; `check` looks at what no single key can
//! tell; `resolve` lowers the settings into each stage's options. Problems are gathered on the way
//! and told all at once, each with its place, value, reason and remedy ([`ResolveErrors`]).
//!
//! CF-1: nothing is clamped and nothing written is ignored: a configuration either is what was
//! written, or is refused. CF-2: a secret is never printed. CF-3: only this room reads the
//! environment.
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
