//! One test per way in which a file can be damaged.

use std::io;

use crate::env::{
    disk::Disk,
    sim::{Call, Fault},
};

use super::{
    super::{SurveyError, Verification, format::*, verify},
    *,
};

const ENTRIES: u64 = 8;

/// Eight entries: some in sealed segments, the last ones in one that is not.
fn rig() -> Rig {
    Rig::new(260, 10_000).with_entries(ENTRIES)
}

/// Opens, reads everything, and checks that exactly `gone` is missing and reported, that a second
/// opening reads the same, and that more entries can be written.
fn check_damage(rig: &Rig, gone: &[u64], what: &str) {
    for _ in 0..2 {
        let mut opened = rig.open();
        let cut = (opened.recovery.last.0 + 1..=ENTRIES).collect::<Vec<_>>();
        let (read, batches) = drain(&mut opened.reader);
        let expected: Vec<u64> = (1..=ENTRIES).filter(|p| !gone.contains(p)).collect();
        assert_eq!(read, expected, "{what}");
        assert_eq!(lost(&batches) + cut.len() as u64, gone.len() as u64, "{what}: reported");
        let items: u64 = batches.iter().map(|b| b.items + b.damaged.map_or(0, |d| d.items)).sum();
        assert_eq!(items, opened.recovery.items, "{what}: recovered = read + damaged");
    }
    let mut opened = rig.open();
    let next = opened.recovery.last.0 + 1;
    append(&mut opened.writer, &payload(next, 20), 1).unwrap();
    opened.writer.sync().unwrap();
    assert_eq!(drain(&mut opened.reader).0.last(), Some(&next), "{what}: goes on");
}

#[test]
fn any_flipped_bit_costs_at_most_the_entry_that_it_is_in() {
    // Exhaustive over every byte of every segment, in every field of the format.
    let names = rig().segments();
    assert!(names.len() >= 3, "several sealed segments");
    let entry = ENTRY_HEADER_BYTES + payload(1, 20).len();
    for (index, name) in names.iter().enumerate() {
        let bytes = rig().disk.bytes(name).unwrap();
        let first = SegmentHeader::decode(&bytes).unwrap().first.0;
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        let last = match names.get(index + 1) {
            Some(next) => {
                parse_segment_name(next.file_name().unwrap().to_str().unwrap()).unwrap().0 - 1
            }
            None => ENTRIES,
        };
        for offset in 0..used {
            for bits in [0x01, 0x80, 0xff] {
                let rig = rig();
                rig.disk.flip(name, offset, bits);
                let position = match offset.checked_sub(SEGMENT_HEADER_BYTES) {
                    Some(into) => first + (into / entry) as u64,
                    None => 0,
                };
                let gone: &[u64] =
                    if (first..=last).contains(&position) { &[position] } else { &[] };
                check_damage(&rig, gone, &format!("{} byte {offset} ^ {bits:x}", name.display()));
            }
        }
    }
}

/// Large entries are read straight into the batch, small ones through the window beside them.
#[test]
fn damage_and_failing_reads_among_large_entries_harm_no_other_entry() {
    let of =
        |position: u64| payload(position, if position.is_multiple_of(4) { 20 } else { 150_000 });
    let rig = Rig::new(8 << 20, 64 << 20);
    let mut opened = rig.open();
    for position in 1..=12 {
        append(&mut opened.writer, &of(position), 1).unwrap();
        opened.writer.sync().unwrap();
    }
    drop(opened);
    let end_of_9: usize = (1..=9).map(|p| ENTRY_HEADER_BYTES + of(p).len()).sum();
    rig.disk.flip(&rig.segments()[0], SEGMENT_HEADER_BYTES + end_of_9 - 2, 1);
    let expected: Vec<u8> = (1..=12).filter(|p| *p != 9).flat_map(of).collect();
    let (call, error) = (Some(Call::ReadAt), io::ErrorKind::Other);
    let mut n_failed = 0;
    for nth in 0..12 {
        let mut opened = rig.open();
        rig.disk.set_fault(Some(Fault { call, nth, error, is_permanent: false }));
        let (mut body, mut batches) = (Vec::new(), Vec::new());
        loop {
            let held = body.len();
            match opened.reader.read_batch(&mut body, ALL) {
                Ok(Some(batch)) => batches.push(batch),
                Ok(None) => break,
                Err(_) => {
                    assert_eq!(body.len(), held, "nothing of what could not be read");
                    n_failed += 1;
                }
            }
        }
        rig.disk.set_fault(None);
        assert!(body == expected, "read {nth} fails");
        assert_eq!(lost(&batches), 1, "read {nth} fails");
    }
    assert!(n_failed > 0);
}

#[test]
fn damaged_bytes_are_set_aside_before_their_segment_goes() {
    let rig = rig();
    let segment = rig.segments().remove(0);
    rig.disk.flip(&segment, SEGMENT_HEADER_BYTES + ENTRY_HEADER_BYTES, 1);
    let bytes = rig.disk.bytes(&segment).unwrap();
    let mut opened = rig.open();
    drain(&mut opened.reader);
    opened.reader.confirm(Position(ENTRIES));
    opened.reader.flush_cursor().unwrap();
    assert_eq!(rig.disk.bytes(&segment), None, "released");
    let folder = rig.options.dir.join("quarantine");
    let kept = rig.disk.files(&folder).unwrap();
    let end = SEGMENT_HEADER_BYTES + ENTRY_HEADER_BYTES + payload(1, 20).len();
    assert_eq!(kept, [format!("{:020}.seg-{}-{}", 1, 32, end - 32)]);
    assert_eq!(rig.disk.bytes(&folder.join(&kept[0])).unwrap(), bytes[32..end]);
}

