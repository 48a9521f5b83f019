//! Operators' files as text: bounded, and read whole or not at all.

use std::{fs::File, io, io::Read, path::Path};

use super::problem::FileProblem;

/// Reads a file of at most `bytes_max` bytes.
///
/// # Errors
/// It cannot be read, is too large, or is not UTF-8.
#[expect(
    clippy::disallowed_methods,
    reason = "files of the operator, read whole at start and at a reload: nothing of them is ours \
              to keep over a crash"
)]
pub(super) fn read(path: &Path, bytes_max: u64) -> Result<String, FileProblem> {
    let problem = |what: String| FileProblem { file: path.display().to_string(), line: None, what };
    let unreadable = |error: io::Error| problem(format!("cannot be read: {error}"));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > bytes_max {
        return Err(problem(format!(
            "larger than auth.file-size-max, which allows {bytes_max} bytes"
        )));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = line_of(valid, valid.len());
        FileProblem { line: Some(line), ..problem("not UTF-8 text".to_owned()) }
    })
}

/// The line, from 1, of a byte of a text.
pub(super) fn line_of(text: &[u8], at: usize) -> usize {
    1 + text[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}
