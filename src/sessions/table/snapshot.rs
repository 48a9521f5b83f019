//! Writes the table as entries of a file, and reads it back.
//!
//! Each entry is independent, so that damage to one loses only its content: each begins with the
//! same header, and a queue has the place of each of its messages.
//!
//! ```text
//! 0   1  VERSION of the records
//! 1   1  kind: sessions, wills, retained messages
//! 2   8  the position of the last frame that the table knows of
//! 10  8  the next session's id
//! 18  8  the next will's id
//! 26     what it holds, one behind the other
//! ```

use std::{collections::HashMap, ops::Bound, sync::Arc};

use super::{
    EntryState,
    messages::Block,
    session::{Connection, Queued, Session},
    state::{Table, Will},
};
use crate::{
    model::{Position, SessionId, UnixNanos},
    sessions::{
        bytes::{Reader, len32, put_text},
        record::{Terms, VERSION},
    },
};

const SESSIONS: u8 = 1;
const WILLS: u8 = 2;
const RETAINED: u8 = 3;

/// Bytes after which an entry ends, and the table's lock is released for a moment.
const PIECE_BYTES: usize = 256 << 10;

/// Why a snapshot cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// It was written by a version that this build does not know. Use that version.
    #[error("the table of sessions has version {0}, which this build does not know")]
    Version(u8),
}

/// Writes a table into a file, entry by entry. The table does not change meanwhile.
#[derive(Debug)]
pub(in crate::sessions) struct Pieces {
    upto: Position,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// After the session with this key.
    Sessions(Option<Arc<str>>),
    /// After this will.
    Wills(u64),
    /// After this topic.
    Retained(Option<Box<str>>),
    End,
}

impl Pieces {
    pub(in crate::sessions) fn new(upto: Position) -> Self {
        Self { upto, stage: Stage::Sessions(None) }
    }

    /// Appends the next entry; false if there is none.
    pub(in crate::sessions) fn next(&mut self, table: &Table, out: &mut Vec<u8>) -> bool {
        let kind = match self.stage {
            Stage::Sessions(_) => SESSIONS,
            Stage::Wills(_) => WILLS,
            Stage::Retained(_) => RETAINED,
            Stage::End => return false,
        };
        out.extend([VERSION, kind]);
        out.extend(self.upto.0.to_le_bytes());
        out.extend(table.next_session.to_le_bytes());
        out.extend(table.next_will.to_le_bytes());
        let end = out.len() + PIECE_BYTES;
        self.stage = match &self.stage {
            Stage::Sessions(behind) => {
                let last = table.write_sessions(behind.as_ref(), out, end);
                last.map_or(Stage::Wills(0), |last| Stage::Sessions(Some(last)))
            }
            Stage::Wills(behind) => match table.write_wills(*behind, out, end) {
                Some(last) => Stage::Wills(last),
                None => Stage::Retained(None),
            },
            Stage::Retained(behind) => match table.write_retained(behind.as_deref(), out, end) {
                Some(last) => Stage::Retained(Some(last)),
                None => Stage::End,
            },
            Stage::End => Stage::End,
        };
        true
    }
}

impl Table {
    /// Appends sessions until `out` is `end` bytes long; the last one, unless it was the last of
    /// all.
    fn write_sessions(
        &self,
        behind: Option<&Arc<str>>,
        out: &mut Vec<u8>,
        end: usize,
    ) -> Option<Arc<str>> {
        let from = behind.map_or(Bound::Unbounded, |key| Bound::Excluded(&**key));
        for (key, id) in self.keys_from(from) {
            if let Some(session) = self.sessions.get(id) {
                self.write_session(*id, session, out);
            }
            if out.len() >= end {
                return Some(Arc::clone(key));
            }
        }
        None
    }

