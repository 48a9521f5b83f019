//! Tests that cannot run here: reported and counted.

use std::{env, fs::OpenOptions, io::Write, path::PathBuf};

/// Reports that the calling test is skipped and why; `tests/run` counts it and prints it again.
pub(crate) fn skip(test: &str, reason: &str) {
    eprintln!("SKIPPED {test}: {reason}");
    if let Some(path) = env::var_os("FLEETLINE_TEST_SKIPS") {
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        writeln!(file, "{test}: {reason}").unwrap();
    }
}

/// The program in `variable`; without it the calling test is skipped.
pub(crate) fn program(test: &str, variable: &str) -> Option<PathBuf> {
    if let Some(path) = env::var_os(variable) {
        return Some(PathBuf::from(path));
    }
    let reason = env::var(format!("{variable}_MISSING"))
        .unwrap_or_else(|_| format!("{variable} is not set; tests/run sets it"));
    skip(test, &reason);
    None
}
