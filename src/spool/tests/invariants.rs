//! Each invariant by its name, and the loop in which every call to the disk fails once.

use std::io;

use crate::{
    env::sim::{Call, Fault},
    model::Disposition,
};

use super::{
    super::{CursorState, SyncError, verify},
    *,
};

#[test]
fn sp_1_positions_continue_without_gaps_when_every_segment_was_deleted() {
    let rig = Rig::new(200, 10_000).with_entries(20);
    let mut opened = rig.open();
    let (read, _) = drain(&mut opened.reader);
    assert_eq!(read, (1..=20).collect::<Vec<_>>());
    opened.reader.confirm(Position(20));
    opened.reader.flush_cursor().unwrap();
    drop(opened);
    for path in rig.segments() {
        rig.disk.take(&path);
    }
    let mut opened = rig.open();
    let appended = append(&mut opened.writer, b"21 x\n", 1).unwrap();
    assert_eq!(appended, Append::Done { position: Position(21) });
    opened.writer.sync().unwrap();
    assert_eq!(drain(&mut opened.reader).0, [21]);
}

#[test]
fn sp_2_and_i1_what_was_synced_survives_any_power_cut_and_is_not_visible_before() {
    for seed in 0..200 {
        let rig = Rig::new(150, 10_000);
        let mut opened = rig.open();
        for position in 1..=7 {
            append(&mut opened.writer, &payload(position, 30), 1).unwrap();
        }
        assert_eq!(drain(&mut opened.reader).0, [0; 0], "nothing is visible before the sync");
        opened.writer.sync().unwrap();
        append(&mut opened.writer, &payload(8, 30), 1).unwrap();
        drop(opened);
        rig.disk.crash(seed);
        let (read, batches) = drain(&mut rig.open().reader);
        assert_eq!(read[..7], [1, 2, 3, 4, 5, 6, 7], "seed {seed}");
        assert_eq!(lost(&batches), 0);
    }
}

#[test]
fn sp_3_and_i3_a_torn_tail_is_cut_at_every_length_of_the_last_three_entries() {
    // A file is cut at each byte of its last three entries: the intact entries before the cut come
    // back.
    let rig = Rig::new(4096, 100_000).with_entries(6);
    let path = rig.segments().remove(0);
    let whole = rig.disk.bytes(&path).unwrap();
    let entry = 28 + payload(1, 20).len();
    let end = 32 + 6 * entry;
    for cut in end - 3 * entry..end {
        for zero_filled in [true, false] {
            let mut torn = whole.clone();
            if zero_filled {
                torn[cut..].fill(0)
            } else {
                torn.truncate(cut)
            }
            rig.disk.put(&path, torn);
            let mut opened = rig.open();
            let kept = ((cut - 32) / entry) as u64;
            assert_eq!(opened.recovery.last, Position(kept), "cut at {cut}");
            let left = verify(&rig.disk, &rig.options.dir, &mut |_| {}).unwrap();
            assert_eq!((left.torn_bytes, left.entries), (0, kept), "it is gone from the disk");
            let next = append(&mut opened.writer, &payload(kept + 1, 1), 1).unwrap();
            assert_eq!(next, Append::Done { position: Position(kept + 1) });
            opened.writer.sync().unwrap();
            let (read, batches) = drain(&mut opened.reader);
            assert_eq!(read, (1..=kept + 1).collect::<Vec<_>>());
            assert_eq!(lost(&batches), 0, "a torn tail is not damage");
        }
    }
}

#[test]
fn i3_an_all_zero_tail_is_the_end_and_not_damage() {
    let rig = Rig::new(1 << 20, 10 << 20).with_entries(3);
    let recovery = rig.open().recovery;
    assert_eq!((recovery.last, recovery.torn_bytes), (Position(3), 0));
    assert_eq!((recovery.items, recovery.damaged_entries), (3, 0));
}

#[test]
#[should_panic(expected = "SP-4")]
fn sp_4_what_was_not_read_cannot_be_confirmed() {
    let rig = Rig::new(4096, 100_000).with_entries(2);
    rig.open().reader.confirm(Position(1));
}

