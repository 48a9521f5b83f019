//! The temporary folder: schemas, data and log, and nothing of it left behind.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::error::DemoError;
use crate::{
    config::Sources,
    env::disk::{Disk, RealDisk},
    schema::SHIPPED,
    simulator::read_text,
};

const PREFIX: &str = "fleetline-demo-";
/// Lines of the log that are shown at the end.
const LOG_LINES_MAX: usize = 20;
/// An appliance that is stopped at once may still be making files while they are removed.
const REMOVE_TRIES: usize = 5;

/// A folder of its own, gone when this is.
#[derive(Debug)]
pub(super) struct Folder(TempDir);

impl Folder {
    /// Makes it and writes the shipped schemas, for the appliance to load as it always does.
    pub(super) fn make() -> Result<Self, DemoError> {
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir();
        let folder = Self(made.map_err(DemoError::Folder)?);
        let schemas = folder.schemas();
        let failed = |path: &Path| {
            let path = path.to_owned();
            |source| DemoError::Write { path, source }
        };
        RealDisk.create_dirs(&schemas).map_err(failed(&schemas))?;
        for (name, text) in SHIPPED {
            let path = schemas.join(name);
            let written =
                RealDisk.create(&path).and_then(|file| file.write_all_at(text.as_bytes(), 0));
            written.map_err(failed(&path))?;
        }
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Where the log goes.
    pub(super) fn log(&self) -> PathBuf {
        self.path().join("demo.log")
    }

    fn schemas(&self) -> PathBuf {
        self.path().join("schemas")
    }

    /// The demo's own configuration below what was set on the command line.
    pub(super) fn sources(&self, sources: &Sources) -> Sources {
        let own = [
            format!("data-dir={}", self.path().join("data").display()),
            format!("schemas.dir={}", self.schemas().display()),
            "store.kind=embedded".to_owned(),
            "mqtt.listen=[\"127.0.0.1:0\"]".to_owned(),
            "http.listen=127.0.0.1:0".to_owned(),
            // Enough for a demo, and it takes little of a small /tmp.
            "spool.segment-size=4MiB".to_owned(),
            "telemetry.log=warn".to_owned(),
        ];
        Sources { file: None, set: own.into_iter().chain(sources.set.iter().cloned()).collect() }
    }

    /// The last lines of the log, if there are any.
    pub(super) fn log_tail(&self) -> Vec<String> {
        let text = read_text(&RealDisk, &self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(LOG_LINES_MAX)..];
        last.iter().map(|line| (*line).to_owned()).collect()
    }

    /// Removes it with all that is in it.
    pub(super) fn remove(self) -> std::io::Result<()> {
        let path = self.path().to_owned();
        let mut removed = self.0.close();
        for _ in 1..REMOVE_TRIES {
            if removed.is_ok() || !path.try_exists()? {
                return Ok(());
            }
            removed = std::fs::remove_dir_all(&path);
        }
        removed
    }
}
