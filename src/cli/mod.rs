//! The command line: one file a subcommand.

use std::process::ExitCode;

/// Parses the arguments and runs the command they name.
pub fn run() -> ExitCode {
    ExitCode::from(2)
}