#[test]
fn sp_4_a_cursor_that_is_lost_stale_or_damaged_costs_a_resend_and_never_a_skip() {
    let rig = Rig::new(200, 10_000).with_entries(20);
    let mut opened = rig.open();
    let mut body = Vec::new();
    let mut states = vec![(rig.disk.bytes(&rig.cursor()).unwrap(), 0)];
    for confirmed in 1..=5 {
        opened.reader.read_batch(&mut body, ONE).unwrap();
        opened.reader.confirm(Position(confirmed));
        opened.reader.flush_cursor().unwrap();
        states.push((rig.disk.bytes(&rig.cursor()).unwrap(), confirmed));
    }
    drop(opened);
    let (newest, _) = states.last().unwrap().clone();
    let first_left = rig.open().reader.confirmed().0;
    assert_eq!(first_left, 5);
    // Stale: the entries that were released since then are reported as missing, none is skipped.
    for (cursor, confirmed) in states {
        rig.disk.put(&rig.cursor(), cursor);
        let mut opened = rig.open();
        assert!(opened.reader.confirmed().0 <= 5, "cursor of {confirmed}");
        let (read, batches) = drain(&mut opened.reader);
        assert!(read.ends_with(&(6..=20).collect::<Vec<_>>()), "cursor of {confirmed}");
        assert_eq!(read.len() as u64 + lost(&batches), 20 - opened.recovery.confirmed.0);
    }
    // One slot damaged: the other is used. Both damaged, or no file: from the beginning.
    let check_cursor = |cursor: Vec<u8>, state: CursorState, confirmed: &[u64]| {
        rig.disk.put(&rig.cursor(), cursor);
        let mut opened = rig.open();
        assert_eq!(opened.recovery.cursor, state);
        assert!(confirmed.contains(&opened.recovery.confirmed.0), "{:?}", opened.recovery);
        assert!(drain(&mut opened.reader).0.ends_with(&(6..=20).collect::<Vec<_>>()));
    };
    let damaged = |slots: &[usize]| {
        let mut cursor = newest.clone();
        slots.iter().for_each(|slot| cursor[slot * 4096 + 21] ^= 1);
        cursor
    };
    check_cursor(damaged(&[0]), CursorState::Found, &[4]);
    check_cursor(damaged(&[1]), CursorState::Found, &[5]);
    check_cursor(damaged(&[0, 1]), CursorState::Damaged, &[4]);
    check_cursor(Vec::new(), CursorState::Missing, &[4]);
    check_cursor(b"short".to_vec(), CursorState::Damaged, &[4]);
}

#[test]
fn sp_4_a_cursor_past_the_data_is_not_believed_and_is_replaced_at_once() {
    let rig = Rig::new(4096, 100_000).with_entries(9);
    let mut opened = rig.open();
    drain(&mut opened.reader);
    opened.reader.confirm(Position(9));
    opened.reader.flush_cursor().unwrap();
    drop(opened);
    // The data is put back to an earlier state, as from a backup.
    let other = Rig::new(4096, 100_000).with_entries(4);
    let path = rig.segments().remove(0);
    rig.disk.put(&path, other.disk.bytes(&path).unwrap());
    let opened = rig.open();
    assert_eq!(opened.recovery.cursor, CursorState::Ahead { claimed: Position(9) });
    assert_eq!((opened.recovery.last, opened.recovery.items), (Position(4), 4));
    drop(opened);
    rig.disk.crash(1);
    let mut opened = rig.open();
    assert_eq!(opened.recovery.cursor, CursorState::Found);
    for position in 5..=12 {
        append(&mut opened.writer, &payload(position, 1), 1).unwrap();
    }
    opened.writer.sync().unwrap();
    drop(opened);
    assert_eq!(drain(&mut rig.open().reader).0, (1..=12).collect::<Vec<_>>(), "none is skipped");
}

