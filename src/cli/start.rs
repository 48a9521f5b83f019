//! Arguments → command → exit code.

use std::process::ExitCode;

use clap::Parser as _;

use crate::{
    cli::{
        arguments::{Arguments, Command},
        check, dead_letter, decode, demo, health,
        output::{Output, complain},
        query, serve, simulate, spool,
    },
    store,
};

/// Parses the arguments and runs the command they name.
pub fn run() -> ExitCode {
    // Wrong usage ends here with code 2, help and version with 0.
    let arguments = Arguments::parse();
    // Two providers are in the tree (ring is ours), so none is the default until one is installed.
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
        Command::Query(arguments) => query::run(&arguments, &sources, &mut output),
        Command::Health(arguments) => health::run(&arguments, &sources, &mut output),
        Command::Spool(arguments) => spool::run(&arguments, &sources, &mut output),
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
