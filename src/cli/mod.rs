//! The command line: one file a subcommand.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage or configuration. The result goes to standard output
//! through `output::Output`, with `--json` as one object (or one a line); errors and the log go to
//! standard error. `--config` and `--set` are allowed anywhere.

mod appliance;
mod check;
mod command;
mod dead_letter;
mod decode;
mod demo;
mod failure;
mod health;
mod import;
mod infer;
mod listing;
mod moment;
mod output;
mod present;
mod push;
mod query;
mod records;
mod serve;
mod session;
mod simulate;
mod spool;
mod start;
mod token;
mod trial;
mod user;

pub use start::run;
