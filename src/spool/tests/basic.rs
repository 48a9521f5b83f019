//! The ordinary life of a spool, on a real disk.

use std::sync::Arc;

use crate::{
    env::disk::RealDisk,
    model::{LineDialect, Position},
};

use super::super::{Append, BatchLimits, Budget, EntryBuffer, Options, open};

#[test]
fn what_was_synced_is_read_after_a_restart_on_a_real_disk() {
    // Rotates through several segments, reads half, restarts, reads the rest.
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        dir: dir.path().join("a/b"),
        dialect: LineDialect::Signed,
        segment_bytes_max: 4096,
        budget: Arc::new(Budget::new(1 << 20)),
    };
    let mut opened = open(Arc::new(RealDisk), options.clone()).unwrap();
    let mut entry = EntryBuffer::new();
    for n in 0..100_u32 {
        entry.bytes_mut().extend_from_slice(format!("entry {n} {}\n", "x".repeat(100)).as_bytes());
        entry.items = n;
        let appended = opened.writer.append_unsynced(&mut entry).unwrap();
        assert_eq!(appended, Append::Done { position: Position(u64::from(n) + 1) });
        opened.writer.sync().unwrap();
        entry.clear();
    }
    let mut body = Vec::new();
    let limits = BatchLimits { bytes_max: 6000, items_max: u64::MAX };
    let batch = opened.reader.read_batch(&mut body, limits).unwrap().unwrap();
    assert_eq!(batch.first, Position(1));
    assert!(body.len() <= 6000 && body.starts_with(b"entry 0 x"));
    opened.reader.confirm(batch.last);
    opened.reader.flush_cursor().unwrap();
    let read = batch.items;
    drop(opened);

    let mut opened = open(Arc::new(RealDisk), options).unwrap();
    assert_eq!(opened.recovery.confirmed, batch.last);
    assert_eq!(opened.recovery.items, 4950 - read);
    let limits = BatchLimits { bytes_max: u64::MAX, items_max: u64::MAX };
    body.clear();
    let rest = opened.reader.read_batch(&mut body, limits).unwrap().unwrap();
    assert_eq!((rest.first, rest.last), (batch.last.next(), Position(100)));
    assert_eq!(rest.items, 4950 - read);
    assert_eq!(rest.damaged, None);
}
