//! The work of the journal's thread between two groups: it writes snapshots of the table, deletes
//! segments that are not needed, and moves messages out of segments of which little is needed.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    blocks::Blocks,
    journal::{Shared, TABLE_NAME},
    record::{VERSION, write_moved},
    table::{Block, Pieces},
};
use crate::{
    model::{Disposition, Position},
    spool::{Append, EntryBuffer, Maintenance, SegmentFacts, Writer, write_file},
    telemetry::Chain,
};

/// The maximum bytes of moved messages in one frame.
const MOVED_BYTES: usize = 1 << 20;

/// The maintenance of the journal.
#[derive(Debug)]
pub(super) struct JournalMaintenance {
    shared: Arc<Shared>,
    blocks: Blocks,
    segment_bytes: u64,
    /// A restart replays the frames after this position.
    upto: Position,
    /// Bytes of the last snapshot.
    snapshot_bytes: u64,
    /// The last snapshot could not be written; it is tried again when the log has reached this
    /// position.
    not_before: Option<Position>,
    /// Segments that cannot be read, and are therefore kept.
    unreadable: BTreeSet<Position>,
    /// The last reported state of the room.
    is_full: bool,
}

impl JournalMaintenance {
    pub(super) fn new(shared: Arc<Shared>, segment_bytes: u64, upto: Position) -> Self {
        let blocks = Blocks::new(Arc::clone(&shared.disk), &shared.options.dir);
        Self {
            shared,
            blocks,
            segment_bytes,
            upto,
            snapshot_bytes: 0,
            not_before: None,
            unreadable: BTreeSet::new(),
            is_full: false,
        }
    }

    /// Whether little room is left.
    fn is_tight(&self) -> bool {
        self.shared.budget.used() > self.shared.budget.bytes_max() / 4 * 3
    }

    /// Bytes of sealed segments of which nothing is needed.
    fn idle_bytes(&self, sealed: &[SegmentFacts]) -> u64 {
        let table = self.shared.table();
        let idle = |segment: &&SegmentFacts| table.messages.wanted_of(segment.first).messages == 0;
        sealed.iter().filter(idle).map(|segment| segment.bytes).sum()
    }

    fn wants_snapshot(&self, sealed: &[SegmentFacts]) -> bool {
        let behind = sealed.iter().filter(|segment| segment.last > self.upto);
        let behind: u64 = behind.map(|segment| segment.bytes).sum();
        let idle = self.idle_bytes(sealed);
        behind >= self.segment_bytes.max(3 * self.snapshot_bytes)
            || idle >= self.segment_bytes.max(self.snapshot_bytes)
            || (self.is_tight() && idle > 0)
    }

