//! Copies damaged bytes to `quarantine/` before anything can delete them.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::env::disk::{Disk, DiskFile};

use super::{chunk::Chunk, scan::Hole};

/// The folder beside the segments.
pub(super) const QUARANTINE_DIR: &str = "quarantine";

/// Copies the bytes of a hole to `quarantine/`, durably, unless they are there already.
///
/// Best effort on purpose: a full disk must not keep good entries from being read. It is logged,
/// and the positions are reported in any case.
pub(super) fn set_aside(disk: &dyn Disk, dir: &Path, file: &dyn DiskFile, name: &str, hole: &Hole) {
    tracing::error!(
        spool = %dir.display(), segment = name, offset = hole.offset, bytes = hole.bytes,
        first = hole.first.0, entries = hole.entries, items = hole.items,
        "entries are damaged: set aside, the rest goes on"
    );
    if hole.bytes == 0 {
        return;
    }
    if let Err(error) = copy(disk, dir, file, name, hole) {
        tracing::error!(spool = %dir.display(), %error, "cannot set damaged bytes aside");
    }
}

/// Moves a file to `quarantine/`, because it is not a segment or a second copy of one.
pub(super) fn move_aside(disk: &dyn Disk, dir: &Path, name: &str) -> io::Result<()> {
    let folder = dir.join(QUARANTINE_DIR);
    disk.create_dirs(&folder)?;
    disk.rename(&dir.join(name), &folder.join(name))?;
    disk.sync_dir(&folder)?;
    disk.sync_dir(dir)
}

fn copy(
    disk: &dyn Disk,
    dir: &Path,
    file: &dyn DiskFile,
    name: &str,
    hole: &Hole,
) -> io::Result<()> {
    let folder = dir.join(QUARANTINE_DIR);
    disk.create_dirs(&folder)?;
    let path: PathBuf = folder.join(format!("{name}-{}-{}", hole.offset, hole.bytes));
    let copy = match disk.create(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        created => created?,
    };
    let copied = copy_bytes(file, copy.as_ref(), hole);
    if copied.is_err() {
        // An incomplete copy must not look complete at the next start.
        disk.remove(&path)?;
    }
    copied?;
    disk.sync_dir(&folder)
}

fn copy_bytes(from: &dyn DiskFile, to: &dyn DiskFile, hole: &Hole) -> io::Result<()> {
    const STEP_BYTES: usize = 1 << 20;
    let mut chunk = Chunk::default();
    let mut done = 0;
    while done < hole.bytes {
        let limit = hole.offset + hole.bytes;
        let bytes = chunk.window(from, hole.offset + done, STEP_BYTES, limit)?;
        if bytes.is_empty() {
            break;
        }
        to.write_all_at(bytes, done)?;
        done += bytes.len() as u64;
    }
    to.sync_data()
}
