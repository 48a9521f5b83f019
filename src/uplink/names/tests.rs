//! The budget of new names over days and restarts.

use std::{path::Path, sync::Arc};

use super::*;
use crate::{
    env::{
        disk::Disk as _,
        sim::{Call, Fault, SimDisk},
    },
    model::{Catalog, FieldType, Measurement, UnixNanos},
};

const DAY: i64 = 86_400_000_000_000;
const TODAY: UnixNanos = UnixNanos(20_000 * DAY + 5);
const TOMORROW: UnixNanos = UnixNanos(20_001 * DAY);
const FILE: &str = "/data/names";

const OPTIONS: NameOptions = NameOptions {
    fields_a_day: 10,
    tags_a_day: 2,
    measurements_a_day: 3,
    name_bytes_max: 20,
    memory_max: 1 << 20,
};

fn disk() -> SimDisk {
    let disk = SimDisk::new();
    disk.create_dirs(Path::new("/data")).expect("a folder");
    disk
}

fn open(disk: &SimDisk) -> NameRegistry {
    NameRegistry::open(Arc::new(disk.clone()), Path::new("/data"), OPTIONS).expect("opens")
}

/// A line of measurement `m` with these fields.
fn line(from: usize, to: usize) -> String {
    let fields: Vec<String> = (from..to).map(|n| format!("f{n}={n}i")).collect();
    format!("m,vin=V {} 1\n", fields.join(","))
}

fn admit(book: &NameRegistry, lines: &str, at: UnixNanos) -> Result<(), String> {
    book.admit(lines.as_bytes(), at).map_err(|too_many| too_many.to_string())
}

/// The case `o15-field-budget`, small.
#[test]
fn one_message_cannot_use_up_a_measurement() {
    let book = open(&disk());
    let why = "11 fields, `f0` first, are new to measurement `m`, which may get 10 a day \
               (uplink.new-names.fields-per-day)";
    assert_eq!(admit(&book, &line(0, 11), TODAY), Err(why.to_owned()));
    // Nothing of it was taken in.
    assert_eq!(admit(&book, &line(20, 30), TODAY), Ok(()));
    assert_eq!(admit(&book, &line(20, 30), TODAY), Ok(()), "known names cost nothing");
    assert!(admit(&book, &line(0, 1), TODAY).is_err());
    assert_eq!(admit(&book, &line(0, 10), TOMORROW), Ok(()));
    assert!(admit(&book, &line(10, 11), TOMORROW).is_err());
    // Another measurement has a budget of its own, over all lines of a message.
    assert_eq!(admit(&book, &line(0, 10).replace("m,", "n,"), TOMORROW), Ok(()));
    let both = [line(0, 6), line(6, 11)].concat().replace("m,", "o,");
    assert!(admit(&book, &both, TOMORROW).is_err());
}

#[test]
fn names_of_mappings_and_store_are_never_new() {
    let book = open(&disk());
    let fields = (0..50).map(|n| (format!("f{n}"), FieldType::Integer)).collect();
    let known = Measurement { vehicle_tag: None, tags: vec!["vin".to_owned()], fields };
    let mut catalog = Catalog::default();
    catalog.measurements.insert("m".to_owned(), known);
    book.add_mapped(&catalog);
    let stored: Vec<String> = (50..90).map(|n| format!("f{n}")).collect();
    book.add_stored("m", stored.iter().map(String::as_str), std::iter::empty());
    assert_eq!(admit(&book, &line(0, 100), TODAY), Ok(()));
    assert!(admit(&book, &line(100, 101), TODAY).is_err());
}

#[test]
fn measurements_tags_and_lengths_are_bounded_too() {
    let book = open(&disk());
    assert_eq!(admit(&book, "m,a=1,b=1 x=1 1\n", TODAY), Ok(()));
    let why = "1 tags, `c` first, are new to measurement `m`, which may get 2 a day \
               (uplink.new-names.tags-per-day)";
    assert_eq!(admit(&book, "m,c=1 x=1 1\n", TODAY), Err(why.to_owned()));
    assert_eq!(admit(&book, "n x=1 1\no x=1 1\n", TODAY), Ok(()));
    let why = "measurement `p` is new, and 3 a day may be \
               (uplink.new-names.measurements-per-day)";
    assert_eq!(admit(&book, "p x=1 1\n", TODAY), Err(why.to_owned()));
    let why = "a new name of measurement `m` is longer than 20 bytes (uplink.new-names.bytes-max)";
    assert_eq!(admit(&book, "m aaaaaaaaaaaaaaaaaaaaa=1 1\n", TODAY), Err(why.to_owned()));
    // One name, however its escapes are written.
    assert_eq!(admit(&book, "m a\\ b=1,a\\=b=2 1\n", TODAY), Ok(()));
    let names = book.names_count();
    assert_eq!(admit(&book, "m a\\ b=1 1\n", TODAY), Ok(()));
    assert_eq!(book.names_count(), names);
}

#[test]
fn a_restart_neither_forgets_names_nor_resets_the_days_budget() {
    let disk = disk();
    let book = open(&disk);
    assert!(!book.has_stored());
    assert_eq!(admit(&book, &line(0, 8), TODAY), Ok(()));
    book.add_stored("m", ["s"].into_iter(), std::iter::empty());
    book.finish_stored();
    book.write();
    let names = book.names_count();
    drop(book);

    let book = open(&disk);
    assert!(book.has_stored());
    assert_eq!(book.names_count(), names);
    assert_eq!(admit(&book, &line(0, 8), TODAY), Ok(()));
    assert!(admit(&book, &line(8, 11), TODAY).is_err(), "8 of 10 are used");
    assert_eq!(admit(&book, &line(8, 10), TODAY), Ok(()));
    book.write();
    drop(book);
    assert_eq!(admit(&open(&disk), &line(0, 10), TODAY), Ok(()));
}

#[test]
fn a_damaged_end_is_truncated_and_another_version_refused() {
    let disk = disk();
    let book = open(&disk);
    assert_eq!(admit(&book, &line(0, 2), TODAY), Ok(()));
    book.write();
    let whole = disk.bytes(Path::new(FILE)).expect("the file");
    for cut in 0..=whole.len() {
        disk.put(Path::new(FILE), whole[..cut].to_vec());
        let book = open(&disk);
        assert!(book.names_count() <= 3);
        assert_eq!(admit(&book, &line(0, 2), TODAY), Ok(()));
        book.write();
        drop(book);
        assert_eq!(open(&disk).names_count(), 3, "cut at {cut}");
    }
    let mut other = whole;
    other[8] = 9;
    let crc = crc32fast::hash(&other[..12]);
    other[12..16].copy_from_slice(&crc.to_le_bytes());
    disk.put(Path::new(FILE), other);
    let refused = NameRegistry::open(Arc::new(disk.clone()), Path::new("/data"), OPTIONS);
    let told = refused.expect_err("refused").to_string();
    assert_eq!(told, "/data/names is of version 9, which this version does not know");
}

#[test]
fn names_that_could_not_be_written_are_written_later() {
    let disk = disk();
    let book = open(&disk);
    assert_eq!(admit(&book, &line(0, 2), TODAY), Ok(()));
    let call = Some(Call::WriteAllAt);
    let error = std::io::ErrorKind::StorageFull;
    disk.set_fault(Some(Fault { call, nth: 1, error, is_permanent: false }));
    book.write();
    book.write();
    assert_eq!(open(&disk).names_count(), 3);
}
