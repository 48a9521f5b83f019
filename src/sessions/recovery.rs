//! Recovery at a start: reads the last snapshot, then every later frame.

use std::{collections::BTreeMap, io, sync::Arc};

use super::{
    blocks::Blocks,
    journal::{Shared, TABLE_NAME},
    message::StoredMessage,
    options::Options,
    record::{Closing, VERSION, WillFate, write_close},
    table::{Broken, Limits, Pieces, SnapshotError, Table, load},
};
use crate::{
    env::disk::Disk,
    model::{Disposition, LineDialect, Position, UnixNanos},
    spool::{
        self, Append, AppendError, Budget, DiskFault, EntryBuffer, SurveyError, SyncError, Writer,
        read_file, write_file,
    },
};

/// What was found at a start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Sessions.
    pub sessions: u64,
    /// Messages queued for them or in flight.
    pub queued: u64,
    /// Retained messages.
    pub retained: u64,
    /// Frames of the journal and entries of the table that are lost; their bytes are in
    /// quarantine.
    pub damaged_frames: u64,
    /// Frames that were read after the table.
    pub replayed_frames: u64,
}

impl Recovery {
    pub(super) fn tell(&self) {
        let Self { sessions, queued, retained, damaged_frames, replayed_frames } = *self;
        if damaged_frames > 0 {
            tracing::error!(
                damaged_frames,
                "the session journal is damaged: what these frames changed is lost, their bytes \
                 are in quarantine"
            );
        }
        if sessions > 0 || retained > 0 {
            tracing::info!(sessions, queued, retained, replayed_frames, "recovered sessions");
        }
    }
}

/// Why the journal cannot be opened. Damage is not among the reasons.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its log cannot be opened; the source says what to do.
    #[error("cannot open the session journal")]
    Spool {
        /// Why.
        #[source]
        source: Box<spool::OpenError>,
    },
    /// What is there cannot be read, or is of an unknown version.
    #[error("cannot read the session journal")]
    Survey {
        /// Why.
        #[source]
        source: SurveyError,
    },
    /// The table was written by a version that this build does not know. Use that version.
    #[error("cannot read the session journal")]
    Table {
        /// Why.
        #[source]
        source: SnapshotError,
    },
    /// A frame was written by a version that this build does not know. Use that version.
    #[error("frame {} of the session journal has version {version}, which this build does not know", position.0)]
    Version {
        /// Which.
        position: Position,
        /// Its version.
        version: u8,
    },
    /// The disk refuses a write that the start needs.
    #[error("cannot write to the session journal")]
    Append {
        /// Why.
        #[source]
        source: AppendError,
    },
    /// The disk fails.
    #[error("cannot write to the session journal")]
    Sync {
        /// Why.
        #[source]
        source: SyncError,
    },
    /// Damaged bytes cannot be set aside.
    #[error("cannot set damaged bytes of the session journal aside")]
    Quarantine {
        /// Why.
        #[source]
        fault: DiskFault,
    },
    /// The table refers to lost frames of the journal, and cannot be rewritten.
    #[error("cannot write the table of sessions")]
    Rewrite {
        /// Why.
        #[source]
        fault: DiskFault,
    },
    /// No thread can be started; raise the limit of the machine.
    #[error("cannot start a thread of the session journal")]
    Thread {
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
}

/// A recovered journal.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) table: Table,
    pub(super) writer: Writer,
    pub(super) budget: Arc<Budget>,
    /// The last position that the snapshot covers.
    pub(super) upto: Position,
    pub(super) recovery: Recovery,
}

/// Opens the journal's log and reads it.
pub(super) fn recover(
    disk: &Arc<dyn Disk>,
    options: &Options,
    now: UnixNanos,
) -> Result<Recovered, OpenError> {
    let budget = Arc::new(Budget::new(options.bytes_max));
    let spool_options = spool::Options {
        dir: options.dir.clone(),
        // It holds no lines, but the header needs a dialect; this one can be used with every store.
        dialect: LineDialect::Signed,
        segment_bytes_max: options.segment_bytes(),
        budget: Arc::clone(&budget),
    };
    let opened = spool::open(Arc::clone(disk), spool_options)
        .map_err(|source| OpenError::Spool { source: Box::new(source) })?;
    let mut recovered = Recovered {
        table: Table::new(Limits::from(options)),
        writer: opened.writer,
        budget,
        upto: Position::ZERO,
        recovery: Recovery::default(),
    };
    recovered.read_table(disk.as_ref(), options)?;
    recovered.drop_lost_end(disk, options)?;
    recovered.replay(disk, options)?;
    recovered.table.messages.drop_unwanted();
    recovered.end_earlier_connections(now)?;
    let Recovered { table, recovery, .. } = &mut recovered;
    let (sessions, queued) = table.counts();
    (recovery.sessions, recovery.queued) = (sessions as u64, queued);
    recovery.retained = table.retained().count() as u64;
    Ok(recovered)
}

impl Recovered {
    fn read_table(&mut self, disk: &dyn Disk, options: &Options) -> Result<(), OpenError> {
        let survey = |source| OpenError::Survey { source };
        let found = read_file(disk, &options.dir, TABLE_NAME).map_err(survey)?;
        let Some((entries, count)) = found else { return Ok(()) };
        let mut failed = None;
        let mut seen = 0;
        let payloads = entries.map_while(|entry| match entry {
            Ok(stored) => Some(stored.payload),
            Err(error) => {
                failed = Some(error);
                None
            }
        });
        let mut broken = 0;
        for payload in payloads {
            seen += 1;
            let upto = load(&mut self.table, std::iter::once(payload.as_slice()), &mut broken)
                .map_err(|source| OpenError::Table { source })?;
            self.upto = self.upto.max(upto);
        }
        if let Some(source) = failed {
            return Err(OpenError::Survey { source });
        }
        // Without its end the number of entries is not known.
        let lost = count.map_or(1, |count| count.saturating_sub(seen));
        self.recovery.damaged_frames += lost + broken;
        Ok(())
    }

