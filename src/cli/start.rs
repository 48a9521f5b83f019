//! Arguments → command → exit code.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{
    cli::{
        check, command, dead_letter, decode, demo, health, import, infer,
        output::{Output, complain},
        push, query, serve, session, simulate, spool, token, user,
    },
    config::Sources,
    store,
};

/// Parses the arguments and runs the command.
pub fn run() -> ExitCode {
    // Wrong usage ends here with code 2, help and version with 0.
    let arguments = Arguments::parse();
    // The dependencies contain two providers (ring is ours), so no default exists until one is
    // installed.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        complain("a TLS provider was installed before ours");
        return ExitCode::FAILURE;
    }
    let sources = arguments.config.sources();
    let mut output = Output::lock();
    let done = match arguments.command {
        Command::Serve(arguments) => serve::run(&arguments, &sources, &mut output),
        Command::Demo(arguments) => demo::run(&arguments, &sources, &mut output),
        Command::Check(arguments) => check::run(&arguments, &sources, &mut output),
        Command::Decode(arguments) => decode::run(&arguments, &sources, &mut output),
        Command::Infer(arguments) => infer::run(&arguments, &sources, &mut output),
        Command::Import(arguments) => import::run(&arguments, &mut output),
        Command::Query(arguments) => query::run(&arguments, &sources, &mut output),
        Command::Health(arguments) => health::run(&arguments, &sources, &mut output),
        Command::Token(arguments) => token::run(&arguments, &sources, &mut output),
        Command::User(arguments) => user::run(&arguments, &sources, &mut output),
        Command::Spool(arguments) => spool::run(&arguments, &sources, &mut output),
        Command::Downlink(arguments) => command::run(arguments, &sources, &mut output),
        Command::Push(arguments) => push::run(*arguments, &sources, &mut output),
        Command::Session(arguments) => session::run(arguments, &sources, &mut output),
        Command::DeadLetter(arguments) => dead_letter::run(arguments, &sources, &mut output),
        Command::Simulate(arguments) => simulate::run(&arguments, &mut output),
        Command::AnswerQuestion => return store::answer_question(),
    };
    match done.and_then(|()| output.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(message) = failure.message() {
                complain(message);
            }
            failure.code()
        }
    }
}

/// MQTT in, durable before acknowledged, line protocol out.
#[derive(Debug, Parser)]
#[command(name = "fleetline", version, about, propagate_version = true)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) config: ConfigArguments,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// The sources of the configuration.
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
    /// As the sources for `config`.
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
    Infer(infer::Arguments),
    Import(import::Arguments),
    Query(Box<query::Arguments>),
    Health(health::Arguments),
    Token(token::Arguments),
    User(user::Arguments),
    Spool(spool::Arguments),
    #[command(name = "command")]
    Downlink(command::Arguments),
    Push(Box<push::Arguments>),
    Session(session::Arguments),
    DeadLetter(dead_letter::Arguments),
    Simulate(Box<simulate::Arguments>),
    /// Answers one native query to the embedded store; started by the appliance
    #[command(hide = true)]
    AnswerQuestion,
}
