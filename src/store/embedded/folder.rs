//! The files on disk: which there are, how large they are, and their end.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    env::disk::{Access, Disk as _, RealDisk},
    store::{
        embedded::{name, period::Period},
        options::Partition,
    },
};

/// What the names of files end in.
const SUFFIX: &str = ".sqlite";
/// What SQLite puts beside a file while it is open.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// A file of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) measurement: String,
    pub(super) period: Period,
    pub(super) path: PathBuf,
}

/// Where the points of a measurement and period lie; `None` if the name is too long for a folder.
pub(super) fn path(dir: &Path, measurement: &str, period: &Period) -> Option<PathBuf> {
    let folder = name::folder(measurement)?;
    Some(dir.join(folder).join(format!("{}{SUFFIX}", period.label)))
}

/// Every file of the store, by measurement and period.
pub(super) fn list(dir: &Path, partition: Partition) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for folder in folders(dir)? {
        let Some(measurement) = name::measurement(&folder) else { continue };
        let folder = dir.join(folder);
        for file in RealDisk.files(&folder)? {
            let label = file.strip_suffix(SUFFIX);
            if let Some(period) = label.and_then(|label| Period::from_label(label, partition)) {
                let measurement = measurement.clone();
                found.push(Found { measurement, period, path: folder.join(&file) });
            }
        }
    }
    found.sort_by(|a, b| (&a.measurement, &a.period).cmp(&(&b.measurement, &b.period)));
    Ok(found)
}

#[expect(clippy::disallowed_methods, reason = "the files are SQLite's, not behind the seam")]
fn folders(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for found in std::fs::read_dir(dir)? {
        let found = found?;
        if found.file_type()?.is_dir()
            && let Ok(name) = found.file_name().into_string()
        {
            names.push(name);
        }
    }
    Ok(names)
}

/// Bytes of a file with what SQLite has put beside it.
pub(super) fn bytes(path: &Path) -> u64 {
    let len =
        |path: &Path| RealDisk.open(path, Access::Read).and_then(|file| file.len()).unwrap_or(0);
    COMPANIONS.iter().map(|companion| len(&beside(path, companion))).sum::<u64>() + len(path)
}

/// Whether a crash has left a log behind: the file was open.
pub(super) fn was_open(path: &Path) -> bool {
    let log = RealDisk.open(&beside(path, COMPANIONS[0]), Access::Read);
    log.and_then(|file| file.len()).is_ok_and(|len| len > 0)
}

/// Whether there is such a file; one that cannot be looked at counts as one.
pub(super) fn is_there(path: &Path) -> bool {
    let opened = RealDisk.open(path, Access::Read);
    !opened.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Removes a file and what is beside it; durable on return.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    // The log first: without its file it would be nobody's.
    for companion in COMPANIONS {
        match RealDisk.remove(&beside(path, companion)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    RealDisk.remove(path)?;
    RealDisk.sync_dir(path.parent().unwrap_or(Path::new(".")))
}

fn beside(path: &Path, companion: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(companion);
    PathBuf::from(name)
}
