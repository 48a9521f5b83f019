//! The command: reads samples, makes the two files, tests them, writes them.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use serde::de::DeserializeSeed as _;
use serde_json::{json, value::RawValue};

use super::{
    guess,
    learned::{Learn, Node},
    write::{self, Draft, Wish},
};
use crate::{
    cli::{
        failure::Failure,
        output::{Output, complain},
        trial,
    },
    config::{self, Offline, Sources as Configuration},
    env::{Clock as _, SystemClock},
    mapping::Plans,
    model::{LineDialect, UnixNanos},
    schema::Sources,
    uplink::{Message, Sender, diagnose},
};

/// Writes a first JSON Schema and mapping from sample payloads
///
/// Each file holds one JSON object or list of objects, or several, one after the other. Doubts that
/// the samples leave open are printed and written into the mapping as comments. No file is
/// overwritten, and only a tested result is written: it is loaded, and every sample is decoded with
/// it. Protobuf and Avro need their own schema, which a payload does not contain; line protocol
/// needs none.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:
  fleetline infer sample.json --topic vehicles/VIN1/state --name state
  fleetline decode --topic vehicles/VIN1/state sample.json")]
pub(in crate::cli) struct Arguments {
    /// The topic of the samples, or a pattern with {vin} in it; default: vehicles/{vin}/NAME
    #[arg(long)]
    topic: Option<String>,
    /// The mapping's name, and that of its files and measurement; default: the first file's
    #[arg(long)]
    name: Option<String>,
    /// Where to write; default: `schemas.dir`
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// One JSON object: both texts and the doubts; nothing is written
    #[arg(long)]
    json: bool,
    /// Sample payloads
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// The maximum bytes of one file.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The maximum number of samples over all files.
const SAMPLES_MAX: usize = 100_000;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
enum InferError {
    /// A file cannot be read, or written.
    #[error("{what} `{file}`")]
    File {
        what: &'static str,
        file: String,
        #[source]
        source: io::Error,
    },
    /// A sample cannot be used.
    #[error("`{file}`: {what}")]
    Sample { file: String, what: String },
    /// The samples do not contain enough.
    #[error("{0}")]
    Open(String),
}

/// The content of all files.
#[derive(Debug, Default)]
struct Samples {
    payloads: Vec<Vec<u8>>,
    root: Node,
    names: usize,
}

/// Writes NAME.schema.json and NAME.toml.
pub(in crate::cli) fn run(
    arguments: &Arguments,
    configuration: &Configuration,
    output: &mut Output,
) -> Result<(), Failure> {
    let offline = config::load_offline(configuration)?;
    let mut samples = Samples::default();
    for file in &arguments.files {
        samples.read(file).map_err(Failure::failed)?;
    }
    let name =
        arguments.name.as_deref().map_or_else(|| name_of(&arguments.files[0]), str::to_owned);
    if name.is_empty() || !name.chars().all(|one| one.is_ascii_alphanumeric() || "-_".contains(one))
    {
        return Err(Failure::Usage("--name takes letters, digits, `-` and `_`".to_owned()));
    }
    let topic = arguments.topic.as_deref();
    let store = offline.mapping.store_names;
    let has_unsigned = offline.mapping.dialect == LineDialect::Unsigned;
    let wish = Wish { name: &name, topic, with_time: true, element_tag: None, store, has_unsigned };
    let draft = passing(&samples, &wish, &offline).map_err(Failure::failed)?;
    if arguments.json {
        return output.json(&json!({
            "name": name, "topic": draft.topic, "schema": draft.schema,
            "mapping": draft.mapping, "doubts": draft.doubts,
        }));
    }
    let dir = arguments.dir.as_ref().unwrap_or(&offline.mapping.dir);
    // The mapping before the schema: its file is more likely to exist already.
    for (ending, text) in [("toml", &draft.mapping), ("schema.json", &draft.schema)] {
        let file = dir.join(format!("{name}.{ending}"));
        write_new(dir, &file, text).map_err(Failure::failed)?;
        output.line(format_args!("{}", file.display()))?;
    }
    draft.doubts.iter().for_each(|doubt| complain(format_args!("doubt: {doubt}")));
    Ok(())
}

/// The draft that loads and decodes every sample: with the guessed time, else without.
fn passing(samples: &Samples, wish: &Wish<'_>, offline: &Offline) -> Result<Draft, InferError> {
    let mut why = String::new();
    for with_time in [true, false] {
        let made = write::draft(&samples.root, &Wish { with_time, ..*wish });
        let mut draft = made.map_err(|what| InferError::Open(what.to_owned()))?;
        match try_out(&draft, samples, wish, offline) {
            Ok(merged) => {
                if merged > 0 {
                    draft =
                        told_apart(draft, merged, samples, &Wish { with_time, ..*wish }, offline);
                }
                if !why.is_empty() {
                    draft.doubts.push(format!("the time was left out: {why}"));
                }
                return Ok(draft);
            }
            Err(problem) if draft.time.is_some() => why = problem,
            Err(problem) => {
                return Err(InferError::Open(format!(
                    "the samples ask for what cannot be: {problem}"
                )));
            }
        }
    }
    Err(InferError::Open(why))
}

/// The draft with a tag of the element that keeps all points distinct, if there is one.
fn told_apart(
    mut draft: Draft,
    merged: u64,
    samples: &Samples,
    wish: &Wish<'_>,
    offline: &Offline,
) -> Draft {
    /// Each candidate is tried on all samples.
    const TRIED_MAX: usize = 8;
    let points = guess::points(&samples.root);
    let tags = points.iter().flat_map(|(path, item)| guess::element_tags(item, path));
    for tag in tags.take(TRIED_MAX) {
        let wish = Wish { element_tag: Some(&tag), ..*wish };
        let Ok(tagged) = write::draft(&samples.root, &wish) else { continue };
        if try_out(&tagged, samples, &wish, offline) == Ok(0) {
            return tagged;
        }
    }
    draft.doubts.push(format!(
        "{merged} points of the samples have the series and time of another, and a store keeps one \
         of those: name a tag of the element, or say `duplicates`"
    ));
    draft
}

/// Loads a draft and decodes every sample; returns how many points merged into others.
fn try_out(
    draft: &Draft,
    samples: &Samples,
    wish: &Wish<'_>,
    offline: &Offline,
) -> Result<u64, String> {
    let name = wish.name;
    let sources = Sources::from_texts([
        (format!("{name}.schema.json"), draft.schema.clone()),
        (format!("{name}.toml"), draft.mapping.clone()),
    ]);
    let plans =
        Plans::from_sources(&sources, &offline.mapping).map_err(|errors| errors.to_string())?;
    let topic = match wish.topic.filter(|topic| !topic.contains(['{', '+', '#'])) {
        Some(topic) => topic.to_owned(),
        None => draft.topic.split('/').map(example).collect::<Vec<_>>().join("/"),
    };
    let received_at = received_at(draft, &samples.root);
    let mut merged = 0;
    for (index, payload) in samples.payloads.iter().enumerate() {
        let message = Message {
            topic: &topic,
            payload,
            content_type: None,
            sender: Sender::Unchecked,
            received_at,
        };
        let trial = trial::run(&plans, &offline.limits, &message);
        if let Some(problem) = trial.problems.first() {
            return Err(format!("sample {}: {problem}", index + 1));
        }
        merged += u64::from(trial.merged);
    }
    Ok(merged)
}

/// A topic level that matches a level of the pattern.
fn example(level: &str) -> &str {
    if matches!(level, "+" | "#") || level.starts_with('{') { "VIN1" } else { level }
}

/// As if the samples were received at the time of the last one: old samples are not an error of the
/// mapping.
fn received_at(draft: &Draft, root: &Node) -> UnixNanos {
    let latest = draft.time.as_ref().and_then(|time| {
        let of_element = guess::points(root).and_then(|(path, item)| match path.is_empty() {
            true => guess::at(item, &time.path),
            false => guess::at(item, time.path.strip_prefix(&path)?.strip_prefix('.')?),
        });
        let node = of_element.or_else(|| guess::at(root, &time.path))?;
        let scale = match time.unit {
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "us" => 1_000,
            "ns" => 1,
            _ => return node.latest.map(jiff::Timestamp::as_nanosecond),
        };
        Some(node.most * scale)
    });
    match latest.and_then(|nanos| i64::try_from(nanos).ok()) {
        Some(nanos) => UnixNanos(nanos),
        None => SystemClock::start().wall(),
    }
}

impl Samples {
    /// Reads the objects of one file.
    fn read(&mut self, file: &Path) -> Result<(), InferError> {
        let shown = file.display().to_string();
        let bad = |what: String| InferError::Sample { file: shown.clone(), what };
        let bytes = bytes_of(file).map_err(|source| InferError::File {
            what: "reading the sample",
            file: shown.clone(),
            source,
        })?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(bad(format!("it has more than {FILE_BYTES_MAX} bytes")));
        }
        if bytes.starts_with(b"\xef\xbb\xbf") {
            return Err(bad("it begins with a byte order mark; a payload may not".to_owned()));
        }
        let before = self.payloads.len();
        for one in serde_json::Deserializer::from_slice(&bytes).into_iter::<&RawValue>() {
            let one = one.map_err(|error| bad(not_json(&bytes, &error)))?;
            if !one.get().starts_with(['{', '[']) {
                let what = "a sample is no object and no list of objects; a payload is one of them";
                return Err(bad(what.to_owned()));
            }
            if self.payloads.len() >= SAMPLES_MAX {
                return Err(bad(format!("there are more than {SAMPLES_MAX} samples")));
            }
            let learn = Learn { node: &mut self.root, names: &mut self.names, depth: 0 };
            let mut parser = serde_json::Deserializer::from_str(one.get());
            learn.deserialize(&mut parser).map_err(|error| bad(error.to_string()))?;
            self.payloads.push(one.get().as_bytes().to_vec());
        }
        match self.payloads.len() > before {
            true => Ok(()),
            false => Err(bad("it is empty".to_owned())),
        }
    }
}

