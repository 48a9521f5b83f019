//! Two readings of one spool: each entry is read by one of them, wherever the border is.

use super::{
    super::{Batch, Reading, format::*},
    *,
};

const ENTRIES: u64 = 8;

/// The positions that a reading finds, and its batches, up to `last` without a gap.
fn read(reading: &mut Reading, last: u64) -> (Vec<u64>, Vec<Batch>) {
    let (mut body, mut batches) = (Vec::new(), Vec::new());
    let mut next = reading.next();
    while let Some(batch) = reading.read_batch(&mut body, ONE).unwrap() {
        assert_eq!(batch.first, next);
        next = batch.last.next();
        batches.push(batch);
    }
    assert_eq!(next.0, last + 1);
    (positions(&body), batches)
}

/// A spool in which `border` entries were there when its reading was split, and all are now.
fn split_at(border: u64, read_before: u64) -> (Rig, Opened, Reading, Reading) {
    let rig = Rig::new(260, 10_000);
    let Opened { mut writer, reader, recovery } = rig.open();
    let (mut first, cursor) = reader.into_parts();
    let mut put = |position| {
        append(&mut writer, &payload(position, 20), 1).unwrap();
        writer.sync().unwrap();
    };
    (1..=border).for_each(&mut put);
    let mut body = Vec::new();
    for _ in 0..read_before {
        first.read_batch(&mut body, ONE).unwrap().unwrap();
    }
    let second = first.split().unwrap();
    assert_eq!((first.end(), second.next()), (Some(Position(border)), Position(border + 1)));
    (border + 1..=ENTRIES).for_each(put);
    (rig, Opened { writer, reader: Reader::new(cursor), recovery }, first, second)
}

#[test]
fn two_readings_give_every_entry_once_wherever_the_border_falls() {
    for border in 1..=ENTRIES {
        for read_before in 0..border {
            let (_rig, mut opened, mut first, mut second) = split_at(border, read_before);
            assert_eq!(read(&mut second, ENTRIES).0, (border + 1..=ENTRIES).collect::<Vec<_>>());
            append(&mut opened.writer, &payload(ENTRIES + 1, 20), 1).unwrap();
            opened.writer.sync().unwrap();
            assert_eq!(read(&mut first, border).0, (read_before + 1..=border).collect::<Vec<_>>());
            assert_eq!(read(&mut second, ENTRIES + 1).0, [ENTRIES + 1]);
        }
    }
}

#[test]
fn a_reading_with_nothing_left_to_read_is_not_split() {
    let rig = Rig::new(260, 10_000).with_entries(3);
    let (mut reading, _cursor) = rig.open().reader.into_parts();
    assert_eq!(read(&mut reading, 3).0, [1, 2, 3]);
    assert!(reading.split().is_none());
    assert_eq!(reading.end(), None);
}

/// Exhaustive over every byte of an entry on each side of every border, and of both.
#[test]
fn damage_at_a_border_costs_what_it_hits_and_each_item_counts_once() {
    let entry = ENTRY_HEADER_BYTES + payload(1, 20).len();
    for border in 1..ENTRIES {
        for offset in 0..entry {
            for hit in [&[border][..], &[border + 1], &[border, border + 1]] {
                let (rig, _opened, mut first, mut second) = split_at(border, 0);
                for name in rig.segments() {
                    let bytes = rig.disk.bytes(&name).unwrap();
                    let begin = SegmentHeader::decode(&bytes).unwrap().first.0;
                    for into in hit.iter().filter_map(|position| position.checked_sub(begin)) {
                        let at = SEGMENT_HEADER_BYTES + usize::try_from(into).unwrap() * entry;
                        // If the segment has no such entry, there are zeros or its footer.
                        let is_entry = bytes.get(at..at + 4) == Some(&ENTRY_MAGIC[..]);
                        if is_entry {
                            rig.disk.flip(&name, at + offset, 0xff);
                        }
                    }
                }
                let what = format!("border {border}, byte {offset} of {hit:?}");
                let (old, old_batches) = read(&mut first, border);
                let (new, new_batches) = read(&mut second, ENTRIES);
                let left: Vec<u64> = (1..=ENTRIES).filter(|it| !hit.contains(it)).collect();
                assert_eq!([old, new].concat(), left, "{what}");
                let batches = old_batches.iter().chain(&new_batches);
                let items = batches.map(|it| it.items + it.damaged.map_or(0, |it| it.items));
                assert_eq!(items.sum::<u64>(), ENTRIES, "{what}");
            }
        }
    }
}
