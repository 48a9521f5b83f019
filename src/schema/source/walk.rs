//! The walk over the schemas directory.

use std::{
    collections::{HashMap, VecDeque},
    fs,
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::{Bounds, Source, Sources, names, text};
use crate::schema::Problem;

/// How deep folders may nest.
const FOLDERS_DEPTH_MAX: usize = 32;

/// The identity of a file or folder, independent of its path: device and inode number.
type Identity = (u64, u64);

/// The state of one walk.
pub(super) struct Walk<'p> {
    bounds: Bounds,
    problems: &'p mut Vec<Problem>,
    sources: Sources,
    /// The path under which each file or folder was taken.
    seen: HashMap<Identity, String>,
    /// Folders that are still to be read.
    folders: VecDeque<Entry>,
    /// Links, which are followed last, so that their targets are taken by their own paths first.
    links: VecDeque<Entry>,
    entries_count: usize,
    /// Whether there are more entries than the bound.
    is_over: bool,
    bytes: u64,
    /// Schemas, which are read after all mapping files.
    schemas: Vec<Entry>,
}

/// An entry of a folder.
struct Entry {
    /// Its path in the file system.
    at: PathBuf,
    /// Relative to the schemas directory; empty for that itself.
    path: String,
    depth: usize,
}

impl<'p> Walk<'p> {
    pub(super) fn new(bounds: &Bounds, problems: &'p mut Vec<Problem>) -> Self {
        Self {
            bounds: *bounds,
            problems,
            sources: Sources::default(),
            seen: HashMap::new(),
            folders: VecDeque::new(),
            links: VecDeque::new(),
            entries_count: 0,
            is_over: false,
            bytes: 0,
            schemas: Vec::new(),
        }
    }

    /// Reads everything.
    pub(super) fn read(mut self, dir: &Path) -> Sources {
        let root = Entry { at: dir.to_owned(), path: String::new(), depth: 0 };
        match fs::metadata(dir) {
            Ok(meta) => {
                self.seen.insert(identity(&meta), String::new());
                self.folders.push_back(root);
            }
            Err(error) => self.problems.push(Problem::of_file(
                &dir.display().to_string(),
                match error.kind() {
                    io::ErrorKind::NotFound => {
                        "it does not exist; create it or set `schemas.dir`".to_owned()
                    }
                    _ => cannot(&error),
                },
            )),
        }
        while !self.is_over {
            if let Some(folder) = self.folders.pop_front() {
                self.folder(&folder);
            } else if let Some(link) = self.links.pop_front() {
                self.link(link);
            } else {
                break;
            }
        }
        if self.is_over {
            return Sources::default();
        }
        // Mapping files have been read. If the bound on bytes is reached, schemas are left out;
        // that is a problem only for a mapping that needs one of them.
        for entry in std::mem::take(&mut self.schemas) {
            self.file(&entry);
        }
        self.sources
    }

    /// Visits the entries of a folder, in the order of names.
    #[expect(clippy::disallowed_methods, reason = "schemas need not survive a crash; see mod.rs")]
    fn folder(&mut self, folder: &Entry) {
        let entries = fs::read_dir(&folder.at).and_then(|entries| {
            let left = self.bounds.entries_max.saturating_sub(self.entries_count);
            let names = entries.take(left + 1).map(|entry| Ok(entry?.file_name()));
            names.collect::<io::Result<Vec<_>>>()
        });
        let mut found = match entries {
            Ok(found) => found,
            Err(error) if folder.path.is_empty() => {
                let name = folder.at.display().to_string();
                return self.problems.push(Problem::of_file(&name, cannot(&error)));
            }
            Err(error) => return self.pass_over(&folder.path, cannot(&error)),
        };
        found.sort();
        for name in found {
            if self.entries_count == self.bounds.entries_max {
                let what = format!(
                    "more than {} files and folders; name a smaller folder in `schemas.dir`, or \
                     raise `schemas.entries-max`",
                    self.bounds.entries_max
                );
                self.is_over = true;
                let name = folder.at.display().to_string();
                return self.problems.push(Problem::of_file(&name, what));
            }
            self.entries_count += 1;
            let text = name.to_string_lossy();
            let path = match folder.path.as_str() {
                "" => text.into_owned(),
                folder => format!("{folder}/{text}"),
            };
            self.entry(Entry { at: folder.at.join(&name), path, depth: folder.depth + 1 });
        }
    }

