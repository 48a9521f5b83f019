//! A thinly provisioned disk: writes are accepted, and their sync finds no room.
//!
//! It has a journal. Without one the entry before the failed one may be lost with it, although its
//! own sync succeeded: they share a block, and the file system loses the whole block.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::fs::statvfs;

use super::{Dice, skip};

/// A file system of 256 MB in a file, on another one in memory that has 48 MB.
#[derive(Debug)]
pub(crate) struct ThinDisk {
    folder: tempfile::TempDir,
}

impl ThinDisk {
    /// Creates and mounts both; `None` if that is not allowed, and the calling test is counted as
    /// skipped.
    pub(crate) fn mount(test: &str) -> Option<Self> {
        let this = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(this.path()).unwrap();
        fs::create_dir_all(this.below()).unwrap();
        match this.make() {
            Ok(()) => Some(this),
            Err(why) => {
                skip(test, &format!("a file system in a file cannot be mounted here: {why}"));
                None
            }
        }
    }

    fn make(&self) -> Result<(), String> {
        let (below, image) = (self.below(), self.image());
        call("mount", &["-t", "tmpfs", "-o", "size=48m", "tmpfs"], &[&below])?;
        let file = fs::File::create(&image).map_err(|error| error.to_string())?;
        file.set_len(256 << 20).map_err(|error| error.to_string())?;
        call("mkfs.ext4", &["-q", "-b", "4096", "-E", "nodiscard"], &[&image])?;
        call("mount", &["-o", "loop"], &[&image, &self.path()])
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    fn below(&self) -> PathBuf {
        self.folder.path().join("below")
    }

    fn image(&self) -> PathBuf {
        self.below().join("image")
    }

    /// Bytes that it reports as free.
    pub(crate) fn promised_bytes(&self) -> u64 {
        free(&self.path())
    }

    /// Fills the real disk except this many bytes.
    pub(crate) fn leave(&self, bytes: u64) {
        let mut ballast = fs::File::create(self.path().join("ballast")).unwrap();
        let mut dice = Dice::new();
        while free(&self.below()) > bytes {
            // Not zeros, because these might need no room.
            let chunk: Vec<u8> =
                (0..64 << 10).map(|_| u8::try_from(dice.below(255) + 1).unwrap()).collect();
            ballast.write_all(&chunk).unwrap();
            ballast.sync_data().unwrap();
        }
    }

    /// Enlarges the real disk, so that there is room for everything; it must not be in use
    /// meanwhile.
    pub(crate) fn grow(&self) {
        call("umount", &[], &[&self.path()]).unwrap();
        call("mount", &["-o", "remount,size=400m"], &[&self.below()]).unwrap();
        // 1: it has repaired the effects of the failed writes.
        drop(Command::new("e2fsck").arg("-fy").arg(self.image()).output());
        call("mount", &["-o", "loop"], &[&self.image(), &self.path()]).unwrap();
    }
}

impl Drop for ThinDisk {
    fn drop(&mut self) {
        // Lazily: the appliance may still be ending.
        for path in [self.path(), self.below()] {
            drop(Command::new("umount").arg("-l").arg(path).output());
        }
    }
}

fn free(path: &Path) -> u64 {
    let stat = statvfs(path).unwrap();
    stat.f_bavail * stat.f_frsize
}

/// Calls a program; returns its output if it fails.
fn call(program: &str, arguments: &[&str], paths: &[&Path]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).args(paths).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}
