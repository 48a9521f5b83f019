//! The one way out: a locked standard output, and standard error for what went wrong.

use std::{
    fmt,
    io::{self, Write as _},
};

use serde::Serialize;

use crate::cli::failure::Failure;

/// Standard output and standard error of one command.
#[derive(Debug)]
pub(super) struct Output {
    out: io::StdoutLock<'static>,
}

impl Output {
    /// Takes standard output for the rest of the process.
    pub(super) fn lock() -> Self {
        Self { out: io::stdout().lock() }
    }

    /// One line of the answer.
    pub(super) fn line(&mut self, line: impl fmt::Display) -> Result<(), Failure> {
        writeln!(self.out, "{line}").map_err(Failure::output)
    }

    /// Bytes of the answer as they are.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes).map_err(Failure::output)
    }

    /// One JSON object on one line.
    pub(super) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(Failure::failed)?;
        self.line(text)
    }

    /// Hands everything to whoever reads it.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(Failure::output)
    }
}

/// A line of standard error. If even that cannot be written, there is nobody left to tell.
pub(super) fn complain(line: impl fmt::Display) {
    drop(writeln!(io::stderr().lock(), "{line}"));
}

/// How wide standard output is, if it is a terminal.
pub(super) fn terminal_columns() -> Option<usize> {
    // The library looks only if it is one; 0 is said by a terminal that does not know.
    comfy_table::Table::new().width().map(usize::from).filter(|columns| *columns > 0)
}
