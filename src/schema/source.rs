//! The files below the schemas directory, read whole: the one place that touches them.
//!
//! They are read through `std::fs` and not through `env::Disk`: nothing here must survive a crash,
//! and whoever breaks a schema file breaks a load, which keeps the old set.

use std::{io, path::Path};

use crate::schema::Problem;

/// One file's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The path relative to the schemas directory, with forward slashes: what `schema = "…"` and
    /// protobuf's `import` name.
    pub path: String,
    /// The text.
    pub text: String,
}

/// All files of a schemas directory that have a known ending, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    files: Vec<Source>,
}

/// The endings that are read; everything else below the directory is left alone.
const ENDINGS: [&str; 4] = [".proto", ".avsc", ".schema.json", ".toml"];

/// How deep folders may nest: against a symbolic link that points upward.
const FOLDERS_DEPTH_MAX: usize = 16;

impl Sources {
    /// Texts that are already there (an upload, a test).
    #[must_use]
    pub fn from_texts(texts: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut files: Vec<Source> =
            texts.into_iter().map(|(path, text)| Source { path, text }).collect();
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Self { files }
    }

    /// Reads the directory and its folders. What cannot be read is added to `problems`.
    #[must_use]
    pub fn read(dir: &Path, problems: &mut Vec<Problem>) -> Self {
        let mut sources = Self::default();
        sources.read_folder(dir, "", 0, problems);
        sources.files.sort_by(|one, other| one.path.cmp(&other.path));
        sources
    }

    /// The files with an ending, in order of their paths.
    pub fn with_ending<'a>(&'a self, ending: &'a str) -> impl Iterator<Item = &'a Source> {
        self.files.iter().filter(move |source| source.path.ends_with(ending))
    }

    /// The file at a path.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&Source> {
        self.files.iter().find(|source| source.path == path)
    }

    /// Reads one folder; `prefix` is its path with a slash at the end, or nothing.
    #[expect(clippy::disallowed_methods, reason = "schemas need not survive a crash; see above")]
    fn read_folder(&mut self, dir: &Path, prefix: &str, depth: usize, problems: &mut Vec<Problem>) {
        let name = if prefix.is_empty() { dir.display().to_string() } else { prefix.to_owned() };
        if depth > FOLDERS_DEPTH_MAX {
            problems
                .push(Problem::of_file(&name, "folders nest too deep; is there a link upward?"));
            return;
        }
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) => return problems.push(Problem::of_file(&name, told(&error))),
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => return problems.push(Problem::of_file(&name, told(&error))),
            };
            let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
            match std::fs::metadata(entry.path()) {
                Ok(meta) if meta.is_dir() => {
                    self.read_folder(&entry.path(), &format!("{path}/"), depth + 1, problems);
                }
                Ok(_) if !ENDINGS.iter().any(|ending| path.ends_with(ending)) => {}
                Ok(_) => match std::fs::read_to_string(entry.path()) {
                    Ok(text) => self.files.push(Source { path, text }),
                    Err(error) => problems.push(Problem::of_file(&path, told(&error))),
                },
                Err(error) => problems.push(Problem::of_file(&path, told(&error))),
            }
        }
    }
}

/// What the operator reads of a failed read.
fn told(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist; create it or set `schemas.dir`".to_owned(),
        io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => format!("it cannot be read: {error}"),
    }
}