    fn write_session(&self, id: u64, session: &Session, out: &mut Vec<u8>) {
        out.extend(id.to_le_bytes());
        out.extend(session.epoch.to_le_bytes());
        out.extend(session.expiry.to_le_bytes());
        let since = match session.connection {
            Connection::Here(_) => i64::MAX,
            Connection::Away(since) => since.0,
        };
        out.extend(since.to_le_bytes());
        put_text(out, &session.key);
        out.extend(session.will.to_le_bytes());
        out.extend(len32(session.subscriptions().len()).to_le_bytes());
        for (filter, terms) in session.subscriptions() {
            out.push(terms.options);
            out.extend(terms.id.to_le_bytes());
            put_text(out, filter);
        }
        out.extend(len32(session.received().count()).to_le_bytes());
        session.received().for_each(|packet_id| out.extend(packet_id.to_le_bytes()));
        out.extend(session.next.to_le_bytes());
        out.extend(session.sent().to_le_bytes());
        out.extend(len32(session.waiting().0).to_le_bytes());
        for queued in session.queued(0) {
            self.write_queued(&queued, out);
        }
    }

    fn write_queued(&self, queued: &Queued, out: &mut Vec<u8>) {
        out.extend(queued.number.to_le_bytes());
        out.push(queued.flags);
        out.push(match (queued.state == EntryState::Released, queued.is_wanted()) {
            (false, _) => OPEN,
            (true, false) => RELEASED,
            (true, true) => RELEASED_AND_KEPT,
        });
        out.extend(len32(queued.ids.len()).to_le_bytes());
        queued.ids.iter().for_each(|id| out.extend(id.to_le_bytes()));
        if queued.is_wanted() {
            write_block(self.messages.block(queued.message), out);
        }
    }

    fn write_wills(&self, behind: u64, out: &mut Vec<u8>, end: usize) -> Option<u64> {
        for (id, will) in self.wills.range((Bound::Excluded(behind), Bound::Unbounded)) {
            out.extend(id.to_le_bytes());
            out.extend(will.delay.to_le_bytes());
            out.extend(will.due.map_or(i64::MAX, |due| due.0).to_le_bytes());
            put_text(out, &will.key);
            write_block(self.messages.block(will.message), out);
            if out.len() >= end {
                return Some(*id);
            }
        }
        None
    }

    fn write_retained(
        &self,
        behind: Option<&str>,
        out: &mut Vec<u8>,
        end: usize,
    ) -> Option<Box<str>> {
        let from = behind.map_or(Bound::Unbounded, Bound::Excluded);
        for (topic, kept) in self.retained.range::<str, _>((from, Bound::Unbounded)) {
            put_text(out, topic);
            out.extend(kept.number.to_le_bytes());
            write_block(self.messages.block(kept.message), out);
            if out.len() >= end {
                return Some(topic.clone());
            }
        }
        None
    }
}

fn write_block(block: Block, out: &mut Vec<u8>) {
    out.extend(block.segment.to_le_bytes());
    out.extend(block.offset.to_le_bytes());
    out.extend(block.len.to_le_bytes());
}

fn read_block(reader: &mut Reader<'_>) -> Option<Block> {
    Some(Block { segment: reader.u64()?, offset: reader.u32()?, len: reader.u32()? })
}

/// The state of a queued message.
const OPEN: u8 = 0;
const RELEASED: u8 = 1;
/// The same, and its message follows.
const RELEASED_AND_KEPT: u8 = 2;

/// The state of reading a snapshot.
struct Loading<'a> {
    table: &'a mut Table,
    /// Messages with several references are stored once.
    known: HashMap<Block, u32>,
}

/// Reads the entries of a snapshot into an empty table; returns the last position that it covers.
/// Unreadable content of an entry is skipped, and counted in `broken`.
///
/// # Errors
/// If it has another version.
pub(in crate::sessions) fn load<'e>(
    table: &mut Table,
    entries: impl Iterator<Item = &'e [u8]>,
    broken: &mut u64,
) -> Result<Position, SnapshotError> {
    let mut upto = Position::ZERO;
    let mut loading = Loading { table, known: HashMap::new() };
    for entry in entries {
        match loading.entry(entry) {
            Ok(position) => upto = upto.max(position),
            Err(Some(version)) => return Err(SnapshotError::Version(version)),
            Err(None) => *broken += 1,
        }
    }
    Ok(upto)
}

