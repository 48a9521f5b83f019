//! The known names, shared by all workers and kept in a file.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use super::{
    NameOptions, TooManyNew,
    file::{self, HEADER_BYTES, UnknownVersion},
    known::{Kind, Known, NewName},
};
use crate::{
    env::disk::{Access, Disk, DiskFile},
    model::{Catalog, UnixNanos},
};

/// The file's name in the data directory.
const FILE: &str = "names";
const DAY_NANOS: i64 = 86_400_000_000_000;

/// Why the file of known names cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum NamesError {
    /// The file cannot be read: check its owner and the disk.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// A newer Fleetline wrote it: run that version, or remove the file; then the names of the
    /// store are read again.
    #[error("{} is of version {version}, which this version does not know", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u16,
    },
}

/// The known names. A message whose names are all known takes only a shared lock. New names are
/// counted, and written to the file later.
#[derive(Debug)]
pub struct NameRegistry {
    options: NameOptions,
    known: RwLock<Known>,
    file: Mutex<RegistryFile>,
}

#[derive(Debug)]
struct RegistryFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    open: Option<Box<dyn DiskFile>>,
    /// Length of its valid part.
    len: u64,
    /// Records that are not in the file yet.
    unwritten: Vec<u8>,
    /// Whether the store's names are known.
    has_stored: bool,
    /// Whether the last write failed.
    is_failing: bool,
}

impl NameRegistry {
    /// Reads the names that earlier runs have written.
    ///
    /// # Errors
    /// If the file exists and cannot be read.
    pub fn open(
        disk: Arc<dyn Disk>,
        data_dir: &Path,
        options: NameOptions,
    ) -> Result<Self, NamesError> {
        let path = data_dir.join(FILE);
        let bytes = match read_whole(disk.as_ref(), &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read.map_err(|source| NamesError::Read { path: path.clone(), source })?,
        };
        let read = file::read(&bytes).map_err(|UnknownVersion(version)| NamesError::Version {
            path: path.clone(),
            version,
        })?;
        if read.len < bytes.len() {
            let whole = read.len;
            tracing::warn!(path = %path.display(), whole, "the names of payloads are cut there");
        }
        let mut known = Known::default();
        for name in &read.names {
            known.add(name);
        }
        let file = RegistryFile {
            disk,
            path,
            open: None,
            len: read.len as u64,
            unwritten: Vec::new(),
            has_stored: read.has_stored,
            is_failing: false,
        };
        Ok(Self { options, known: RwLock::new(known), file: Mutex::new(file) })
    }

    /// Adds the names that the mappings declare.
    pub fn add_mapped(&self, catalog: &Catalog) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for (measurement, has) in &catalog.measurements {
            let fields = has.fields.iter().map(|(name, _)| (Kind::Field, name));
            let tags = has.tags.iter().map(|name| (Kind::Tag, name));
            for (kind, name) in fields.chain(tags) {
                known.add(&before(measurement, kind, name));
            }
        }
    }

    /// Adds the names that a measurement of the store has.
    pub fn add_stored<'n>(
        &self,
        measurement: &str,
        fields: impl Iterator<Item = &'n str>,
        tags: impl Iterator<Item = &'n str>,
    ) {
        let fields = fields.map(|name| before(measurement, Kind::Field, name));
        let tags = tags.map(|name| before(measurement, Kind::Tag, name));
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<NewName> = fields.chain(tags).filter(|name| known.add(name)).collect();
        drop(known);
        self.note(&new);
    }

    /// Notes that all names of the store have been added.
    pub fn finish_stored(&self) {
        let mut file = self.file();
        file.has_stored = true;
        file::push(&mut file.unwritten, &before("", Kind::Field, ""));
    }

    /// Whether the store's names are known.
    #[must_use]
    pub fn has_stored(&self) -> bool {
        self.file().has_stored
    }

    /// How many names are known.
    #[must_use]
    pub fn names_count(&self) -> usize {
        self.known.read().unwrap_or_else(PoisonError::into_inner).names_count()
    }

    /// Adds the names of these lines, which were received at this time.
    ///
    /// # Errors
    /// If more of them are new than that day's bounds allow; then no name was added.
    pub(crate) fn admit(&self, lines: &[u8], received_at: UnixNanos) -> Result<(), TooManyNew> {
        if self.known.read().unwrap_or_else(PoisonError::into_inner).has_all(lines) {
            return Ok(());
        }
        let day = received_at.0.div_euclid(DAY_NANOS);
        // Day 0 is for names that existed before.
        let day = u32::try_from(day).unwrap_or_default().max(1);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let new = known.admit(lines, day, &self.options)?;
        drop(known);
        self.note(&new);
        Ok(())
    }

    fn note(&self, new: &[NewName]) {
        let mut file = self.file();
        new.iter().for_each(|name| file::push(&mut file.unwritten, name));
    }

    fn file(&self) -> MutexGuard<'_, RegistryFile> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the names that are not in the file yet. A failed write is logged once, and tried
    /// again by the next call.
    pub fn write(&self) {
        let mut file = self.file();
        if file.unwritten.is_empty() {
            return;
        }
        match file.append() {
            Ok(()) => file.is_failing = false,
            Err(error) => {
                if !std::mem::replace(&mut file.is_failing, true) {
                    let path = file.path.display();
                    tracing::warn!(%path, %error, "cannot write the names of payloads yet");
                }
            }
        }
    }
}

impl RegistryFile {
    fn append(&mut self) -> io::Result<()> {
        if self.open.is_none() {
            let opened = match self.disk.open(&self.path, Access::Write) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.disk.create(&self.path)
                }
                opened => opened,
            };
            let opened = opened?;
            opened.set_len(self.len)?;
            self.open = Some(opened);
        }
        let open = self.open.as_ref().expect("opened above");
        if self.len == 0 {
            open.write_all_at(&file::header(), 0)?;
            self.len = HEADER_BYTES as u64;
        }
        // The next write overwrites what a failed one has left.
        open.write_all_at(&self.unwritten, self.len)?;
        self.len += self.unwritten.len() as u64;
        self.unwritten.clear();
        Ok(())
    }
}

/// A name that existed before: of day 0.
fn before(measurement: &str, kind: Kind, name: &str) -> NewName {
    NewName { day: 0, measurement: measurement.into(), kind, name: name.into() }
}

fn read_whole(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path, Access::Read)?;
    let len = usize::try_from(file.len()?).unwrap_or(usize::MAX);
    let mut bytes = vec![0; len];
    let mut n = 0;
    while n < len {
        match file.read_at(&mut bytes[n..], n as u64)? {
            0 => break,
            more => n += more,
        }
    }
    bytes.truncate(n);
    Ok(bytes)
}