    /// If the disk did not keep what it had synced, the table may refer to lost frames at the end
    /// of the journal. Their positions and places will be reused, so first a table must be durable
    /// that does not refer to them.
    fn drop_lost_end(&mut self, disk: &Arc<dyn Disk>, options: &Options) -> Result<(), OpenError> {
        let last = Position(self.writer.next_position().0 - 1);
        if self.upto <= last {
            return Ok(());
        }
        let lost = self.upto.0 - last.0;
        self.recovery.damaged_frames = self.recovery.damaged_frames.saturating_add(lost);
        self.upto = last;
        let survey = |source| OpenError::Survey { source };
        let segments = self.writer.segments();
        let mut ends: BTreeMap<u64, u64> =
            segments.iter().map(|segment| (segment.first.0, u64::MAX)).collect();
        if let Some(open) = segments.iter().find(|segment| !segment.sealed) {
            ends.insert(open.first.0, 0);
            let entries = spool::entries(Arc::clone(disk), &options.dir, open.first);
            for stored in entries.map_err(survey)? {
                let stored = stored.map_err(survey)?;
                let end = stored.place.offset + stored.payload.len() as u64;
                ends.insert(stored.place.segment.0, end);
            }
        }
        self.table.messages.lose(|block| {
            let end = u64::from(block.offset) + u64::from(block.len);
            ends.get(&block.segment).is_none_or(|known| end > *known)
        });
        let mut pieces = Pieces::new(last);
        let mut fill = |entry: &mut EntryBuffer| pieces.next(&self.table, entry.bytes_mut());
        write_file(disk.as_ref(), &options.dir, TABLE_NAME, &mut fill)
            .map_err(|fault| OpenError::Rewrite { fault })?;
        Ok(())
    }

    fn replay(&mut self, disk: &Arc<dyn Disk>, options: &Options) -> Result<(), OpenError> {
        let survey = |source| OpenError::Survey { source };
        let entries = spool::entries(Arc::clone(disk), &options.dir, self.upto.next());
        let mut expected: Option<Position> = (self.upto > Position::ZERO).then(|| self.upto.next());
        let mut segment = None;
        for stored in entries.map_err(survey)? {
            let stored = stored.map_err(survey)?;
            let missing = expected.map_or(0, |expected| stored.position.0 - expected.0);
            if missing > 0 {
                self.recovery.damaged_frames += missing;
                for damaged in [segment, Some(stored.place.segment)].into_iter().flatten() {
                    self.writer
                        .set_damage_aside(damaged)
                        .map_err(|fault| OpenError::Quarantine { fault })?;
                }
            }
            segment = Some(stored.place.segment);
            expected = Some(stored.position.next());
            self.recovery.replayed_frames += 1;
            match self.table.apply_again(&stored.payload, stored.place) {
                Ok(()) => {}
                Err(Broken::Version(version)) => {
                    return Err(OpenError::Version { position: stored.position, version });
                }
                Err(Broken::Damaged) => self.recovery.damaged_frames += 1,
            }
        }
        Ok(())
    }

    /// Records that all connections of the previous process have ended, as far as there is room, so
    /// that later decisions depend only on the journal.
    fn end_earlier_connections(&mut self, now: UnixNanos) -> Result<(), OpenError> {
        self.table.unpublished_wills_due(now);
        let connected = self.table.connected();
        let mut has_room = true;
        // If one of these records is missing, the next start makes the same decision again.
        for some in connected.chunks(1 << 14) {
            let mut entry = EntryBuffer::new();
            entry.bytes_mut().push(VERSION);
            for (session, epoch, expiry, next) in some.iter().copied() {
                let closing = Closing {
                    session,
                    epoch,
                    at: now,
                    expiry,
                    will: WillFate::Delayed,
                    sent: next,
                };
                write_close(entry.bytes_mut(), &closing);
                entry.items += 1;
            }
            let applied = self.table.apply(entry.payload_mut());
            if !has_room {
                continue;
            }
            match self.writer.append_unsynced(&mut entry) {
                Ok(Append::Done { .. }) => self.table.place(&applied, self.writer.last_place()),
                Ok(Append::Full) => has_room = false,
                Err(error) if error.disposition() == Disposition::Retry => has_room = false,
                Err(source) => return Err(OpenError::Append { source }),
            }
        }
        self.writer.sync().map_err(|source| OpenError::Sync { source })?;
        Ok(())
    }
}

/// Reads all retained messages, in their order on disk.
pub(super) fn retained(shared: &Shared, visit: &mut dyn FnMut(u64, Vec<u8>)) -> io::Result<()> {
    let table = shared.table();
    let places =
        table.retained().map(|(_, number, message)| (table.messages.block(message), number));
    let mut places: Vec<_> = places.collect();
    drop(table);
    places.sort_unstable();
    let mut blocks = Blocks::new(Arc::clone(&shared.disk), &shared.options.dir);
    for (block, number) in places {
        let bytes = blocks.read(block)?;
        if StoredMessage::read(&bytes).is_some() {
            visit(number, bytes);
        } else {
            tracing::error!(segment = block.segment, "a retained message is damaged");
            shared.metrics.sessions_damaged_messages.inc();
        }
    }
    Ok(())
}
