//! Replays every kept input of every fuzz target, so that old finds stay fixed.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

#[path = "../fuzz/entry.rs"]
#[expect(unreachable_pub, reason = "the fuzz crate is its other user")]
mod entry;

fn check_corpus(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut files: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    let failed: Vec<_> = files
        .iter()
        .filter(|file| {
            let input = fs::read(file).unwrap();
            catch_unwind(AssertUnwindSafe(|| run(&input))).is_err()
        })
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

macro_rules! replay {
    ($($name:ident: $target:ident,)+) => {
        $(
            #[test]
            fn $name() {
                check_corpus(stringify!($target), entry::$target);
            }
        )+
    };
}

replay! {
    kept_framing_does_no_harm: framing,
    kept_topics_do_no_harm: topic,
    kept_protobuf_payloads_do_no_harm: protobuf,
    kept_avro_payloads_do_no_harm: avro,
    kept_json_payloads_do_no_harm: json,
    kept_mqtt_bytes_do_no_harm: mqtt_codec,
    kept_mqtt_clients_do_no_harm: mqtt_session,
    kept_subscriptions_are_found: mqtt_tree,
    kept_lines_do_no_harm: line,
    kept_payloads_cost_what_their_bytes_pay_for: steps,
    kept_damage_to_kept_cases_does_no_harm: cases,
    kept_mapping_files_do_no_harm: mapping,
    kept_spools_do_no_harm: spool_open,
    kept_session_journals_do_no_harm: sessions_open,
    kept_configurations_do_no_harm: config,
    kept_schema_folders_do_no_harm: schemas,
}

/// Damages folders of every format in every way, like the fuzz target; a failure shows its seed.
#[test]
fn ten_thousand_damaged_schema_folders_do_no_harm() {
    let mut dice = crate::harness::Dice::new();
    for folder in 0..10_000 {
        let changes = 1 + usize::try_from(dice.below(4)).unwrap();
        let input: Vec<u8> =
            (0..=5 * changes).map(|_| u8::try_from(dice.below(256)).unwrap()).collect();
        let done = catch_unwind(AssertUnwindSafe(|| entry::schemas(&input)));
        assert!(done.is_ok(), "folder {folder}: {input:?}");
    }
}

/// What a fuzz target does with its input.
type Target = fn(&[u8]);

/// Kept MQTT inputs with bytes changed, cut, doubled and recombined; a failure shows its input.
#[test]
fn changed_mqtt_inputs_do_no_harm() {
    let mut dice = crate::harness::Dice::new();
    let targets: [(&str, Target); 3] = [
        ("mqtt_codec", entry::mqtt_codec),
        ("mqtt_session", entry::mqtt_session),
        ("mqtt_tree", entry::mqtt_tree),
    ];
    for (target, run) in targets {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
        let files = fs::read_dir(&folder).unwrap();
        let kept: Vec<Vec<u8>> =
            files.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
        let mut below = |end: usize| usize::try_from(dice.below(end as u64)).unwrap();
        for _ in 0..3000 {
            let mut input = kept[below(kept.len())].clone();
            for _ in 0..=below(4) {
                let at = below(input.len() + 1);
                let other = &kept[below(kept.len())];
                match below(4) {
                    0 => input.truncate(at),
                    1 => drop(input.splice(at..at, other.iter().copied())),
                    2 => input.insert(at, u8::try_from(below(256)).unwrap()),
                    _ => {
                        if let Some(byte) = input.get_mut(at) {
                            *byte = u8::try_from(below(256)).unwrap();
                        }
                    }
                }
                input.truncate(5000);
            }
            let done = catch_unwind(AssertUnwindSafe(|| run(&input)));
            assert!(done.is_ok(), "{target}: {input:?}");
        }
    }
}

/// The same for the kept payloads of `decode`: tuples, lists in lists, unions, conversions, times
/// as text, framed messages, each damaged about fifty times.
#[test]
fn ten_thousand_damaged_payloads_of_every_shape_do_no_harm() {
    let mut dice = crate::harness::Dice::new();
    for number in 0..10_000_u16 {
        let changes = usize::try_from(dice.below(4)).unwrap();
        let [high, low] = number.to_be_bytes();
        let changes = (0..4 * changes).map(|_| u8::try_from(dice.below(256)).unwrap());
        let input: Vec<u8> = [high, low].into_iter().chain(changes).collect();
        let done = catch_unwind(AssertUnwindSafe(|| entry::cases(&input)));
        assert!(done.is_ok(), "payload {number}: {input:?}");
    }
}
