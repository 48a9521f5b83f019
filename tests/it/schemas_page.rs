//! The page `schemas/README.md`: every payload on it becomes the lines that follow it.
//!
//! A block is ```` ```LANGUAGE WHAT ````. If WHAT is `payload` or `lines`, the block is that; if it
//! ends in `.toml`, it is the current mapping file; every other WHAT is a schema file. A `lines`
//! block is compared with the lines that the last mapping makes of the last payload.

use std::{collections::BTreeMap, num::NonZeroU16, path::Path};

use fleetline::{
    mapping::{Options, Plans},
    model::{LineDialect, ShardCount, UnixNanos},
    schema::Sources,
    spool::EntryBuffer,
    uplink::{Limits, Message, Sender, TopicMemo, Transcoder},
};

const TOPIC: &str = "vehicles/VIN1/state";
/// 2026-11-22T21:19:39Z.
const RECEIVED_AT: UnixNanos = UnixNanos(1_795_382_379_000_000_000);

/// What the blocks so far have set.
#[derive(Default)]
struct Page {
    schemas: BTreeMap<String, String>,
    mapping: (String, String),
    payload: Vec<u8>,
    compared: usize,
}

impl Page {
    fn block(&mut self, language: &str, what: &str, text: &str) {
        match what {
            "payload" if language == "hex" => {
                let digits: String = text.split_whitespace().collect();
                let bytes = (0..digits.len()).step_by(2);
                self.payload =
                    bytes.map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect();
            }
            "payload" => self.payload = text.as_bytes().to_vec(),
            "lines" => self.compare(text),
            file if file.ends_with(".toml") => self.mapping = (file.to_owned(), text.to_owned()),
            file => {
                self.schemas.insert(file.to_owned(), text.to_owned());
            }
        }
    }

    fn compare(&mut self, expect: &str) {
        let files = self.schemas.clone().into_iter().chain([self.mapping.clone()]);
        let options = Options::new("unused".into(), LineDialect::Unsigned);
        let plans = Plans::from_sources(&Sources::from_texts(files), &options);
        let plans = plans.unwrap_or_else(|errors| panic!("{errors}\n{}", self.mapping.1));
        let mut transcoder =
            Transcoder::new(Limits::default(), ShardCount(NonZeroU16::new(1).unwrap()));
        let mut lines = [EntryBuffer::new()];
        let payload = &self.payload;
        let message = Message {
            topic: TOPIC,
            payload,
            content_type: None,
            sender: Sender::Unchecked,
            received_at: RECEIVED_AT,
        };
        transcoder.transcode(&plans, &message, &mut TopicMemo::<()>::default(), &mut lines);
        assert_eq!(transcoder.failures(), [], "{}", self.mapping.1);
        let found = String::from_utf8(lines[0].payload().to_vec()).unwrap();
        assert_eq!(found, expect, "{}", self.mapping.1);
        self.compared += 1;
    }
}

#[test]
fn every_payload_of_the_page_becomes_its_lines() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/README.md");
    let text = std::fs::read_to_string(file).unwrap();
    let mut page = Page::default();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some((language, what)) = line.strip_prefix("```").and_then(|info| info.split_once(' '))
        else {
            continue;
        };
        let block: String = lines
            .by_ref()
            .take_while(|line| *line != "```")
            .flat_map(|line| [line, "\n"])
            .collect();
        page.block(language, what, &block);
    }
    assert!(page.compared >= 20, "{} compared", page.compared);
}
