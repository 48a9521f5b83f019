//! Lists and shows letters, read without the lock.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::PathBuf,
    sync::Arc,
};

use super::arguments::{List, Wanted};
use crate::{
    cli::{
        failure::Failure,
        output::{Output, complain},
        present::visible,
    },
    config::{self, Sources},
    dead_letter::{self, Letters, ListError},
    env::{Clock as _, SystemClock, disk::RealDisk},
    model::{DeadLetter, LetterId, LetterMark},
    telemetry::Chain,
};

/// Bytes of a payload in a row of `show`.
const HEX_ROW: usize = 16;

/// There is no such letter; the operator can list them.
#[derive(Debug, thiserror::Error)]
#[error("there is no dead letter {id}; `fleetline dead-letter list` shows all")]
struct NoLetter {
    id: LetterId,
}

/// One letter in full.
pub(super) fn one(
    id: LetterId,
    json: bool,
    sources: &Sources,
    output: &mut Output,
) -> Result<(), Failure> {
    let dir = config::load_offline(sources)?.dead_letter_dir();
    let letter = dead_letter::find(Arc::new(RealDisk), &dir, id)
        .map_err(Failure::failed)?
        .ok_or_else(|| Failure::failed(NoLetter { id }))?;
    match json {
        true => output.line(dead_letter::to_json(id, &letter)),
        false => show(id, &letter, output),
    }
}

/// Matching letters, as JSON lines, to standard output or into a new file.
pub(super) fn export(
    wanted: Wanted,
    file: Option<PathBuf>,
    sources: &Sources,
    output: &mut Output,
) -> Result<(), Failure> {
    let Some(path) = file else {
        return list(List { wanted, limit: None, json: true }, sources, output);
    };
    let failed = |source| Failure::failed(ExportError { path: path.clone(), source });
    let file = File::create_new(&path).map_err(failed)?;
    let mut written = BufWriter::new(file);
    let mut count = 0;
    let is_whole = each(wanted, sources, &mut |id, letter| {
        count += 1;
        writeln!(written, "{}", dead_letter::to_json(id, letter)).map_err(failed)?;
        Ok(true)
    })?;
    let file = written.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    output.line(format_args!("{count} dead letters exported to {}", path.display()))?;
    if is_whole { Ok(()) } else { Err(Failure::Reported(1)) }
}

/// The file of an export cannot be written; the operator names another one.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`", path.display())]
struct ExportError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Matching letters, one a line.
pub(super) fn list(arguments: List, sources: &Sources, output: &mut Output) -> Result<(), Failure> {
    let List { wanted, limit, json } = arguments;
    let mut left = limit.unwrap_or(usize::MAX);
    let is_whole = each(wanted, sources, &mut |id, letter| {
        if left == 0 {
            return Ok(false);
        }
        left -= 1;
        match json {
            true => output.line(dead_letter::to_json(id, letter))?,
            false => output.line(row(id, letter))?,
        }
        Ok(true)
    })?;
    if is_whole { Ok(()) } else { Err(Failure::Reported(1)) }
}

/// Passes matching letters on until no more are wanted; returns whether all could be read.
fn each(
    wanted: Wanted,
    sources: &Sources,
    give: &mut dyn FnMut(LetterId, &DeadLetter) -> Result<bool, Failure>,
) -> Result<bool, Failure> {
    let letters = read(wanted, sources)?;
    let mut is_whole = true;
    for found in letters {
        match found {
            Ok((id, letter)) => {
                if !give(id, &letter)? {
                    break;
                }
            }
            // The letters after it are still read.
            Err(error @ ListError::Letter { .. }) => {
                is_whole = false;
                complain(Chain(&error));
            }
            Err(error) => return Err(Failure::failed(error)),
        }
    }
    Ok(is_whole)
}

/// Matching letters, read without the lock.
pub(super) fn read(wanted: Wanted, sources: &Sources) -> Result<Letters, Failure> {
    let filter = wanted.filter(SystemClock::start().wall())?;
    let dir = config::load_offline(sources)?.dead_letter_dir();
    dead_letter::list(Arc::new(RealDisk), &dir, filter, LetterMark::default())
        .map_err(Failure::failed)
}

/// Id, time, cause, vehicle, mapping, topic, detail, and the store's message; control characters
/// are made visible.
fn row(id: LetterId, letter: &DeadLetter) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let DeadLetter { time, vehicle, topic, mapping, cause, detail, answer, .. } = letter;
    let (vehicle, mapping, topic) = (text(vehicle), text(mapping), text(topic));
    let answer = answer.as_ref().map(|answer| format!(": {answer}")).unwrap_or_default();
    visible(&format!("{id}  {time}  {cause}  {vehicle}  {mapping}  {topic}  {detail}{answer}"))
}

fn show(id: LetterId, letter: &DeadLetter, output: &mut Output) -> Result<(), Failure> {
    let mut field = |name: &str, value: Option<&str>| match value {
        Some(value) => output.line(format_args!("{name:<13}{}", visible(value))),
        None => Ok(()),
    };
    field("id", Some(&id.to_string()))?;
    field("time", Some(&letter.time.to_string()))?;
    field("vehicle", letter.vehicle.as_deref())?;
    field("topic", letter.topic.as_deref())?;
    field("content-type", letter.content_type.as_deref())?;
    field("mapping", letter.mapping.as_deref())?;
    field("cause", Some(letter.cause.as_str()))?;
    field("means", Some(letter.cause.explain()))?;
    field("detail", Some(&letter.detail))?;
    let line = letter.line.as_deref().map(String::from_utf8_lossy);
    field("line", line.as_deref())?;
    field("answer", letter.answer.as_deref())?;
    let Some(payload) = &letter.payload else { return Ok(()) };
    field("payload", Some(&format!("{} bytes", payload.len())))?;
    for (row, bytes) in payload.chunks(HEX_ROW).enumerate() {
        let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let text: String = bytes
            .iter()
            .map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' })
            .collect();
        let (offset, hex) = (row * HEX_ROW, hex.join(" "));
        output.line(format_args!("  {offset:08x}  {hex:<47}  {text}"))?;
    }
    Ok(())
}
