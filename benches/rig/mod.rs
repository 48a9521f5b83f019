//! What the benchmarks of whole processes share: the store stub, the bare loop that only
//! acknowledges, the processes under measurement and their account by the kernel.
//!
//! Everything that is measured is a process of its own: the server, the load source (`fleetline
//! simulate`), the stub and the bare loop; the last two are hidden modes of the benchmark's own
//! binary (`stub`, `ack`). CPU is what `/proc/PID/stat` says.

#![allow(dead_code, reason = "each benchmark uses its part")]

pub(crate) mod ack;
pub(crate) mod fleet;
pub(crate) mod points;
pub(crate) mod process;
pub(crate) mod server;
pub(crate) mod stub;
pub(crate) mod table;
pub(crate) mod yardstick;

use std::{error::Error, process::ExitCode};

/// A benchmark prints why it cannot go on, and stops.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// A fault in words.
pub(crate) fn fault(text: impl Into<String>) -> Box<dyn Error> {
    text.into().into()
}

/// Runs one of the hidden modes if the arguments name one.
pub(crate) fn hidden_mode(arguments: &[String]) -> Option<ExitCode> {
    let done = match arguments {
        [mode, port] if mode == "stub" => stub::serve(port),
        [mode, port] if mode == "ack" => ack::serve(port),
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
