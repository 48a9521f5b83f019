//! A small disk that can be filled.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::skip;

/// A file system of 64 MB in memory; unmounted on drop.
#[derive(Debug)]
pub(crate) struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// Mounts one; `None` if that is not allowed, and the calling test is counted as skipped.
    pub(crate) fn mount(test: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"])
            .arg(folder.path())
            .output();
        match done {
            Ok(output) if output.status.success() => Some(Self(folder)),
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr);
                skip(test, &format!("a tmpfs cannot be mounted here: {}", why.trim()));
                None
            }
            Err(error) => {
                skip(test, &format!("there is no mount: {error}"));
                None
            }
        }
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fills the disk except this many bytes, until the returned file is removed.
    pub(crate) fn fill_but(&self, left: u64) -> PathBuf {
        let stat = rustix::fs::statvfs(self.path()).unwrap();
        let ballast = self.path().join("ballast");
        let free = stat.f_bavail * stat.f_frsize;
        let file = fs::File::create(&ballast).unwrap();
        let flags = rustix::fs::FallocateFlags::empty();
        rustix::fs::fallocate(&file, flags, 0, free - left).unwrap();
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the appliance may still be ending.
        drop(Command::new("umount").arg("-l").arg(self.path()).status());
    }
}
