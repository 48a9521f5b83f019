//! A file with one user or token a line: read, replaced as a whole, and reloaded by the running
//! appliance.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown},
    path::{Path, PathBuf},
};

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use crate::{
    cli::{failure::Failure, output::complain},
    config::{self, Sources},
    env::disk::{Disk as _, RealDisk},
};

/// The file cannot be read or written: the path or its permissions are wrong.
#[derive(Debug, thiserror::Error)]
#[error("the file `{}`", file.display())]
struct RecordsError {
    file: PathBuf,
    #[source]
    source: io::Error,
}

/// The lines of one file.
#[derive(Debug)]
pub(super) struct Records {
    file: PathBuf,
    pub(super) lines: Vec<String>,
}

impl Records {
    /// Reads a file; a missing one is empty.
    #[expect(clippy::disallowed_methods, reason = "the operator's file, changed by his command")]
    pub(super) fn read(file: &Path) -> Result<Self, Failure> {
        let failed = |source| failed(file, source);
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed(error)),
        };
        // A symbolic link is kept; its target is replaced.
        let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        Ok(Self { file, lines: text.lines().map(str::to_owned).collect() })
    }

    /// Whether a line is a record, not a comment.
    pub(super) fn is_record(line: &str) -> bool {
        !line.trim().is_empty() && !line.starts_with('#')
    }

    /// Replaces the file atomically: an appliance that reads it meanwhile finds the old or the new
    /// one; owner and permissions stay. A running appliance reloads its files.
    #[expect(clippy::disallowed_methods, reason = "the operator's file, changed by his command")]
    pub(super) fn write(&self, sources: &Sources) -> Result<(), Failure> {
        let mut beside = self.file.as_os_str().to_owned();
        beside.push(format!(".{}", std::process::id()));
        let beside = PathBuf::from(beside);
        let write = || {
            let mut options = OpenOptions::new();
            let mut new = options.write(true).create_new(true).mode(0o600).open(&beside)?;
            if let Ok(old) = fs::metadata(&self.file) {
                let made = new.metadata()?;
                if (old.uid(), old.gid()) != (made.uid(), made.gid()) {
                    // Otherwise the appliance may not be allowed to read it.
                    fchown(&new, Some(old.uid()), Some(old.gid()))?;
                }
                new.set_permissions(old.permissions())?;
            }
            for line in &self.lines {
                writeln!(new, "{line}")?;
            }
            new.sync_all()?;
            fs::rename(&beside, &self.file)
        };
        if let Err(error) = write() {
            // The incomplete file is useless.
            drop(fs::remove_file(&beside));
            return Err(failed(&self.file, error));
        }
        tell_appliance(sources);
        Ok(())
    }
}

fn failed(file: &Path, source: io::Error) -> Failure {
    Failure::failed(RecordsError { file: file.to_owned(), source })
}

/// The part of a lock file that is needed here.
#[derive(Deserialize)]
struct Announcement {
    pid: i32,
}

/// Makes a running appliance on the data directory reload its files. If it cannot be reached, that
/// is reported, because it keeps the old records.
fn tell_appliance(sources: &Sources) {
    // A wrong configuration is reported by other commands: no appliance runs with it.
    let Ok(offline) = config::load_offline(sources) else { return };
    let lock = offline.data_dir.join("lock");
    if let Err(why) = signal(&lock) {
        complain(format_args!(
            "warning: the appliance that runs on {} reads its files anew only when it gets SIGHUP: \
             {why}",
            offline.data_dir.display()
        ));
    }
}

#[expect(clippy::disallowed_methods, reason = "files of a running process, not ours to keep")]
fn signal(lock: &Path) -> Result<(), String> {
    let Ok(text) = fs::read_to_string(lock) else { return Ok(()) };
    match RealDisk.lock(lock) {
        // No appliance runs.
        Ok(Some(_)) => return Ok(()),
        Ok(None) => {}
        Err(error) => return Err(error.to_string()),
    }
    let starting = || "it is starting".to_owned();
    let Announcement { pid } = serde_json::from_str(&text).map_err(|_| starting())?;
    let other = || format!("the process {pid} that its lock file names is not seen from here");
    let name_of = |pid: &str| fs::read_to_string(format!("/proc/{pid}/comm")).ok();
    // In its own container it has another process id than here.
    if name_of(&pid.to_string()).is_none_or(|name| Some(name) != name_of("self")) {
        return Err(other());
    }
    let pid = Pid::from_raw(pid).ok_or_else(other)?;
    kill_process(pid, Signal::HUP).map_err(|error| error.to_string())
}