#[test]
fn sp_5_and_i6_only_confirmed_segments_are_deleted_and_after_the_cursor_is_durable() {
    let rig = Rig::new(150, 10_000).with_entries(6);
    let before = rig.segments().len();
    let mut opened = rig.open();
    drain(&mut opened.reader);
    opened.reader.confirm(Position(3));
    assert_eq!(rig.segments().len(), before, "a cursor in memory deletes nothing");
    rig.disk.set_fault(Some(Fault {
        call: Some(Call::SyncData),
        nth: 0,
        error: io::ErrorKind::Other,
        is_permanent: false,
    }));
    let error = opened.reader.flush_cursor().unwrap_err();
    assert_eq!(error.disposition(), Disposition::Halt);
    assert_eq!(rig.segments().len(), before, "the cursor is not durable, so nothing is deleted");
    drop(opened);
    rig.disk.crash(0);
    let mut opened = rig.open();
    drain(&mut opened.reader);
    opened.reader.confirm(Position(3));
    let released = opened.reader.flush_cursor().unwrap();
    assert!(released.segments > 0 && released.bytes > 0);
    drop(opened);
    assert_eq!(drain(&mut rig.open().reader).0, [4, 5, 6]);
}

#[test]
fn sp_6_and_i8_past_the_budget_append_returns_full_and_continues_when_there_is_room() {
    let rig = Rig::new(200, 600);
    let mut opened = rig.open();
    let mut written = 0;
    while append(&mut opened.writer, &payload(written + 1, 30), 1).unwrap() != Append::Full {
        written += 1;
        opened.writer.sync().unwrap();
        assert!(rig.options.budget.used() <= 600 + 200, "SP-6");
    }
    assert!(written >= 4);
    drain(&mut opened.reader);
    opened.reader.confirm(Position(written));
    opened.reader.flush_cursor().unwrap();
    let appended = append(&mut opened.writer, &payload(written + 1, 30), 1).unwrap();
    assert_eq!(appended, Append::Done { position: Position(written + 1) });
    opened.writer.sync().unwrap();
    assert_eq!(drain(&mut opened.reader).0, [written + 1]);
}

#[test]
fn sp_6_a_shard_is_not_starved_by_another_that_fills_the_budget() {
    let rig = Rig::new(200, 600);
    let mut full = rig.open();
    while append(&mut full.writer, &payload(1, 30), 1).unwrap() != Append::Full {}
    let mut other = rig.clone();
    other.options.dir = PathBuf::from("/data/spool/1");
    let mut opened = other.open();
    for position in 1..=40 {
        let appended = append(&mut opened.writer, &payload(position, 30), 1).unwrap();
        assert_eq!(appended, Append::Done { position: Position(position) });
        opened.writer.sync().unwrap();
        drain(&mut opened.reader);
        opened.reader.confirm(Position(position));
        opened.reader.flush_cursor().unwrap();
        assert!(rig.options.budget.used() <= 600 + 2 * 200, "SP-6: one segment a spool");
    }
}

#[test]
fn sp_6_an_entry_larger_than_a_segment_gets_one_of_its_own() {
    let rig = Rig::new(200, 2_000);
    let mut opened = rig.open();
    for (position, fill) in [(1, 10), (2, 900), (3, 10), (4, 500)] {
        append(&mut opened.writer, &payload(position, fill), 1).unwrap();
    }
    opened.writer.sync().unwrap();
    drop(opened);
    assert_eq!(drain(&mut rig.open().reader).0, [1, 2, 3, 4]);
}

#[test]
fn sp_7_and_i4_a_missing_segment_is_reported_and_the_others_are_read() {
    let rig = Rig::new(200, 10_000).with_entries(20);
    let gone = rig.segments().remove(2);
    rig.disk.take(&gone);
    let mut opened = rig.open();
    let damaged = opened.recovery.damaged_entries;
    let (read, batches) = drain(&mut opened.reader);
    assert!(damaged > 0 && read.len() as u64 + damaged == 20);
    assert_eq!(lost(&batches), damaged);
    assert_eq!(opened.recovery.items, read.len() as u64);
}

