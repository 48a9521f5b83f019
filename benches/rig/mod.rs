//! What the benchmarks of whole processes share: the store stub, the bare loop that only
//! acknowledges and the one that only delivers, the load sources, the processes under measurement
//! and their account by the kernel.
//!
//! Everything that is measured is a process of its own: the server, the load source (`fleetline
//! simulate`, or clients that publish to each other), the stub and the bare loops; what is not
//! Fleetline is a hidden mode of the benchmark's own binary (`stub`, `ack`, `deliver`,
//! `audience`, `absent`). CPU is what `/proc/PID/stat` says.

#![allow(dead_code, reason = "each benchmark uses its part")]

pub(crate) mod absent;
pub(crate) mod ack;
pub(crate) mod audience;
pub(crate) mod budget;
pub(crate) mod crowd;
pub(crate) mod deliver;
pub(crate) mod fleet;
pub(crate) mod frame;
pub(crate) mod guess;
pub(crate) mod operator;
pub(crate) mod points;
pub(crate) mod process;
pub(crate) mod server;
pub(crate) mod silent;
pub(crate) mod stub;
pub(crate) mod table;
pub(crate) mod tls;
pub(crate) mod yardstick;

use std::{error::Error, process::ExitCode};

/// A benchmark prints why it cannot go on, and stops.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// A fault in words.
pub(crate) fn fault(text: impl Into<String>) -> Box<dyn Error> {
    text.into().into()
}

/// What the command line says, without what cargo adds.
pub(crate) fn arguments() -> Vec<String> {
    std::env::args().skip(1).filter(|argument| argument != "--bench").collect()
}

/// Runs one of the hidden modes if the arguments name one.
pub(crate) fn hidden_mode(arguments: &[String]) -> Option<ExitCode> {
    let done = match arguments {
        [mode, port] if mode == "stub" => stub::serve(port),
        [mode, port] if mode == "ack" => ack::serve(port),
        [mode, absence] if mode == "absent" => absent::serve(absence),
        [mode, port] if mode == "deliver" => deliver::serve(port),
        [mode, port, seconds, audience] if mode == "audience" => {
            audience::serve(port, seconds, audience)
        }
        _ => return None,
    };
    Some(exit(done))
}

/// The exit code, and on standard error what went wrong.
pub(crate) fn exit(done: Outcome) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(inner) = source {
                text = format!("{text}: {inner}");
                source = inner.source();
            }
            table::complain(&text);
            ExitCode::FAILURE
        }
    }
}
