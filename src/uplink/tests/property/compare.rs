//! The property: the plan writes what the reference gives.

use proptest::{
    prelude::*,
    test_runner::{FailurePersistence, FileFailurePersistence},
};
use prost_reflect::{DynamicMessage, prost::Message as _};

use super::{dice::Dice, forms::Unknown, lines, message, reference::Reference, schema};
use crate::{
    model::{Cause, LineDialect},
    uplink::{
        Limits,
        tests::harness::{Harness, TOPIC, mapping},
    },
};

/// The causes that a damaged payload may fail with; `panic` is not one of them.
const ALLOWED: [Cause; 12] = [
    Cause::PayloadTruncated,
    Cause::PayloadMalformed,
    Cause::PayloadTooDeep,
    Cause::PayloadNotUtf8,
    Cause::PayloadMismatch,
    Cause::TooManyPoints,
    Cause::TooManyElements,
    Cause::TooManyBytes,
    Cause::TagInvalid,
    Cause::IntegerOutOfRange,
    Cause::TimeInvalid,
    Cause::TimeOutOfBounds,
];

/// Messages a schema, and damages a message.
const MESSAGES: usize = 8;
const DAMAGES: usize = 12;

/// Failures that were found earlier are always tried first.
fn kept() -> Option<Box<dyn FailurePersistence>> {
    Some(Box::new(FileFailurePersistence::WithSource("seeds")))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: kept(),
        ..ProptestConfig::default()
    })]

    #[test]
    fn plan_and_reference_agree_value_for_value(seed: u64) {
        check(seed);
    }
}

/// One schema with some messages of it.
fn check(seed: u64) {
    let mut dice = Dice::new(seed);
    let schema = schema::generate(&mut dice);
    let dialect = if dice.chance(50) { LineDialect::Signed } else { LineDialect::Unsigned };
    let toml = mapping(&schema.rest);
    let mut harness = Harness::with(&schema.proto, &toml, dialect, Limits::default());
    let descriptor = harness.message();
    let reference = Reference { schema: &schema, dialect };
    for _ in 0..MESSAGES {
        let mut wire = Vec::new();
        for _ in 0..=dice.below(2) {
            let message = message::generate(&descriptor, &mut dice);
            wire.extend(message::rewire(&descriptor, &message.encode_to_vec(), &mut dice));
        }
        compare(&mut harness, &reference, &wire, seed, false);
        for _ in 0..DAMAGES {
            message::damage(&mut wire, &mut dice);
            compare(&mut harness, &reference, &wire, seed, true);
        }
    }
}

/// Compares what the plan makes of a wire with what the reference makes of it.
fn compare(
    harness: &mut Harness,
    reference: &Reference<'_>,
    wire: &[u8],
    seed: u64,
    is_damaged: bool,
) {
    let (transcoded, text) = harness.run(TOPIC, wire, None);
    let causes: Vec<Cause> = harness.failures().iter().map(|failure| failure.cause).collect();
    assert!(causes.iter().all(|cause| ALLOWED.contains(cause)), "{seed}: {causes:?}");
    let decoded = match DynamicMessage::decode(harness.message(), wire) {
        Ok(decoded) => decoded,
        // The plan may accept what the reference refuses: it does not examine values that are not
        // needed.
        Err(_) if is_damaged => return,
        Err(error) => panic!("{seed}: {error}"),
    };
    let is_broken = matches!(causes[..], [Cause::PayloadMalformed | Cause::PayloadTruncated]);
    if is_damaged && is_broken {
        // The reference does not check the wire type of a map's entries, and reads on elsewhere.
        return;
    }
    let failures = harness.failures();
    let context = || format!("seed {seed}, failures {failures:?}, wire {wire:02x?}");
    let expected = match reference.points(&decoded) {
        Ok(expected) => expected,
        Err(Unknown) => {
            assert!(is_damaged, "only damage makes what is not known: {}", context());
            return;
        }
    };
    match expected {
        Ok(points) => {
            assert_eq!(causes, [], "{}", context());
            let found = lines::read(&text);
            assert_eq!(found.len(), transcoded.points as usize, "{}", context());
            assert_eq!(found, points, "{}\n{}", context(), reference.schema.proto);
        }
        Err(expected) => {
            assert_eq!(text, "", "{}", context());
            assert!(
                matches!(causes[..], [cause] if expected.contains(&cause)),
                "{}: expected one of {expected:?}",
                context()
            );
        }
    }
}
