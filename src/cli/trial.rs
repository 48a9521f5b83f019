//! Tests a payload against the mappings: the report of `check --payload`, and the notes of `decode`
//! beside its lines.

use std::{num::NonZeroU16, path::Path};

use crate::{
    cli::failure::Failure,
    mapping::{Plans, TopicMatch},
    model::ShardCount,
    spool::EntryBuffer,
    uplink::{Limits, Message, TopicMemo, Transcoder, diagnose},
};

/// The result for a payload.
#[derive(Debug)]
pub(in crate::cli) struct Trial {
    /// How many points it produced.
    pub(in crate::cli) points: u32,
    /// How many merged into others of the same series and time.
    pub(in crate::cli) merged: u32,
    /// Why the payload, or one of its mappings, failed.
    pub(in crate::cli) problems: Vec<String>,
    /// Notes about what is most likely not intended.
    pub(in crate::cli) notes: Vec<String>,
}

/// Tries one payload.
pub(in crate::cli) fn run(plans: &Plans, limits: &Limits, message: &Message<'_>) -> Trial {
    let mut transcoder = Transcoder::new(limits.clone(), ShardCount(NonZeroU16::MIN));
    let mut lines = [EntryBuffer::new()];
    let done = transcoder.transcode(plans, message, &mut TopicMemo::<()>::default(), &mut lines);
    let mut problems: Vec<String> = transcoder
        .failures()
        .iter()
        .map(|failure| {
            format!("mapping {}: {}: {}", failure.mapping, failure.cause, failure.detail)
        })
        .collect();
    if !done.mapped {
        problems.push(format!("no mapping takes the topic `{}`", message.topic));
    }
    let mut notes = notes(plans, message);
    if done.points == 0 && problems.is_empty() {
        notes.push(format!(
            "no point: {} filtered, {} without any field",
            done.points_filtered, done.points_empty
        ));
    }
    if done.points_merged > 0 {
        notes.push(format!(
            "{} points merged into others of the same series and time",
            done.points_merged
        ));
    }
    Trial { points: done.points, merged: done.points_merged, problems, notes }
}

/// What looks wrong with a payload even if it is accepted.
pub(in crate::cli) fn notes(plans: &Plans, message: &Message<'_>) -> Vec<String> {
    let mut matched = TopicMatch::default();
    plans.find(message.topic, &mut matched);
    let plans = matched.plans().iter().map(|at| &plans.plans()[*at]);
    let noted = plans.filter_map(|plan| {
        let words = diagnose::length_prefix(plan, message.payload)?;
        Some(format!("mapping {}: {}", plan.name, words.text))
    });
    noted.collect()
}

/// The bytes of a payload file.
///
/// # Errors
/// It cannot be read.
#[expect(
    clippy::disallowed_methods,
    reason = "a payload file is the user's own, read once, and nothing of it must survive a crash"
)]
pub(in crate::cli) fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let shown = || file.display().to_string();
    std::fs::read(file).map_err(|source| Failure::failed(PayloadError { file: shown(), source }))
}

/// A payload file cannot be read; the user checks its path.
#[derive(Debug, thiserror::Error)]
#[error("reading the payload `{file}`")]
struct PayloadError {
    file: String,
    #[source]
    source: std::io::Error,
}