impl Loading<'_> {
    fn entry(&mut self, entry: &[u8]) -> Result<Position, Option<u8>> {
        let mut reader = Reader::new(entry);
        match reader.u8() {
            Some(VERSION) => {}
            version => return Err(version),
        }
        self.rest(&mut reader).ok_or(None)
    }

    fn rest(&mut self, reader: &mut Reader<'_>) -> Option<Position> {
        let kind = reader.u8()?;
        let upto = Position(reader.u64()?);
        let (next_session, next_will) = (reader.u64()?, reader.u64()?);
        self.table.next_session = self.table.next_session.max(next_session);
        self.table.next_will = self.table.next_will.max(next_will);
        while !reader.is_at_end() {
            match kind {
                SESSIONS => self.session(reader)?,
                WILLS => self.will(reader)?,
                RETAINED => {
                    let (topic, number) = (reader.text()?, reader.u64()?);
                    let message = self.message(reader)?;
                    self.table.retain(topic, Some(message), number);
                }
                _ => return None,
            }
        }
        Some(upto)
    }

    /// The message at a place, added if it is new.
    fn message(&mut self, reader: &mut Reader<'_>) -> Option<u32> {
        let block = read_block(reader)?;
        let messages = &mut self.table.messages;
        Some(*self.known.entry(block).or_insert_with(|| messages.add_placed(block)))
    }

    fn session(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        let (id, epoch, expiry) = (reader.u64()?, reader.u64()?, reader.u32()?);
        let connection = match reader.i64()? {
            i64::MAX => Connection::Here(SessionId { worker: 0, number: 0 }),
            since => Connection::Away(UnixNanos(since)),
        };
        let mut session = Session::new(reader.text()?.into(), connection);
        (session.epoch, session.expiry, session.will) = (epoch, expiry, reader.u64()?);
        for _ in 0..reader.u32()? {
            let terms = Terms { options: reader.u8()?, id: reader.u32()? };
            session.subscribe(reader.text()?, terms);
        }
        for _ in 0..reader.u32()? {
            session.receive(reader.u16()?);
        }
        let (next, sent, count) = (reader.u64()?, reader.u64()?, reader.u32()?);
        let mut wanted = Vec::new();
        for place in 0..count {
            let (number, flags, state) = (reader.u64()?, reader.u8()?, reader.u8()?);
            let ids: Option<Vec<u32>> = match usize::try_from(reader.u32()?).ok()? {
                0 => Some(Vec::new()),
                many => {
                    let (ids, _) = reader.take(many.checked_mul(4)?)?.as_chunks::<4>();
                    Some(ids.iter().map(|id| u32::from_le_bytes(*id)).collect())
                }
            };
            if place == 0 {
                session.next = number;
            }
            if !session.can_be_next(number) {
                return None;
            }
            if state == RELEASED {
                session.push_released(number, None, flags);
                continue;
            }
            let block_len = {
                let mut look = *reader;
                read_block(&mut look)?.len
            };
            let message = self.message(reader)?;
            match state {
                RELEASED_AND_KEPT => {
                    session.push_released(number, Some((message, block_len)), flags)
                }
                _ => session.push(number, message, block_len, flags, &ids?),
            }
            wanted.push(message);
        }
        session.end_at(next, sent);
        wanted.into_iter().for_each(|message| self.table.messages.want(message));
        self.table.insert(id, session);
        Some(())
    }

    fn will(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        let (id, delay, due) = (reader.u64()?, reader.u32()?, reader.i64()?);
        let key = reader.text()?.into();
        let message = self.message(reader)?;
        self.table.messages.want(message);
        self.table.wills.insert(id, Will { message, delay, due: None, key });
        if due != i64::MAX {
            self.table.will_due(id, UnixNanos(due));
        }
        Some(())
    }
}
