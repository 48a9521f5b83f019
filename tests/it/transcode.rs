//! Kept payloads through the public transcoder: byte for byte the kept lines, or the kept cause.
//!
//! A case is a folder of `tests/golden/transcode`: `schemas/` (else those that are shipped),
//! `topic`, `payload`, `content-type` where one matters, and `lines` or `cause`. The time of
//! receipt is fixed. With `UPDATE=1` what is expected is written anew; review reads the difference.

use std::{
    env, fs,
    num::NonZeroU16,
    path::{Path, PathBuf},
};

use fleetline::{
    mapping::{Options, Plans},
    model::{LineDialect, ShardCount, UnixNanos},
    spool::EntryBuffer,
    uplink::{Limits, Message, Transcoder},
};

/// 2026-11-22T21:19:39Z.
const RECEIVED_AT: UnixNanos = UnixNanos(1_795_382_379_000_000_000);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The name of the file that says what is expected, and its text.
fn transcode(case: &Path) -> (&'static str, String) {
    let own = case.join("schemas");
    let dir = if own.is_dir() { own } else { root().join("schemas") };
    let plans = Plans::load(&Options::new(dir, LineDialect::Unsigned))
        .unwrap_or_else(|errors| panic!("{}: {errors}", case.display()));
    let mut transcoder = Transcoder::new(Limits::default(), ShardCount(NonZeroU16::MIN));
    let mut buffers = [EntryBuffer::new()];
    let topic = fs::read_to_string(case.join("topic")).unwrap();
    let content_type = fs::read_to_string(case.join("content-type")).ok();
    let message = Message {
        topic: topic.trim(),
        payload: &fs::read(case.join("payload")).unwrap(),
        content_type: content_type.as_deref().map(str::trim),
        received_at: RECEIVED_AT,
    };
    transcoder.transcode(&plans, &message, &mut buffers);
    match transcoder.failures() {
        [] => ("lines", String::from_utf8(buffers[0].payload().to_vec()).unwrap()),
        failures => {
            let told =
                failures.iter().map(|failure| format!("{}: {}\n", failure.cause, failure.detail));
            ("cause", told.collect())
        }
    }
}

#[test]
fn kept_payloads_keep_their_lines() {
    let mut cases: Vec<PathBuf> = fs::read_dir(root().join("tests/golden/transcode"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(cases.len() >= 10);
    for case in cases {
        let (name, text) = transcode(&case);
        if env::var_os("UPDATE").is_some() {
            fs::write(case.join(name), &text).unwrap();
        }
        let kept = fs::read_to_string(case.join(name));
        assert_eq!(text, kept.unwrap_or_default(), "{}", case.display());
    }
}
