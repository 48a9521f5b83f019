//! Any schemas and mappings, and one transcoder.

use std::{num::NonZeroU16, path::PathBuf};

use crate::{
    mapping::{Options, Plans},
    model::{Cause, LineDialect, ShardCount},
    schema::Sources,
    spool::EntryBuffer,
    uplink::{
        Limits, Message, Sender, TopicMemo, Transcoded, Transcoder,
        tests::harness::{RECEIVED_AT, TOPIC, without_receipt},
    },
};

/// A loaded set with what runs it.
pub(super) struct Set {
    pub(super) plans: Plans,
    transcoder: Transcoder,
    lines: Vec<EntryBuffer>,
    is_hidden: bool,
}

/// A mapping of `vehicles/{vin}/m` to measurement `m`; `rest` follows. If `rest` has no `tags`, the
/// vehicle's tag is still written, and [`Set::lines`] removes it.
pub(super) fn mapping(format: &str, rest: &str) -> String {
    let tags = if rest.contains("tags = [") { "" } else { HIDDEN_TAG };
    format!(
        "[[mapping]]\nname = \"m\"\ntopic = \"vehicles/{{vin}}/m\"\nformat = \"{format}\"\n\
         vehicle = \"{{vin}}\"\n{tags}{rest}\n"
    )
}

/// The vehicle's tag in tests that are not about it.
pub(super) const HIDDEN_TAG: &str = "tags = [\"vin\"] # hidden\n";

/// Lines without the vehicle's tag, if the mapping was made with [`HIDDEN_TAG`].
pub(super) fn without_hidden(lines: String, is_hidden: bool) -> String {
    if is_hidden { lines.replace(",vin=V1", "") } else { lines }
}

impl Set {
    /// Loads these files.
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        Self::with(files, LineDialect::Unsigned, Limits::default())
    }

    /// The same with a dialect and limits.
    pub(super) fn with(files: &[(&str, &str)], dialect: LineDialect, limits: Limits) -> Self {
        let texts = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        let options = Options::new(PathBuf::new(), dialect);
        let plans = match Plans::from_sources(&Sources::from_texts(texts), &options) {
            Ok(plans) => plans,
            Err(errors) => panic!("{errors}"),
        };
        let shards = ShardCount(NonZeroU16::MIN);
        let lines = shards.ids().map(|_| EntryBuffer::new()).collect();
        let is_hidden = files.iter().any(|(_, text)| text.contains(HIDDEN_TAG));
        Self { plans, transcoder: Transcoder::new(limits, shards), lines, is_hidden }
    }

    /// Transcodes one payload; returns its result and its lines.
    pub(super) fn run(&mut self, topic: &str, payload: &[u8]) -> (Transcoded, String) {
        self.lines.iter_mut().for_each(EntryBuffer::clear);
        let message = Message {
            topic,
            payload,
            content_type: None,
            sender: Sender::Unchecked,
            received_at: RECEIVED_AT,
        };
        let transcoded = self.transcoder.transcode(
            &self.plans,
            &message,
            &mut TopicMemo::<()>::default(),
            &mut self.lines,
        );
        let lines = self.lines[0].payload().to_vec();
        let lines = String::from_utf8(lines).expect("lines are UTF-8");
        (transcoded, without_hidden(lines, self.is_hidden))
    }

    /// The lines of a payload that must be good; times of receipt are left out.
    #[track_caller]
    pub(super) fn lines(&mut self, payload: &[u8]) -> String {
        let (_, lines) = self.run(TOPIC, payload);
        assert_eq!(self.transcoder.failures(), []);
        without_receipt(&lines)
    }

    /// The result of a payload: its lines, or the cause of its failure.
    pub(super) fn outcome(&mut self, payload: &[u8]) -> Result<String, Cause> {
        let (_, lines) = self.run(TOPIC, payload);
        match self.transcoder.failures() {
            [] => Ok(lines),
            [failure] => {
                assert_eq!(lines, "", "a failed mapping leaves no line");
                Err(failure.cause)
            }
            many => panic!("{many:?}"),
        }
    }

    /// The cost of the last payload: steps, and slots written.
    pub(super) fn cost(&mut self) -> (usize, usize) {
        let steps = usize::try_from(self.transcoder.steps()).expect("steps are bounded");
        (steps, self.transcoder.writes())
    }

    /// The causes of the last payload's failures.
    pub(super) fn causes(&self) -> Vec<Cause> {
        self.transcoder.failures().iter().map(|failure| failure.cause).collect()
    }

    /// The cause and the detail of the one failure of a payload.
    #[track_caller]
    pub(super) fn failure(&mut self, payload: &[u8]) -> (Cause, String) {
        let outcome = self.outcome(payload);
        let cause = outcome.expect_err("the payload must fail");
        (cause, self.transcoder.failures()[0].detail.clone())
    }
}

/// What is wrong with these files.
pub(super) fn refused(files: &[(&str, &str)]) -> Vec<String> {
    let texts = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    let options = Options::new(PathBuf::new(), LineDialect::Unsigned);
    let loaded = Plans::from_sources(&Sources::from_texts(texts), &options);
    let errors = loaded.err().map(|errors| errors.problems).unwrap_or_default();
    errors.iter().map(ToString::to_string).collect()
}