    /// Visits one entry.
    fn entry(&mut self, entry: Entry) {
        let name = entry.path.rsplit('/').next().unwrap_or(&entry.path);
        if let Some(why) = names::passed_over(name) {
            return self.pass_over(&entry.path, why);
        }
        match fs::symlink_metadata(&entry.at) {
            Ok(meta) if meta.is_symlink() => self.links.push_back(entry),
            Ok(meta) => self.take(entry, &meta),
            Err(error) => self.missing(&entry.path, cannot(&error)),
        }
    }

    /// Takes the target of a link, unless it has been taken by another path.
    fn link(&mut self, entry: Entry) {
        let meta = match fs::metadata(&entry.at) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.missing(&entry.path, "it is a link that leads nowhere".to_owned());
            }
            Err(error) => return self.missing(&entry.path, cannot(&error)),
        };
        if let Some(known) = self.seen.get(&identity(&meta)) {
            let known = known.clone();
            self.sources.aliases.insert(entry.path, known);
            return;
        }
        self.take(entry, &meta);
    }

    /// Takes a file or a folder.
    fn take(&mut self, entry: Entry, meta: &fs::Metadata) {
        if meta.is_dir() {
            if entry.depth > FOLDERS_DEPTH_MAX {
                let why = format!("folders nest deeper than {FOLDERS_DEPTH_MAX}");
                return self.pass_over(&entry.path, why);
            }
            self.seen.insert(identity(meta), entry.path.clone());
            return self.folders.push_back(entry);
        }
        let name = entry.path.rsplit('/').next().unwrap_or(&entry.path);
        if !names::is_read(name) {
            let why = names::ending_told(name);
            return self.pass_over(&entry.path, why);
        }
        if !meta.is_file() {
            return self.pass_over(&entry.path, "it is no regular file");
        }
        self.seen.entry(identity(meta)).or_insert_with(|| entry.path.clone());
        if entry.path.ends_with(".toml") { self.file(&entry) } else { self.schemas.push(entry) }
    }

    /// Reads one file.
    fn file(&mut self, entry: &Entry) {
        let bytes = match self.bytes_of(&entry.at) {
            Ok(bytes) => bytes,
            Err(why) => return self.missing(&entry.path, why),
        };
        self.bytes += bytes.len() as u64;
        let text::Decoded { text, fault } = text::decode(&bytes);
        self.sources.files.push(Source::new(entry.path.clone(), text, fault));
    }

    /// A file's bytes, if the bounds allow them.
    fn bytes_of(&self, at: &Path) -> Result<Vec<u8>, String> {
        // The file may have been replaced by a FIFO in the meantime: opening must not block.
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits();
        let flags = i32::try_from(nonblocking).expect("a flag is small");
        let opened = fs::File::options().read(true).custom_flags(flags).open(at);
        let file = opened.map_err(|error| cannot(&error))?;
        if !file.metadata().is_ok_and(|meta| meta.is_file()) {
            return Err("it is no regular file".to_owned());
        }
        let left = self.bounds.bytes_max.saturating_sub(self.bytes);
        let limit = self.bounds.file_bytes_max.min(left);
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| cannot(&error))?;
        if bytes.len() as u64 > self.bounds.file_bytes_max {
            return Err(format!(
                "it has more than {} bytes; raise `schemas.file-size-max`",
                self.bounds.file_bytes_max
            ));
        }
        if bytes.len() as u64 > left {
            return Err(format!(
                "with it all files have more than {} bytes; raise `schemas.size-max`",
                self.bounds.bytes_max
            ));
        }
        Ok(bytes)
    }

    /// Notes an entry that cannot be read; it is a problem if it may be a mapping file.
    fn missing(&mut self, path: &str, why: String) {
        if path.ends_with(".toml") {
            self.problems.push(Problem::of_file(path, why));
        } else {
            self.pass_over(path, why);
        }
    }

    /// Notes why an entry is skipped.
    fn pass_over(&mut self, path: &str, why: impl Into<String>) {
        self.sources.passed_over.insert(path.to_owned(), why.into());
    }
}

/// The identity of a file or folder.
fn identity(meta: &fs::Metadata) -> Identity {
    (meta.dev(), meta.ino())
}

/// The error text for a failed read.
fn cannot(error: &io::Error) -> String {
    format!("it cannot be read: {error}")
}
