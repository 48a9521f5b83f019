//! Opens a spool: takes its lock, surveys the folder, repairs what a crash left, and returns the
//! two halves. Idempotent: after a crash during recovery it is simply done again.

use std::{collections::VecDeque, io, path::PathBuf, sync::Arc};

use crate::{
    env::disk::{Access, Disk},
    model::{LineDialect, Position},
};

use super::{
    budget::Budget,
    cursor::{Cursor, CursorError, CursorFile},
    fault::{DiskFault, is_no_room},
    hold,
    outcome::AppendError,
    quarantine,
    reader::Reader,
    rewrite,
    shared::{Segment, Shared},
    survey::{CursorState, Survey, SurveyError, Surveyed, survey},
    writer::{Active, Writer, try_allocate},
};

/// The lock file's name in the spool's folder.
pub(super) const LOCK_NAME: &str = "lock";

/// What a spool is opened with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The spool's folder; made if it is missing.
    pub dir: PathBuf,
    /// The dialect of the lines of new entries.
    pub dialect: LineDialect,
    /// Bytes of a segment file; an entry that is larger gets a segment of its own.
    pub segment_bytes_max: u64,
    /// The bound on bytes on disk, shared by all spools.
    pub budget: Arc<Budget>,
}

/// A spool that is open.
#[derive(Debug)]
pub struct Opened {
    /// The half that appends.
    pub writer: Writer,
    /// The half that reads and confirms.
    pub reader: Reader,
    /// What was found.
    pub recovery: Recovery,
}

/// What a spool held when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The last position there is.
    pub last: Position,
    /// Reading continues after this position.
    pub confirmed: Position,
    /// Items past the cursor, including those of damaged entries as far as headers and footers say:
    /// what the ledger counts as recovered.
    pub items: u64,
    /// Entries past the cursor that are already known to be lost. They are part of `items`, and the
    /// reader reports them again when it skips them: count them there.
    pub damaged_entries: u64,
    /// Their items.
    pub damaged_items: u64,
    /// Bytes cut off the end: an entry that was being written at the moment of the crash.
    pub torn_bytes: u64,
    /// The state of the cursor file.
    pub cursor: CursorState,
    /// Files moved to `quarantine/` because they are not segments, or second copies of one.
    pub set_aside: u64,
}

/// Why a spool cannot be opened. Damage is not among the reasons.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process (or another part of this one) has it open.
    #[error("the spool in {} is in use", dir.display())]
    Locked {
        /// The folder.
        dir: PathBuf,
    },
    /// What is there cannot be read, or is of an unknown version.
    #[error("cannot recover the spool in {}", dir.display())]
    Survey {
        /// The folder.
        dir: PathBuf,
        /// Why.
        #[source]
        source: SurveyError,
    },
    /// The disk refused an operation.
    #[error("cannot open the spool in {}", dir.display())]
    Disk {
        /// The folder.
        dir: PathBuf,
        /// What failed.
        #[source]
        fault: DiskFault,
    },
    /// A cursor that cannot be trusted could not be replaced.
    #[error("cannot replace the cursor of the spool in {}", dir.display())]
    Cursor {
        /// The folder.
        dir: PathBuf,
        /// Why.
        #[source]
        source: CursorError,
    },
    /// The last segment is of another dialect and could not be closed.
    #[error("cannot close the last segment of the spool in {}", dir.display())]
    Seal {
        /// The folder.
        dir: PathBuf,
        /// Why.
        #[source]
        source: AppendError,
    },
}

/// Opens a spool.
///
/// # Errors
/// See [`OpenError`]: in use, of another version, or the disk does not work.
pub fn open(disk: Arc<dyn Disk>, options: Options) -> Result<Opened, OpenError> {
    let dir = options.dir.clone();
    let disk_error = |fault| OpenError::Disk { dir: dir.clone(), fault };
    disk.create_dirs(&dir).map_err(DiskFault::at("create", &dir)).map_err(disk_error)?;
    let lock_path = dir.join(LOCK_NAME);
    let lock = disk.lock(&lock_path).map_err(DiskFault::at("lock", &lock_path));
    let Some(lock) = lock.map_err(disk_error)? else {
        return Err(OpenError::Locked { dir });
    };
    rewrite::clear_leftovers(disk.as_ref(), &dir).map_err(disk_error)?;
    let mut survey = survey(disk.as_ref(), &dir)
        .map_err(|source| OpenError::Survey { dir: dir.clone(), source })?;
    clear_away(disk.as_ref(), &options, &survey).map_err(disk_error)?;

    let mut cursor = CursorFile::new(Arc::clone(&disk), dir.clone(), survey.sequence);
    write_first_cursor(&mut cursor, &survey)
        .map_err(|source| OpenError::Cursor { dir: dir.clone(), source })?;
    let active = reopen_last(disk.as_ref(), &options, &mut survey).map_err(disk_error)?;
    let recovery = report(&survey);
    let segments: VecDeque<Segment> =
        survey.segments.iter().map(|surveyed| surveyed.segment.clone()).collect();
    let durable = Position(survey.next.0 - 1);
    let shared = Arc::new(Shared::new(
        Arc::clone(&disk),
        dir.clone(),
        Arc::clone(&options.budget),
        lock,
        segments,
        survey.confirmed,
        durable,
    ));
    if let Some(holding) = options.budget.held() {
        let held = hold::adopt(holding, &disk, &dir).map_err(disk_error)?;
        options.budget.adopt(held);
    }
    // A crash may have happened between the cursor's sync and the deletion of what it covers.
    if let Err(error) = shared.release() {
        tracing::warn!(spool = %dir.display(), %error, "confirmed segments stay for now");
    }
    let foreign = active.as_ref().is_some_and(|active| active.segment.dialect != options.dialect);
    let mut writer = Writer::new(
        Arc::clone(&shared),
        options.dialect,
        options.segment_bytes_max,
        active,
        survey.next,
    );
    if foreign {
        writer.retire().map_err(|source| OpenError::Seal { dir: dir.clone(), source })?;
    }
    let cursor = Cursor::new(shared, cursor, survey.confirmed);
    Ok(Opened { writer, reader: Reader::new(cursor), recovery })
}