#[test]
fn sp_8_a_spool_is_opened_once_and_looked_at_without_the_lock() {
    let rig = Rig::new(4096, 100_000).with_entries(3);
    let opened = rig.open();
    assert!(matches!(rig.try_open(), Err(OpenError::Locked { .. })));
    let status = super::super::status(&rig.disk, &rig.options.dir).unwrap();
    assert_eq!((status.last, status.entries(), status.items), (Position(3), 3, 3));
    let Opened { writer, reader, .. } = opened;
    drop(writer);
    assert!(matches!(rig.try_open(), Err(OpenError::Locked { .. })), "one half holds it too");
    drop(reader);
    rig.open();
}

#[test]
fn i2_a_failed_sync_poisons_the_writer_and_is_never_tried_again() {
    let rig = Rig::new(4096, 100_000).with_entries(2);
    let mut opened = rig.open();
    append(&mut opened.writer, &payload(3, 20), 1).unwrap();
    let error = io::ErrorKind::Other;
    rig.disk.set_fault(Some(Fault {
        call: Some(Call::SyncData),
        nth: 0,
        error,
        is_permanent: false,
    }));
    let failed = opened.writer.sync().unwrap_err();
    assert_eq!(failed.disposition(), Disposition::Halt);
    assert!(matches!(opened.writer.sync(), Err(SyncError::Poisoned)));
    let refused = append(&mut opened.writer, b"4", 1).unwrap_err();
    assert_eq!(refused.disposition(), Disposition::Halt);
    assert_eq!(drain(&mut opened.reader).0, [1, 2], "what is durable is still shipped");
}