#[test]
fn neighbouring_entries_and_whole_segments_may_be_damaged() {
    let rig = rig();
    let names = rig.segments();
    let entry = ENTRY_HEADER_BYTES + payload(1, 20).len();
    rig.disk.flip(&names[0], 32 + 4, 1);
    rig.disk.flip(&names[0], 32 + entry + 4, 1);
    check_damage(&rig, &[1, 2], "two headers side by side");
    let zeros = vec![0; rig.disk.bytes(&names[1]).unwrap().len()];
    rig.disk.put(&names[1], zeros);
    let gone: Vec<u64> = std::iter::once(1).chain(2..=2).chain(4..=6).collect();
    let mut opened = rig.open();
    let (read, batches) = drain(&mut opened.reader);
    // The ninth was appended by the check.
    assert_eq!(read, (1..=ENTRIES + 1).filter(|p| !gone.contains(p)).collect::<Vec<_>>());
    assert_eq!(lost(&batches), gone.len() as u64);
}

#[test]
fn a_segment_that_is_empty_or_foreign_or_there_twice_does_not_stop_the_rest() {
    let check_file = |name: &str, bytes: Vec<u8>, set_aside: u64| {
        let rig = rig();
        rig.disk.put(&rig.options.dir.join(name), bytes);
        let mut opened = rig.open();
        assert_eq!(opened.recovery.set_aside, set_aside, "{name}");
        assert_eq!(drain(&mut opened.reader).0, (1..=ENTRIES).collect::<Vec<_>>(), "{name}");
    };
    let copy = rig().disk.bytes(&rig().segments()[1]).unwrap();
    check_file("00000000000000000009.seg", Vec::new(), 0);
    check_file("00000000000000000009.seg", vec![0; 500], 1);
    check_file("00000000000000000009.seg", b"nothing of ours, and some bytes more".repeat(9), 1);
    check_file("00000000000000000077.seg", copy, 1);
    check_file("notes.txt", b"an operator's".to_vec(), 0);
    check_file("9.seg", b"not a segment's name".to_vec(), 0);
}

#[test]
fn swapped_segments_are_distinguished_by_their_headers() {
    let rig = rig();
    let names = rig.segments();
    let first = rig.disk.bytes(&names[0]).unwrap();
    let second = rig.disk.bytes(&names[1]).unwrap();
    rig.disk.put(&names[0], second);
    rig.disk.put(&names[1], first);
    check_damage(&rig, &[], "swapped");
}

#[test]
fn an_unknown_version_is_refused_and_nothing_is_changed() {
    let rig = rig();
    let name = rig.segments().remove(1);
    let mut bytes = rig.disk.bytes(&name).unwrap();
    bytes[8] = 2;
    let crc = crc32fast::hash(&bytes[..28]);
    bytes[28..32].copy_from_slice(&crc.to_le_bytes());
    rig.disk.put(&name, bytes.clone());
    let Err(OpenError::Survey { source: SurveyError::Version { path, version }, .. }) =
        rig.try_open()
    else {
        panic!("it was opened");
    };
    assert_eq!((path, version), (name.clone(), 2));
    assert_eq!(rig.disk.bytes(&name).unwrap(), bytes);
}

#[test]
fn verify_reports_what_a_reader_would_lose_and_changes_nothing() {
    let rig = rig();
    let names = rig.segments();
    let look = |rig: &Rig| verify(&rig.disk, &rig.options.dir, &mut |_| {}).unwrap();
    let clean = look(&rig);
    assert_eq!((clean.entries, clean.items, clean.damage.len()), (ENTRIES, ENTRIES, 0));
    rig.disk.flip(&names[0], 32 + 4, 1);
    let found: Verification = look(&rig);
    assert_eq!((found.entries, found.damage.len()), (ENTRIES - 1, 1));
    let stretch = &found.damage[0];
    assert_eq!((stretch.first, stretch.entries, stretch.items), (Position(1), 1, 1));
    let opened = rig.open();
    assert_eq!(look(&rig), found, "with the spool open too");
    let listed = super::super::entries(rig.disk(), &rig.options.dir, Position(1)).unwrap();
    let listed: Vec<u64> = listed.map(|stored| stored.unwrap().position.0).collect();
    assert_eq!(listed, (2..=ENTRIES).collect::<Vec<_>>());
    drop(opened);
}

#[test]
fn the_format_does_not_change_by_accident() {
    // A whole sealed segment, byte by byte, against a file that was written once. UPDATE is not
    // offered: another format is another version.
    let rig = Rig::new(150, 10_000);
    let mut opened = rig.open();
    for (position, items) in [(1, 3), (2, 70_000), (3, 1)] {
        append(&mut opened.writer, &payload(position, 9), items).unwrap();
    }
    opened.writer.sync().unwrap();
    let bytes = rig.disk.bytes(&rig.segments()[0]).unwrap();
    let hex: Vec<String> = bytes
        .chunks(16)
        .map(|row| row.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "))
        .collect();
    let golden = include_str!("../../../tests/golden/spool-segment.hex");
    assert_eq!(hex.join("\n"), golden.trim_end());
}