    /// Writes a snapshot of everything that is durable, then deletes the segments that are not
    /// needed any more.
    fn snapshot(&mut self, writer: &mut Writer) {
        let upto = Position(writer.next_position().0 - 1);
        if self.not_before.is_some_and(|position| upto < position) {
            return;
        }
        let mut pieces = Pieces::new(upto);
        let Shared { disk, options, .. } = &*self.shared;
        let mut fill = |entry: &mut EntryBuffer| {
            // The lock is released between two pieces; only this thread changes the table.
            pieces.next(&self.shared.table(), entry.bytes_mut())
        };
        match write_file(disk.as_ref(), &options.dir, TABLE_NAME, &mut fill) {
            Ok(bytes) => {
                self.upto = upto;
                self.snapshot_bytes = bytes;
                self.not_before = None;
                self.shared.metrics.sessions_snapshots.inc();
            }
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "the table of sessions is not written now");
                // Try again, but not at once.
                self.not_before = Some(Position(upto.0 + 1000));
                return;
            }
        }
        for segment in writer.segments() {
            let is_wanted = self.shared.table().messages.wanted_of(segment.first).messages > 0;
            if !segment.sealed || segment.last > self.upto || is_wanted {
                continue;
            }
            if let Err(error) = writer.remove_segment(segment.first) {
                tracing::warn!(error = %Chain(&error), "a file of the journal stays for now");
                return;
            }
        }
    }

    /// The segment that frees most room compared to the bytes that must be moved out of it, if that
    /// is worth it.
    fn victim(&self, sealed: &[SegmentFacts]) -> Option<SegmentFacts> {
        let table = self.shared.table();
        let wanted = |segment: &SegmentFacts| table.messages.wanted_of(segment.first).bytes;
        let all: u64 = sealed.iter().map(|segment| segment.bytes).sum();
        if !self.is_tight() && table.messages.bytes() > all / 2 {
            return None;
        }
        let worth = sealed.iter().filter(|segment| {
            let wanted = wanted(segment);
            let is_readable = !self.unreadable.contains(&segment.first);
            is_readable && wanted > 0 && wanted < segment.bytes / 4 * 3
        });
        worth.min_by_key(|segment| wanted(segment)).copied()
    }

    /// Moves the needed messages out of a segment: they are durable in the new place before the
    /// table refers to it.
    fn relocate(&mut self, writer: &mut Writer, segment: SegmentFacts) -> Result<(), String> {
        let wanted = self.shared.table().messages.of_segment(segment.first);
        let mut moved: Vec<(u32, Block)> = Vec::new();
        let mut rest = wanted.into_iter().peekable();
        while rest.peek().is_some() {
            let mut entry = EntryBuffer::new();
            entry.bytes_mut().push(VERSION);
            let mut inside: Vec<(u32, u32, u32)> = Vec::new();
            while entry.len() < MOVED_BYTES
                && let Some((message, block)) = rest.next()
            {
                // Copied without a check: the reader of the message checks it.
                match self.blocks.read(block) {
                    Ok(bytes) => {
                        let header = entry.bytes_mut().len() - entry.len();
                        let at = write_moved(entry.bytes_mut(), &bytes) - header;
                        inside.push((message, u32::try_from(at).unwrap_or(u32::MAX), block.len));
                    }
                    Err(error) => {
                        tracing::error!(%error, "a file of the journal cannot be read: it stays");
                        self.unreadable.insert(segment.first);
                        return Ok(());
                    }
                }
            }
            match writer.append_unsynced(&mut entry) {
                Ok(Append::Done { .. }) => {}
                Ok(Append::Full) => break,
                Err(error) if error.disposition() == Disposition::Retry => break,
                Err(error) => return Err(Chain(&error).to_string()),
            }
            let place = writer.last_place();
            let begin = u32::try_from(place.offset).expect("segments are far below 4 GiB");
            moved.extend(inside.into_iter().map(|(message, at, len)| {
                (message, Block { segment: place.segment.0, offset: begin + at, len })
            }));
        }
        writer.sync().map_err(|error| Chain(&error).to_string())?;
        let mut table = self.shared.table();
        for (message, block) in moved {
            table.messages.relocate(message, block);
        }
        self.shared.metrics.sessions_moved_segments.inc();
        Ok(())
    }

    /// Reports whether there is room for records that can be refused, and how much.
    fn show(&mut self) {
        let used = self.shared.budget.used();
        let is_full = self.shared.is_full();
        if std::mem::replace(&mut self.is_full, is_full) != is_full {
            if is_full {
                tracing::warn!(
                    used,
                    max = self.shared.budget.bytes_max(),
                    "the session journal is full: sessions get nothing new until they take what \
                     waits, or mqtt.sessions.max-size is raised"
                );
            } else {
                tracing::info!("room in the session journal again");
            }
        }
        let (sessions, queued) = self.shared.table().counts();
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let metrics = &self.shared.metrics;
        metrics.sessions_stored_sessions.set(gauge(sessions as u64));
        metrics.sessions_queued_messages.set(gauge(queued));
        metrics.sessions_disk_bytes.set(gauge(used));
    }
}

impl Maintenance for JournalMaintenance {
    fn maintain(&mut self, writer: &mut Writer) -> Result<(), String> {
        let mut sealed = writer.segments();
        sealed.retain(|segment| segment.sealed);
        if !sealed.is_empty() {
            if self.wants_snapshot(&sealed) {
                self.snapshot(writer);
            } else if let Some(victim) = self.victim(&sealed) {
                self.relocate(writer, victim)?;
            }
        }
        self.show();
        Ok(())
    }

    fn close(&mut self, writer: &mut Writer) {
        if writer.next_position() > self.upto.next() {
            self.snapshot(writer);
        }
    }
}
