//! An open journal without its threads: the tests do their work step by step.

use std::{path::PathBuf, sync::Arc};

use super::super::{
    Answered, Change, Outcome, Piece, Wanted,
    blocks::Blocks,
    fetch,
    journal::Shared,
    maintenance::JournalMaintenance,
    options::Options,
    recovery::{OpenError, Recovery, recover},
};
use crate::{
    env::{disk::Disk, sim::SimDisk},
    model::{Disposition, SessionId, UnixNanos},
    spool::{Append, Maintenance, Submission, Writer},
    telemetry::{HealthBoard, Metrics},
};

pub(super) type Answers = Arc<std::sync::Mutex<Vec<Answered<u32>>>>;

/// An open journal.
pub(super) struct OpenJournal {
    pub(super) shared: Arc<Shared>,
    pub(super) maintenance: JournalMaintenance,
    pub(super) writer: Writer,
    pub(super) recovery: Recovery,
    pub(super) answers: Answers,
}

/// A small journal: rotation, snapshots and moving happen all the time.
pub(super) fn options(bytes_max: u64) -> Options {
    Options {
        bytes_max,
        queue_messages_max: 12,
        queue_bytes_max: 2000,
        per_identity_max: 3,
        count_max: 8,
        ..Options::new(PathBuf::from("/data/sessions"))
    }
}

/// A time in seconds.
pub(super) fn second(number: u64) -> UnixNanos {
    UnixNanos(i64::try_from(number).unwrap() * 1_000_000_000)
}

pub(super) fn live(number: u64) -> SessionId {
    SessionId { worker: 0, number }
}

impl OpenJournal {
    pub(super) fn begin(
        disk: &SimDisk,
        options: &Options,
        now: UnixNanos,
    ) -> Result<Self, OpenError> {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let recovered = recover(&disk, options, now)?;
        let metrics = Arc::new(Metrics::new(HealthBoard::default()));
        let (table, budget) = (recovered.table, recovered.budget);
        let shared = Arc::new(Shared::new(table, disk, options.clone(), budget, metrics));
        let maintenance =
            JournalMaintenance::new(Arc::clone(&shared), options.segment_bytes(), recovered.upto);
        let (writer, recovery) = (recovered.writer, recovered.recovery);
        Ok(Self { shared, maintenance, writer, recovery, answers: Answers::default() })
    }

    pub(super) fn change(&self) -> Box<Change<u32>> {
        let answers = Arc::clone(&self.answers);
        let tell = Arc::new(move |answered| answers.lock().unwrap().push(answered));
        Box::new(Change::new(Arc::clone(&self.shared), tell))
    }

    /// Whether there is room for a change; `None` if the journal has halted.
    pub(super) fn has_room(&mut self, change: &mut Change<u32>) -> Option<bool> {
        match self.writer.make_room(change.entry()) {
            Ok(has_room) => Some(has_room),
            Err(error) => (error.disposition() == Disposition::Retry).then_some(false),
        }
    }

    /// Decides, and appends if there is room; false if the journal has halted.
    pub(super) fn append(&mut self, change: &mut Change<u32>) -> bool {
        change.decide();
        let appended = self.writer.append_unsynced(change.entry());
        change.appended(self.writer.last_place());
        matches!(appended, Ok(Append::Done { .. }))
    }

    /// Appends, syncs and answers one change; returns the outcomes of its records.
    pub(super) fn commit(&mut self, mut change: Box<Change<u32>>) -> Vec<Outcome> {
        assert_eq!(self.has_room(&mut change), Some(true));
        assert!(self.append(&mut change));
        self.writer.sync().unwrap();
        change.answer(true);
        self.maintenance.maintain(&mut self.writer).unwrap();
        let answered = self.answers.lock().unwrap().pop().unwrap();
        answered.tickets.into_iter().map(|(_, outcome)| outcome).collect()
    }

    /// A piece of a session's queue.
    pub(super) fn fetch(&self, session: u64, from: u64, upto: u64, bytes_max: usize) -> Piece {
        let mut blocks = Blocks::new(Arc::clone(&self.shared.disk), &self.shared.options.dir);
        fetch::piece(&self.shared, &mut blocks, &Wanted { session, from, upto, bytes_max })
    }
}
