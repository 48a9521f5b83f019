//! All output: a locked standard output, and standard error for errors.

use std::{
    fmt,
    io::{self, Write as _},
};

use serde::Serialize;

use crate::cli::failure::Failure;

/// Standard output and standard error of a command.
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

    /// Bytes of the answer, unchanged.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.write_all(bytes).map_err(Failure::output)
    }

    /// One JSON object on one line.
    pub(super) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(Failure::failed)?;
        self.line(text)
    }

    /// Flushes standard output.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(Failure::output)
    }
}

/// Writes a line to standard error. If that fails, the message is lost.
pub(super) fn complain(line: impl fmt::Display) {
    drop(writeln!(io::stderr().lock(), "{line}"));
}

/// How wide standard output is, if it is a terminal.
pub(super) fn terminal_columns() -> Option<usize> {
    // The library checks that itself; a terminal that does not know its width reports 0.
    comfy_table::Table::new().width().map(usize::from).filter(|columns| *columns > 0)
}
