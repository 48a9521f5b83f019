//! Tests that cannot run here, said aloud and counted.

use std::{env, fs::OpenOptions, io::Write, path::PathBuf};

/// Says that the calling test does not run and why; `tests/run` counts and repeats it.
pub(crate) fn skip(test: &str, reason: &str) {
    eprintln!("SKIPPED {test}: {reason}");
    if let Some(path) = env::var_os("FLEETLINE_TEST_SKIPS") {
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        writeln!(file, "{test}: {reason}").unwrap();
    }
}

/// The program that `variable` names; without it the calling test is skipped.
pub(crate) fn program(test: &str, variable: &str) -> Option<PathBuf> {
    if let Some(path) = env::var_os(variable) {
        return Some(PathBuf::from(path));
    }
    let reason = env::var(format!("{variable}_MISSING"))
        .unwrap_or_else(|_| format!("{variable} is not set; tests/run sets it"));
    skip(test, &reason);
    None
}