/// The error message for a file that is not JSON.
fn not_json(bytes: &[u8], error: &serde_json::Error) -> String {
    let looks =
        diagnose::unknown_file(bytes).map(|words| format!("; {}", words.text)).unwrap_or_default();
    format!(
        "it is not JSON ({error}){looks}. infer reads JSON samples; for protobuf and Avro the schema \
         is needed, which a payload does not carry"
    )
}

/// A name derived from a file's.
fn name_of(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let stem = stem.strip_suffix(".sample").unwrap_or(&stem);
    stem.chars()
        .map(|one| if one.is_ascii_alphanumeric() || one == '_' { one } else { '-' })
        .collect::<String>()
        .trim_matches('-')
        .to_ascii_lowercase()
}

#[expect(clippy::disallowed_methods, reason = "a sample is the user's own, read once")]
fn bytes_of(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(file)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes a file that must not exist yet.
#[expect(clippy::disallowed_methods, reason = "the user reads and mends it before it counts")]
fn write_new(dir: &Path, file: &Path, text: &str) -> Result<(), InferError> {
    let told = |source| {
        let file = file.display().to_string();
        InferError::File { what: "writing the new file", file, source }
    };
    fs::create_dir_all(dir).map_err(told)?;
    let mut options = fs::OpenOptions::new();
    let mut new = options.write(true).create_new(true).open(file).map_err(told)?;
    new.write_all(text.as_bytes()).map_err(told)
}
