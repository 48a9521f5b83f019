//! The files on disk: names, listing, sizes and removal.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    env::disk::{Access, Disk as _, RealDisk},
    model::UnixNanos,
    store::{embedded::period::Period, options::Partition},
};

/// The suffix of file names.
const SUFFIX: &str = ".sqlite";
/// The separator between the name of a file that was set aside and the time at which that happened.
const ASIDE: &str = ".damaged-";
/// The suffixes of SQLite's own files beside an open file.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// The maximum bytes of a folder's name on common file systems.
const FOLDER_BYTES_MAX: usize = 255;

/// A file of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) measurement: String,
    pub(super) period: Period,
    pub(super) path: PathBuf,
}

/// The path of the file of a measurement and period; `None` if the name is too long for a folder.
pub(super) fn path(dir: &Path, measurement: &str, period: &Period) -> Option<PathBuf> {
    let folder = folder_name(measurement)?;
    Some(dir.join(folder).join(format!("{}{SUFFIX}", period.label)))
}

/// Every file of the store, by measurement and period.
pub(super) fn list(dir: &Path, partition: Partition) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for folder in folders(dir)? {
        let Some(measurement) = measurement_of(&folder) else { continue };
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

/// Bytes of a file and of SQLite's files beside it.
pub(super) fn bytes(path: &Path) -> u64 {
    let len =
        |path: &Path| RealDisk.open(path, Access::Read).and_then(|file| file.len()).unwrap_or(0);
    COMPANIONS.iter().map(|companion| len(&beside(path, companion))).sum::<u64>() + len(path)
}

/// Whether a log file exists, so that the file was open at a crash.
pub(super) fn was_open(path: &Path) -> bool {
    let log = RealDisk.open(&beside(path, COMPANIONS[0]), Access::Read);
    log.and_then(|file| file.len()).is_ok_and(|len| len > 0)
}

/// Whether the file exists; one that cannot be examined counts as existing.
pub(super) fn is_there(path: &Path) -> bool {
    let opened = RealDisk.open(path, Access::Read);
    !opened.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Renames a damaged file and SQLite's files beside it, so that it does not belong to the store any
/// more; durable on return. Nothing of it is lost: SQLite's tools can read the renamed file as far
/// as possible.
pub(super) fn set_aside(path: &Path, now: UnixNanos) -> io::Result<PathBuf> {
    let mut aside = beside(path, &format!("{ASIDE}{}", now.0 / 1_000_000_000));
    while is_there(&aside) {
        aside = beside(&aside, "-again");
    }
    // The log first: if it remained alone, it would be used as the log of a new file.
    for companion in COMPANIONS {
        match RealDisk.rename(&beside(path, companion), &beside(&aside, companion)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    RealDisk.rename(path, &aside)?;
    RealDisk.sync_dir(path.parent().unwrap_or(Path::new(".")))?;
    Ok(aside)
}

/// Files that were set aside and still exist.
pub(super) fn aside(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in folders(dir)? {
        let folder = dir.join(folder);
        let files = RealDisk.files(&folder)?.into_iter();
        let is_aside = |file: &String| {
            file.contains(ASIDE) && !COMPANIONS.iter().any(|companion| file.ends_with(companion))
        };
        found.extend(files.filter(is_aside).map(|file| folder.join(file)));
    }
    Ok(found)
}

/// Removes a file and SQLite's files beside it; durable on return.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    // The log first, so that it does not remain without its file.
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

/// The folder of a measurement: lower-case letters, digits, `_` and `-` stay, everything else
/// becomes `%` and two hex digits, so that names differ on file systems that ignore case. `None` if
/// the name is too long.
fn folder_name(measurement: &str) -> Option<String> {
    let mut folder = String::with_capacity(measurement.len());
    for byte in measurement.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => folder.push(char::from(byte)),
            _ => folder.push_str(&format!("%{byte:02X}")),
        }
    }
    (1..=FOLDER_BYTES_MAX).contains(&folder.len()).then_some(folder)
}

/// The measurement of a folder; `None` if the folder does not belong to the store.
fn measurement_of(folder: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(folder.len());
    let mut rest = folder.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        match first {
            b'%' => {
                let digits = str::from_utf8(after.get(..2)?).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    // Only names that `folder_name` writes are accepted: not `%61`, and no capital letters.
    (folder_name(&name)? == folder).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measurement_has_a_folder_of_its_own_and_is_read_back_from_it() {
        let names = ["telemetry", "Telemetry", "a/b", "..", "m.%", "öl", " ", "CON", "a\0b"];
        for name in names {
            let folder = folder_name(name).expect("short enough");
            assert!(folder.bytes().all(|b| b.is_ascii_alphanumeric() || b"%_-".contains(&b)));
            assert_eq!(measurement_of(&folder).as_deref(), Some(name));
        }
        assert_eq!(folder_name("Telemetry").as_deref(), Some("%54elemetry"));
        for foreign in ["Telemetry", "%61", "%zz", "%5", "lost+found"] {
            assert_eq!(measurement_of(foreign), None, "{foreign}");
        }
        assert_eq!(folder_name(""), None);
        assert_eq!(folder_name(&"ä".repeat(60)), None);
        assert!(folder_name(&"a".repeat(255)).is_some());
    }
}
