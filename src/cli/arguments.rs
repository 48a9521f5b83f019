//! What may be written on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::{
    cli::{check, dead_letter, decode, demo, health, query, serve, simulate, spool},
    config::Sources,
};

/// MQTT in, durable before acknowledged, line protocol out.
#[derive(Debug, Parser)]
#[command(name = "fleetline", version, about, propagate_version = true)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Where the configuration is.
#[derive(Args, Debug)]
pub(super) struct ConfigArguments {
    /// The configuration file; without it, defaults, environment and --set
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Overrides a key: a TOML value, else a bare string (may repeat)
    #[arg(long, value_name = "KEY=VALUE", global = true)]
    set: Vec<String>,
}

impl ConfigArguments {
    /// As `config` reads it.
    pub(super) fn sources(self) -> Sources {
        Sources { file: self.config, set: self.set }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Serve(serve::Arguments),
    Demo(demo::Arguments),
    Check(check::Arguments),
    Decode(decode::Arguments),
    Query(Box<query::Arguments>),
    Health(health::Arguments),
    Spool(spool::Arguments),
    DeadLetter(dead_letter::Arguments),
    Simulate(Box<simulate::Arguments>),
    /// Answers one native question to the embedded store; started by the appliance
    #[command(hide = true)]
    AnswerQuestion,
}
