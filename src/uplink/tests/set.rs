//! Any schemas and mappings, and one transcoder.

use std::{num::NonZeroU16, path::PathBuf};

use crate::{
    mapping::{Options, Plans},
    model::{Cause, LineDialect, ShardCount},
    schema::Sources,
    spool::EntryBuffer,
    uplink::{
        Limits, Message, Transcoded, Transcoder,
        tests::harness::{RECEIVED_AT, TOPIC},
    },
};

/// A loaded set with what runs it.
pub(super) struct Set {
    pub(super) plans: Plans,
    transcoder: Transcoder,
    lines: Vec<EntryBuffer>,
}

/// A mapping of `vehicles/{vin}/m` to measurement `m`, its vehicle no tag; `rest` follows.
pub(super) fn mapping(format: &str, rest: &str) -> String {
    format!(
        "[[mapping]]\nname = \"m\"\ntopic = \"vehicles/{{vin}}/m\"\nformat = \"{format}\"\n\
         vehicle = \"{{vin}}\"\n{rest}\n"
    )
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
        Self { plans, transcoder: Transcoder::new(limits, shards), lines }
    }

    /// Transcodes one payload; answers what became of it and its lines.
    pub(super) fn run(&mut self, topic: &str, payload: &[u8]) -> (Transcoded, String) {
        self.lines.iter_mut().for_each(EntryBuffer::clear);
        let message = Message { topic, payload, content_type: None, received_at: RECEIVED_AT };
        let transcoded = self.transcoder.transcode(&self.plans, &message, &mut self.lines);
        let lines = self.lines[0].payload().to_vec();
        (transcoded, String::from_utf8(lines).expect("lines are UTF-8"))
    }

    /// The lines of a payload that must be good; times of receipt are left out.
    #[track_caller]
    pub(super) fn lines(&mut self, payload: &[u8]) -> String {
        let (_, lines) = self.run(TOPIC, payload);
        assert_eq!(self.transcoder.failures(), []);
        lines.replace(&format!(" {}\n", RECEIVED_AT.0), "\n")
    }

    /// What became of a payload: its lines, or the cause of its failure.
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

    /// The cause and the detail of the one failure of a payload.
    #[track_caller]
    pub(super) fn failure(&mut self, payload: &[u8]) -> (Cause, String) {
        let outcome = self.outcome(payload);
        let cause = outcome.expect_err("the payload must fail");
        (cause, self.transcoder.failures()[0].detail.clone())
    }
}
