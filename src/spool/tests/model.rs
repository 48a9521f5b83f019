//! The spool against a naive model, over random histories on a disk that forgets.
//!
//! A history is a list of operations: appends, syncs, reads, confirmations, and everything that can
//! happen to a machine between them: power cuts that keep or lose each unsynced write, restarts,
//! torn tails, flipped bytes, a full disk. Segments are tiny, so that rotation, release and "full"
//! happen all the time. After each operation the spool must agree with [`Model`], which keeps
//! entries in a vector and knows of each entry only whether it may be missing. A flipped byte may
//! cost at most one entry; everything else that was synced must come back, intact and in order.

use std::collections::BTreeSet;

use proptest::{
    prelude::*,
    test_runner::{FailurePersistence, FileFailurePersistence},
};

use super::{
    super::{CursorState, Recovery, format::ENTRY_HEADER_BYTES, inspect},
    *,
};

const SEGMENT_BYTES: u64 = 300;
const BUDGET_BYTES: u64 = 1500;
const FILL_MAX: usize = 400;

#[derive(Clone, Debug)]
enum Operation {
    Append { fill: usize, items: u32 },
    Sync,
    Read { bytes_max: u64 },
    Confirm,
    FlushCursor,
    Crash { seed: u64 },
    TearTail { bytes: usize },
    FlipByte { file: usize, offset: usize, bits: u8 },
    FillDisk { room: Option<u64> },
    Reopen,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => (prop_oneof![9 => 0..40_usize, 1 => 0..FILL_MAX], 0..100_u32)
            .prop_map(|(fill, items)| Operation::Append { fill, items }),
        4 => Just(Operation::Sync),
        3 => (0..600_u64).prop_map(|bytes_max| Operation::Read { bytes_max }),
        2 => Just(Operation::Confirm),
        2 => Just(Operation::FlushCursor),
        2 => any::<u64>().prop_map(|seed| Operation::Crash { seed }),
        1 => (1..60_usize).prop_map(|bytes| Operation::TearTail { bytes }),
        1 => (any::<usize>(), any::<usize>(), 1..=255_u8)
            .prop_map(|(file, offset, bits)| Operation::FlipByte { file, offset, bits }),
        1 => prop::option::of(0..1000_u64).prop_map(|room| Operation::FillDisk { room }),
        1 => Just(Operation::Reopen),
    ]
}

/// What the spool must hold.
#[derive(Debug, Default)]
struct Model {
    /// Index 0 is position 1.
    entries: Vec<Entry>,
    /// Positions up to here are durable, read, confirmed, durably confirmed.
    synced: u64,
    read: u64,
    confirmed: u64,
    flushed: u64,
    /// Bytes flipped, in all and since the last opening; each may have cost one entry.
    flips: u64,
    flips_of_life: u64,
    /// Entries that had to be there and are not.
    lost: u64,
    /// Items since the last opening: what the ledger would count.
    items_in: u64,
    items_out: u64,
}

#[derive(Debug)]
struct Entry {
    payload: Vec<u8>,
    items: u32,
    certainty: Certainty,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Certainty {
    /// Written, not synced.
    Written,
    /// Synced, or found by a restart without a power cut.
    Sure,
    /// Not synced when the power was cut: it may be there, or a hole in its place.
    Doubtful,
}

/// Where the model keeps a position.
fn at(position: u64) -> usize {
    usize::try_from(position - 1).unwrap()
}

impl Model {
    fn last(&self) -> u64 {
        self.entries.len() as u64
    }

    fn sync(&mut self) {
        for entry in &mut self.entries[at(self.synced + 1)..] {
            entry.certainty = Certainty::Sure;
            self.items_in += u64::from(entry.items);
        }
        self.synced = self.last();
    }

    fn missing(&mut self, position: u64) {
        let entry = &mut self.entries[at(position)];
        if entry.certainty == Certainty::Sure {
            // It is counted once, however often it is found missing.
            entry.certainty = Certainty::Doubtful;
            self.lost += 1;
        }
        assert!(self.lost <= self.flips, "SP-2, SP-7: entry {position} is gone without a reason");
    }