/// Removes files without an entry, and moves files to quarantine that are not segments of this
/// spool.
fn clear_away(disk: &dyn Disk, options: &Options, survey: &Survey) -> Result<(), DiskFault> {
    for name in &survey.foreign {
        let path = options.dir.join(name);
        tracing::error!(file = %path.display(), "not a segment of this spool: moved to quarantine");
        quarantine::move_aside(disk, &options.dir, name)
            .map_err(DiskFault::at("move to quarantine", &path))?;
    }
    for name in &survey.empty {
        let path = options.dir.join(name);
        match disk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(DiskFault::at("remove", &path)(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    if !survey.empty.is_empty() {
        disk.sync_dir(&options.dir).map_err(DiskFault::at("sync", &options.dir))?;
    }
    Ok(())
}

/// Creates the cursor file; replaces a cursor that would skip later entries.
fn write_first_cursor(cursor: &mut CursorFile, survey: &Survey) -> Result<(), CursorError> {
    match survey.cursor {
        CursorState::Ahead { claimed } => {
            tracing::error!(
                claimed = claimed.0,
                continues_behind = survey.confirmed.0,
                "the cursor is past the data: not believed, what is there is sent again"
            );
            cursor.store(survey.confirmed)
        }
        CursorState::Damaged => {
            tracing::error!(
                continues_behind = survey.confirmed.0,
                "the cursor is damaged: what is there is sent again"
            );
            begin_cursor(cursor, survey.confirmed)
        }
        CursorState::Missing => begin_cursor(cursor, survey.confirmed),
        // The sync of its last write may have failed in the previous process, so that it can be
        // read but is not durable. It is written once more, to the other slot, before segments are
        // deleted because of it (I6).
        CursorState::Found if releases(survey) => cursor.store(survey.confirmed),
        CursorState::Found => tolerate_no_room(cursor.ensure()),
    }
}

/// Whether the cursor covers a segment that is still there, and so will be deleted.
fn releases(survey: &Survey) -> bool {
    let oldest = survey.segments.first().map(|oldest| &oldest.segment);
    oldest.is_some_and(|oldest| oldest.sealed && oldest.last <= survey.confirmed)
}

/// Writes a cursor if there is none, so that a first segment that is lost later can be
/// distinguished from one that was released.
fn begin_cursor(cursor: &mut CursorFile, confirmed: Position) -> Result<(), CursorError> {
    tolerate_no_room(cursor.store(confirmed))
}

/// The file is created while there is room, so that it can be written when there is none. A disk
/// that is already full must not prevent the spool from being read.
fn tolerate_no_room(made: Result<(), CursorError>) -> Result<(), CursorError> {
    match made {
        Err(CursorError::Room { .. }) => Ok(()),
        made => made,
    }
}

/// Opens the last segment for more entries, unless it is sealed: cuts its torn end, reserves its
/// room again, and makes both durable.
fn reopen_last(
    disk: &dyn Disk,
    options: &Options,
    survey: &mut Survey,
) -> Result<Option<Active>, DiskFault> {
    let Some(last) = survey.segments.last_mut() else {
        return Ok(None);
    };
    let path = options.dir.join(&last.segment.name);
    let file = disk.open(&path, Access::Write).map_err(DiskFault::at("open", &path))?;
    if last.segment.sealed {
        // A killed process may have written the footer without syncing it.
        file.sync_data().map_err(DiskFault::at("sync", &path))?;
        return Ok(None);
    }
    if last.torn_bytes > 0 {
        tracing::warn!(
            file = %path.display(), bytes = last.torn_bytes, after = last.segment.last.0,
            "the end is torn, as a crash leaves it: cut"
        );
        cut(file.as_ref(), last).map_err(DiskFault::at("cut", &path))?;
    }
    let (mut reserved, mut firm) = (last.len, true);
    if last.len < options.segment_bytes_max {
        match try_allocate(file.as_ref(), options.segment_bytes_max) {
            Ok(set_aside) => {
                reserved = options.segment_bytes_max;
                firm = set_aside;
            }
            // Then the next entry goes to a new segment, when there is room for one.
            Err(error) if is_no_room(&error) => {}
            Err(error) => return Err(DiskFault::at("extend", &path)(error)),
        }
    }
    file.sync_data().map_err(DiskFault::at("sync", &path))?;
    last.segment.charged = reserved.max(last.len);
    Ok(Some(Active { file, segment: last.segment.clone(), reserved, firm, dirty: false }))
}

/// Cuts what is behind the last entry (SP-3).
fn cut(file: &dyn crate::env::disk::DiskFile, last: &mut Surveyed) -> io::Result<()> {
    file.set_len(last.segment.end)?;
    last.len = last.segment.end;
    // Before room is reserved again, so that no crash brings the torn bytes back after new ones.
    file.sync_data()
}

fn report(survey: &Survey) -> Recovery {
    Recovery {
        last: Position(survey.next.0 - 1),
        confirmed: survey.confirmed,
        items: survey.items,
        damaged_entries: survey.lost_entries,
        damaged_items: survey.lost_items,
        torn_bytes: survey.torn_bytes,
        cursor: survey.cursor,
        set_aside: survey.foreign.len() as u64,
    }
}
