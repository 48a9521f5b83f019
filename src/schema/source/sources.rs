//! The files that were read and those that were skipped.

use std::{collections::BTreeMap, path::Path, sync::OnceLock};

use super::{names, walk::Walk};
use crate::schema::Problem;

/// One file's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The path relative to the schemas directory, with forward slashes: what `schema = "…"` and
    /// protobuf's `import` name.
    pub path: String,
    /// The text, without a byte order mark; invalid UTF-8 is replaced by U+FFFD.
    pub text: String,
    /// The first line that is not UTF-8, and the advice for it.
    pub(super) fault: Option<(u32, &'static str)>,
    /// The ends of its lines, computed at the first request for a line.
    pub(super) line_ends: OnceLock<Vec<usize>>,
}

impl Source {
    pub(super) fn new(path: String, text: String, fault: Option<(u32, &'static str)>) -> Self {
        Self { path, text, fault, line_ends: OnceLock::new() }
    }

    /// The line, from 1, of a byte. It is called for every value and problem, so it must be cheap.
    #[must_use]
    pub fn line(&self, at: usize) -> u32 {
        let find = || memchr::memchr_iter(b'\n', self.text.as_bytes()).collect();
        let before = self.line_ends.get_or_init(find).partition_point(|end| *end < at);
        u32::try_from(before + 1).unwrap_or(u32::MAX)
    }

    /// A problem at a byte.
    #[must_use]
    pub fn problem(&self, at: usize, what: impl Into<String>) -> Problem {
        Problem { file: self.path.clone(), line: Some(self.line(at)), what: what.into() }
    }

    /// The error of the text itself: it is not UTF-8.
    #[must_use]
    pub fn fault(&self) -> Option<Problem> {
        let (line, what) = self.fault?;
        let what = format!("line {line} {what}");
        Some(Problem { file: self.path.clone(), line: Some(line), what })
    }
}

/// The bounds on reading a schemas directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of one file.
    pub file_bytes_max: u64,
    /// Bytes of all files.
    pub bytes_max: u64,
    /// Number of files and folders.
    pub entries_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { file_bytes_max: 4 << 20, bytes_max: 64 << 20, entries_max: 100_000 }
    }
}

/// All files of a schemas directory that have a known ending, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    pub(super) files: Vec<Source>,
    /// Why something was not read, by its path.
    pub(super) passed_over: BTreeMap<String, String>,
    /// The target of a link, by the link's path, if the target is read under another path.
    pub(super) aliases: BTreeMap<String, String>,
}

/// How many links one path may contain.
const ALIASES_MAX: usize = 16;

impl Sources {
    /// Texts that are in memory (an upload, a test).
    #[must_use]
    pub fn from_texts(texts: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut files: Vec<Source> =
            texts.into_iter().map(|(path, text)| Source::new(path, text, None)).collect();
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Self { files, ..Self::default() }
    }

    /// Reads the directory and its folders. A mapping file that cannot be read is added to
    /// `problems`.
    #[must_use]
    pub fn read(dir: &Path, bounds: &Bounds, problems: &mut Vec<Problem>) -> Self {
        let mut sources = Walk::new(bounds, problems).read(dir);
        sources.files.sort_by(|one, other| one.path.cmp(&other.path));
        sources
    }

    /// The files with an ending, in order of their paths.
    pub fn with_ending<'a>(&'a self, ending: &'a str) -> impl Iterator<Item = &'a Source> {
        self.files.iter().filter(move |source| source.path.ends_with(ending))
    }

    /// The file at a path, also at one that leads through links.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&Source> {
        let mut path = path.to_owned();
        for _ in 0..ALIASES_MAX {
            if let Ok(at) = self.files.binary_search_by(|source| source.path.cmp(&path)) {
                return Some(&self.files[at]);
            }
            path = self.behind_link(&path)?;
        }
        None
    }

    /// A path with its first link followed.
    fn behind_link(&self, path: &str) -> Option<String> {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in ends {
            if let Some(target) = self.aliases.get(&path[..end]) {
                let rest = path[end..].trim_start_matches('/');
                return Some(match (target.is_empty(), rest.is_empty()) {
                    (true, _) => rest.to_owned(),
                    (false, true) => target.clone(),
                    (false, false) => format!("{target}/{rest}"),
                });
            }
        }
        None
    }

    /// Why the existing file at a path was not read.
    #[must_use]
    pub fn passed_over(&self, path: &str) -> Option<String> {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in ends {
            if let Some(why) = self.passed_over.get(&path[..end]) {
                return Some(if end == path.len() {
                    format!("`{path}` is there, but {why}")
                } else {
                    format!("`{path}` is not read, because of its folder `{}`: {why}", &path[..end])
                });
            }
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        names::passed_over(name).map(|why| format!("`{path}` is not read: {why}"))
    }

    /// Every skipped file that may have been intended, to be reported at a load.
    pub fn notes(&self) -> impl Iterator<Item = Problem> {
        self.passed_over.iter().filter_map(|(path, why)| {
            let name = path.rsplit('/').next().unwrap_or(path);
            let is_told = names::passed_over(name).is_none() && is_noted(name, why);
            is_told.then(|| Problem::of_file(path, format!("passed over: {why}")))
        })
    }
}

/// Whether a skipped file is reported although no mapping names it: not the files that are usually
/// kept beside schemas.
fn is_noted(name: &str, why: &str) -> bool {
    names::is_read(name) || !why.starts_with("only *")
}
