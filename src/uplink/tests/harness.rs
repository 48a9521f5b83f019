//! One schema, one mapping, one transcoder.

use std::{num::NonZeroU16, path::PathBuf};

use prost_reflect::{DynamicMessage, MessageDescriptor, prost::Message as _};

use crate::{
    mapping::{Options, Plans},
    model::{LineDialect, ShardCount, UnixNanos, line},
    schema::Sources,
    spool::EntryBuffer,
    uplink::{
        Failure, Limits, Message, Raised, Sender, TopicMemo, Transcoded, Transcoder,
        tests::set::{HIDDEN_TAG, without_hidden},
    },
};

/// The time of receipt of every test: 2026-11-22T23:00:00Z.
pub(super) const RECEIVED_AT: UnixNanos = UnixNanos(1_795_388_400_000_000_000);

/// The topic of every test that does not say otherwise.
pub(super) const TOPIC: &str = "vehicles/V1/m";

/// A loaded set with what runs it.
pub(super) struct Harness {
    pub(super) plans: Plans,
    transcoder: Transcoder,
    lines: Vec<EntryBuffer>,
    is_hidden: bool,
}

/// A mapping of message `t.M` of `m.proto` with its fixed part written; `rest` follows.
///
/// If `rest` has no `tags`, the vehicle's tag is still written, and [`Harness::run`] removes it
/// from the lines.
pub(super) fn mapping(rest: &str) -> String {
    let tags = if rest.contains("tags = [") { "" } else { HIDDEN_TAG };
    format!(
        "[[mapping]]\nname = \"m\"\ntopic = \"vehicles/{{vin}}/m\"\nformat = \"protobuf\"\n\
         schema = \"m.proto\"\nmessage = \"t.M\"\nmeasurement = \"m\"\nvehicle = \"{{vin}}\"\n\
         {tags}{rest}\n"
    )
}

/// Lines without times of receipt: that of the message, and those after it that its points use.
pub(super) fn without_receipt(lines: &str) -> String {
    let mut text = String::new();
    for (index, line) in line::lines(lines.as_bytes()).enumerate() {
        let line = str::from_utf8(line).expect("lines are UTF-8");
        let cut = line.trim_end().rsplit_once(' ').filter(|(_, time)| {
            let time: Option<i64> = time.parse().ok();
            let latest = i64::try_from(index).expect("few lines");
            time.is_some_and(|time| (0..=latest).contains(&(time - RECEIVED_AT.0)))
        });
        match cut {
            Some((before, _)) => text.extend([before, "\n"]),
            None => text.push_str(line),
        }
    }
    text
}

/// A proto3 file with these declarations.
pub(super) fn proto3(declarations: &str) -> String {
    format!("syntax = \"proto3\";\npackage t;\n{declarations}\n")
}

impl Harness {
    /// Loads one `m.proto` and one mapping file.
    pub(super) fn new(proto: &str, toml: &str) -> Self {
        Self::with(proto, toml, LineDialect::Unsigned, Limits::default())
    }

    /// The same with a dialect and limits.
    pub(super) fn with(proto: &str, toml: &str, dialect: LineDialect, limits: Limits) -> Self {
        let texts = [("m.proto", proto), ("m.toml", toml)];
        let sources =
            Sources::from_texts(texts.map(|(path, text)| (path.to_owned(), text.to_owned())));
        let options = Options::new(PathBuf::new(), dialect);
        let plans = match Plans::from_sources(&sources, &options) {
            Ok(plans) => plans,
            Err(errors) => panic!("{errors}"),
        };
        let shards = ShardCount(NonZeroU16::new(4).expect("four is not zero"));
        let lines = shards.ids().map(|_| EntryBuffer::new()).collect();
        let is_hidden = toml.contains(HIDDEN_TAG);
        Self { plans, transcoder: Transcoder::new(limits, shards), lines, is_hidden }
    }

    /// The message type `t.M`.
    pub(super) fn message(&self) -> MessageDescriptor {
        let message = self.plans.registry().protobuf.message("m.proto", "t.M");
        message.expect("the harness's message")
    }

    /// Encodes a message given as protobuf's JSON.
    pub(super) fn encode(&self, json: &str) -> Vec<u8> {
        let mut reader = serde_json::Deserializer::from_str(json);
        let message = DynamicMessage::deserialize(self.message(), &mut reader);
        message.expect("the test's message").encode_to_vec()
    }

    /// Transcodes one payload on the usual topic; returns the lines.
    pub(super) fn payload(&mut self, payload: &[u8]) -> String {
        self.run(TOPIC, payload, None).1
    }

    /// Transcodes one payload; returns its result and its lines.
    pub(super) fn run(
        &mut self,
        topic: &str,
        payload: &[u8],
        content_type: Option<&str>,
    ) -> (Transcoded, String) {
        self.lines.iter_mut().for_each(EntryBuffer::clear);
        let message = Message {
            topic,
            payload,
            content_type,
            sender: Sender::Unchecked,
            received_at: RECEIVED_AT,
        };
        let transcoded = self.transcoder.transcode(
            &self.plans,
            &message,
            &mut TopicMemo::<()>::default(),
            &mut self.lines,
        );
        let items: u32 = self.lines.iter().map(|buffer| buffer.items).sum();
        assert_eq!(items, transcoded.points, "the buffers count what was written");
        let mut text = String::new();
        for (index, buffer) in self.lines.iter().enumerate() {
            let is_its = transcoded.shard.is_some_and(|shard| shard.as_usize() == index);
            assert!(is_its || buffer.is_empty(), "lines are in the message's shard only");
            text.push_str(std::str::from_utf8(buffer.payload()).expect("lines are UTF-8"));
        }
        (transcoded, without_hidden(text, self.is_hidden))
    }

    /// The alarms that the last message raises.
    pub(super) fn raised(&self) -> &[Raised] {
        self.transcoder.raised()
    }

    /// Why mappings failed.
    pub(super) fn failures(&self) -> &[Failure] {
        self.transcoder.failures()
    }

    /// The cause and the detail of the one failure of a payload that gives no lines.
    pub(super) fn failure(&mut self, payload: &[u8]) -> (crate::model::Cause, String) {
        let lines = self.payload(payload);
        assert_eq!(lines, "", "a failed mapping leaves no line");
        let [failure] = self.failures() else { panic!("{:?}", self.failures()) };
        (failure.cause, failure.detail.clone())
    }
}

/// Checks the lines of one message, without the measurement, tag and time that all tests share.
pub(super) fn check(proto: &str, rest: &str, json: &str, expect: &str) {
    let mut harness = Harness::new(proto, &mapping(rest));
    let payload = harness.encode(json);
    let lines = harness.payload(&payload);
    assert_eq!(harness.failures(), [], "{json}");
    assert_eq!(without_receipt(&lines), expect, "{json}");
}