    /// What was read must be what was appended, and what is not there must be reported.
    fn read(&mut self, body: &[u8], batch: &Batch) {
        assert_eq!(batch.first.0, self.read + 1, "SP-1: without gaps");
        assert!(batch.last.0 <= self.synced, "only durable entries are read");
        let there: BTreeSet<u64> = positions(body).into_iter().collect();
        let mut expected = Vec::new();
        let mut items = 0;
        for position in batch.first.0..=batch.last.0 {
            if there.contains(&position) {
                let entry = &self.entries[at(position)];
                expected.extend_from_slice(&entry.payload);
                items += u64::from(entry.items);
            } else {
                self.missing(position);
            }
        }
        assert_eq!(body, expected, "whole, byte for byte, in order");
        assert_eq!((batch.entries, batch.items), (there.len() as u64, items));
        let damage = batch.damaged.unwrap_or_default();
        assert_eq!(damage.entries, batch.last.0 + 1 - batch.first.0 - there.len() as u64, "SP-7");
        self.read = batch.last.0;
        self.items_out += items + damage.items;
    }

    fn opened(&mut self, recovery: &Recovery, power_cut: bool) {
        let last = recovery.last.0;
        assert!(last <= self.last(), "SP-3: nothing is invented");
        for entry in &mut self.entries {
            if entry.certainty == Certainty::Written {
                entry.certainty = if power_cut { Certainty::Doubtful } else { Certainty::Sure };
            }
        }
        for position in last + 1..=self.last() {
            self.missing(position);
        }
        self.entries.truncate(at(last + 1));
        let confirmed = recovery.confirmed.0;
        match recovery.cursor {
            // A flipped byte has cut confirmed entries off the end.
            CursorState::Ahead { .. } => assert!(self.flips > 0 && confirmed < self.flushed),
            _ => assert_eq!(confirmed, self.flushed, "SP-4: the durable cursor, no more, no less"),
        }
        self.synced = last;
        (self.read, self.confirmed, self.flushed) = (confirmed, confirmed, confirmed);
        (self.items_in, self.items_out, self.flips_of_life) = (recovery.items, 0, 0);
    }
}

struct World {
    rig: Rig,
    opened: Option<Opened>,
    model: Model,
}

impl World {
    fn new() -> Self {
        let rig = Rig::new(SEGMENT_BYTES, BUDGET_BYTES);
        let opened = Some(rig.open());
        Self { rig, opened, model: Model::default() }
    }

    fn spool(&mut self) -> &mut Opened {
        self.opened.as_mut().unwrap()
    }

    fn reopen(&mut self, power_cut: Option<u64>) -> Recovery {
        self.opened = None;
        if let Some(seed) = power_cut {
            self.rig.disk.crash(seed);
        }
        let opened = self.rig.open();
        self.model.opened(&opened.recovery, power_cut.is_some());
        let recovery = opened.recovery;
        self.opened = Some(opened);
        recovery
    }

    fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Append { fill, items } => self.append(fill, items),
            Operation::Sync => self.sync(),
            Operation::Read { bytes_max } => {
                self.read(BatchLimits { bytes_max, items_max: u64::MAX });
            }
            Operation::Confirm => {
                let read = self.model.read;
                self.spool().reader.confirm(Position(read));
                self.model.confirmed = read;
            }
            Operation::FlushCursor => {
                self.spool().reader.flush_cursor().unwrap();
                self.model.flushed = self.model.confirmed;
            }
            Operation::Crash { seed } => drop(self.reopen(Some(seed))),
            Operation::Reopen => drop(self.reopen(None)),
            Operation::TearTail { bytes } => self.tear_tail(bytes),
            Operation::FlipByte { file, offset, bits } => self.flip(file, offset, bits),
            Operation::FillDisk { room } => {
                let capacity = room.map(|room| self.rig.disk.used() + room);
                self.rig.disk.set_capacity(capacity);
            }
        }
    }

    fn append(&mut self, fill: usize, items: u32) {
        let payload = payload(self.model.last() + 1, fill);
        match append(&mut self.spool().writer, &payload, items).unwrap() {
            Append::Full => {}
            Append::Done { position } => {
                self.model.entries.push(Entry { payload, items, certainty: Certainty::Written });
                assert_eq!(position.0, self.model.last(), "SP-1");
            }
        }
    }

    fn sync(&mut self) {
        let synced = self.spool().writer.sync().unwrap();
        assert_eq!(synced.entries, self.model.last() - self.model.synced);
        self.model.sync();
        assert_eq!(synced.upto.0, self.model.synced);
    }

    /// Reads one batch; false if there was none.
    fn read(&mut self, limits: BatchLimits) -> bool {
        let mut body = Vec::new();
        let batch = self.spool().reader.read_batch(&mut body, limits).unwrap();
        match &batch {
            Some(batch) => self.model.read(&body, batch),
            // The end may be gone with a file; the next entry will show the gap.
            None => (self.model.read + 1..=self.model.synced).for_each(|p| self.model.missing(p)),
        }
        batch.is_some()
    }

    /// Puts the beginning of an entry behind the last one, as a crash in a write does.
    fn tear_tail(&mut self, bytes: usize) {
        self.opened = None;
        if let Some(path) = self.rig.segments().last() {
            let next = self.model.last() + 1;
            let mut entry = EntryBuffer::new();
            entry.bytes_mut().extend_from_slice(&payload(next, 60));
            let torn = &entry.seal(Position(next)).unwrap()[..bytes];
            let mut content = self.rig.disk.bytes(path).unwrap();
            let end = content.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
            // An entry may end in zeros, and a sealed segment is not written to any more.
            let status = inspect::status(&self.rig.disk, &self.rig.options.dir).unwrap();
            if status.last.0 == self.model.last() && content.len() >= end + bytes {
                content[end..end + bytes].copy_from_slice(torn);
                self.rig.disk.put(path, content);
            }
        }
        self.reopen(None);
    }

    fn flip(&mut self, file: usize, offset: usize, bits: u8) {
        let segments = self.rig.segments();
        if segments.is_empty() {
            return;
        }
        let path = &segments[file % segments.len()];
        let content = self.rig.disk.bytes(path).unwrap();
        let used = content.iter().rposition(|byte| *byte != 0).map_or(1, |at| at + 1);
        self.rig.disk.flip(path, offset % used, bits);
        self.model.flips += 1;
        self.model.flips_of_life += 1;
    }

    fn check(&mut self) {
        let largest = SEGMENT_BYTES.max((FILL_MAX + ENTRY_HEADER_BYTES + 120) as u64);
        let used = self.rig.options.budget.used();
        assert!(used <= BUDGET_BYTES + largest, "SP-6: {used} bytes");
        let on_disk: usize =
            self.rig.segments().iter().map(|path| self.rig.disk.bytes(path).unwrap().len()).sum();
        assert!(on_disk as u64 <= used, "SP-6: {on_disk} bytes on disk, {used} in the budget");
        let reader = &self.spool().reader;
        assert!(reader.confirmed() <= *reader.durable().borrow(), "SP-4");
    }

    /// Everything that is there can be read, the ledger balances, and the spool can be emptied.
    fn finish(mut self) {
        self.rig.disk.set_capacity(None);
        self.sync();
        while self.read(ALL) {}
        if self.model.flips_of_life <= 1 {
            assert_eq!(self.model.items_in, self.model.items_out, "recovered + spooled comes out");
        }
        self.apply(Operation::Confirm);
        self.apply(Operation::FlushCursor);
        let last = self.model.last();
        let recovery = self.reopen(None);
        if self.model.flips == 0 {
            assert_eq!(recovery.items, 0, "nothing lies past the cursor");
            assert_eq!(recovery.last.0, last, "positions go on");
        }
    }
}

/// Failures that were found earlier are tried first.
fn kept() -> Option<Box<dyn FailurePersistence>> {
    Some(Box::new(FileFailurePersistence::WithSource("seeds")))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: kept(),
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_spool_keeps_its_promises_over_random_histories(
        operations in prop::collection::vec(operation(), 1..80),
    ) {
        let mut world = World::new();
        for operation in operations {
            world.apply(operation);
            world.check();
        }
        world.finish();
    }
}
