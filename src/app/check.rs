//! Checks a data directory without its lock: what would prevent an appliance from starting.

use std::path::Path;

use super::layout::{DataDirError, shards_of};
use crate::{
    config::{Offline, shard_dir},
    dead_letter,
    env::disk::{Disk, RealDisk},
    model::{LetterFilter, LetterMark, ShardId},
    spool::{self, SurveyError},
    telemetry::Chain,
};

/// The problems of the data directory, one line each: another number of shards, an unknown format
/// version, or not readable. A missing directory is not a problem.
#[must_use]
pub fn check_data_dir(offline: &Offline) -> Vec<String> {
    let mut wrong = Vec::new();
    let path = &offline.data_dir;
    match shards_of(&RealDisk, path) {
        Ok(None) => return wrong,
        Ok(Some(found)) if found == offline.shards.0.get().to_string() => {}
        Ok(Some(found)) => wrong.push(
            DataDirError::Shards { path: path.clone(), found, asked: offline.shards.0.get() }
                .to_string(),
        ),
        Err(error) => wrong.push(Chain(&error).to_string()),
    }
    for shard in offline.shards.ids() {
        wrong.extend(spool_of(&RealDisk, &offline.spool_dir(), shard));
    }
    let letters = dead_letter::list(
        std::sync::Arc::new(RealDisk),
        &offline.dead_letter_dir(),
        LetterFilter::default(),
        LetterMark::default(),
    );
    if let Err(error) = letters {
        wrong.push(Chain(&error).to_string());
    }
    wrong
}

fn spool_of(disk: &dyn Disk, spools: &Path, shard: ShardId) -> Option<String> {
    match spool::status(disk, &shard_dir(spools, shard)) {
        Ok(_) => None,
        // A shard without files yet, or a file that was released meanwhile.
        Err(SurveyError::Disk { fault }) if fault.source.kind() == std::io::ErrorKind::NotFound => {
            None
        }
        Err(error) => Some(format!("shard {}: {}", shard.0, Chain(&error))),
    }
}