#[test]
fn i5_a_new_segment_is_reachable_after_any_power_cut() {
    // Every seed keeps or loses each name that was not synced with its folder.
    for seed in 0..64 {
        let rig = Rig::new(150, 100_000).with_entries(9);
        rig.disk.crash(seed);
        assert_eq!(drain(&mut rig.open().reader).0, (1..=9).collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn i7_what_is_sent_again_is_byte_identical() {
    let rig = Rig::new(150, 100_000).with_entries(9);
    let mut bodies = [Vec::new(), Vec::new()];
    for body in &mut bodies {
        while rig.open().reader.read_batch(body, ALL).unwrap().is_none() {}
    }
    assert_eq!(bodies[0], bodies[1]);
}

#[test]
fn i8_a_full_disk_is_no_failure_and_nothing_of_the_entry_is_written() {
    let rig = Rig::new(300, 1 << 20).with_entries(1);
    let mut opened = rig.open();
    rig.disk.set_capacity(Some(rig.disk.used() + 100));
    let mut last = 1;
    while append(&mut opened.writer, &payload(last + 1, 30), 1).unwrap() != Append::Full {
        last += 1;
    }
    opened.writer.sync().unwrap();
    let mark = rig.options.budget.mark();
    assert_eq!(append(&mut opened.writer, &payload(last + 1, 30), 1).unwrap(), Append::Full);
    assert_eq!(rig.options.budget.mark(), mark, "a waiting writer does not wake itself by trying");
    rig.disk.set_capacity(None);
    let appended = append(&mut opened.writer, &payload(last + 1, 30), 1).unwrap();
    assert_eq!(appended, Append::Done { position: Position(last + 1) });
    opened.writer.sync().unwrap();
    drop(opened);
    assert_eq!(drain(&mut rig.open().reader).0, (1..=last + 1).collect::<Vec<_>>());
}

#[test]
fn i8_a_reserved_segment_that_has_no_room_after_all_halts() {
    let rig = Rig::new(4096, 100_000).with_entries(1);
    let mut opened = rig.open();
    let error = io::ErrorKind::StorageFull;
    rig.disk.set_fault(Some(Fault {
        call: Some(Call::WriteAllAt),
        nth: 0,
        error,
        is_permanent: false,
    }));
    let failed = append(&mut opened.writer, &payload(2, 20), 1).unwrap_err();
    assert_eq!(failed.disposition(), Disposition::Halt);
    // Where the file system cannot reserve, nothing was promised.
    let rig = Rig::new(4096, 100_000);
    rig.disk.disable_allocate();
    let mut opened = rig.open();
    append(&mut opened.writer, &payload(1, 20), 1).unwrap();
    rig.disk.set_fault(Some(Fault {
        call: Some(Call::WriteAllAt),
        nth: 0,
        error,
        is_permanent: false,
    }));
    assert_eq!(append(&mut opened.writer, &payload(2, 20), 1).unwrap(), Append::Full);
    append(&mut opened.writer, &payload(2, 2), 1).unwrap();
    opened.writer.sync().unwrap();
    drop(opened);
    assert_eq!(drain(&mut rig.open().reader).0, [1, 2]);
}

/// One run of a spool: appends, syncs, reads, confirms; ends at the first error. Returns the last
/// positions that were reported as durable and as confirmed.
fn live(rig: &Rig, appended: &mut u64) -> (u64, u64) {
    let (mut durable, mut confirmed) = (0, 0);
    let Ok(mut opened) = rig.try_open() else {
        return (durable, confirmed);
    };
    durable = opened.recovery.last.0;
    *appended = durable;
    let mut body = Vec::new();
    for round in 0..12_u64 {
        for _ in 0..2 {
            match append(&mut opened.writer, &payload(*appended + 1, 30), 1) {
                Ok(Append::Done { .. }) => *appended += 1,
                Ok(Append::Full) => {}
                Err(_) => return (durable, confirmed),
            }
        }
        match opened.writer.sync() {
            Ok(synced) => durable = synced.upto.0,
            Err(_) => return (durable, confirmed),
        }
        if round % 3 == 2
            && let Ok(Some(batch)) = opened.reader.read_batch(&mut body, ALL)
        {
            opened.reader.confirm(batch.last);
            confirmed = batch.last.0;
            if opened.reader.flush_cursor().is_err() {
                return (durable, confirmed);
            }
        }
    }
    (durable, confirmed)
}

#[test]
fn every_disk_operation_may_fail_once_or_always_and_nothing_durable_is_lost() {
    // The n-th call fails, for every n until no call is left; then the power is cut and the spool
    // is opened on a disk that works: everything that was durable and not confirmed comes back, in
    // order, and the spool continues.
    let errors = [io::ErrorKind::Other, io::ErrorKind::StorageFull, io::ErrorKind::NotFound];
    for (kind, error) in errors.into_iter().enumerate() {
        for is_permanent in [false, true] {
            for nth in 0.. {
                let rig = Rig::new(200, 5_000).with_entries(3);
                rig.disk.set_fault(Some(Fault { call: None, nth, error, is_permanent }));
                let mut appended = 3;
                let (durable, confirmed) = live(&rig, &mut appended);
                let struck = rig.disk.is_fault_injected();
                let context = format!("call {nth} {error:?} {is_permanent}");
                rig.disk.set_fault(None);
                // Killed and started again: the second run may ship what it finds, so that must
                // stay.
                let found = (nth % 2 == 0).then(|| rig.open().recovery.last);
                rig.disk.crash(nth * 7 + kind as u64);
                let mut opened = rig.open();
                assert!(found.is_none_or(|found| opened.recovery.last >= found), "SP-2: {context}");
                assert!(opened.recovery.last.0 >= durable.max(3), "SP-2: {context}");
                assert!(opened.recovery.last.0 <= appended.max(3), "SP-3: {context}");
                let (read, batches) = drain(&mut opened.reader);
                let from = opened.recovery.confirmed.0;
                assert!(from <= confirmed, "SP-4: {context}");
                let unsure = |position: &u64| *position > durable.max(3);
                let gone = (from + 1..=opened.recovery.last.0).filter(|p| !read.contains(p));
                let gone: Vec<u64> = gone.collect();
                assert!(gone.iter().all(unsure), "SP-2: {gone:?} lost, {context}");
                assert_eq!(lost(&batches), gone.len() as u64, "SP-7: {context}");
                let next = opened.recovery.last.0 + 1;
                let done = append(&mut opened.writer, &payload(next, 30), 1).unwrap();
                assert_eq!(done, Append::Done { position: Position(next) }, "SP-1: {context}");
                opened.writer.sync().unwrap();
                if !struck {
                    break;
                }
            }
        }
    }
}
