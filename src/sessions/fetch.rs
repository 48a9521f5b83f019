//! Reads messages from the journal's files, for sessions that reconnect and for wills that are due:
//! in its own thread, because a disk may be slow.

use std::{
    fmt,
    sync::{Arc, mpsc},
};

use super::{
    blocks::Blocks,
    journal::Shared,
    record::{DELIVERY_QOS, DELIVERY_RETAIN},
    table::{Block, EntryState, parts},
};
use crate::model::UnixNanos;

/// A fetched entry of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Its number in the queue.
    pub number: u64,
    /// The QoS of the delivery.
    pub qos: u8,
    /// The retain flag of the delivery.
    pub retain: bool,
    /// Its subscription identifiers.
    pub ids: Vec<u32>,
    /// Its content.
    pub content: Content,
}

/// The content of a fetched entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A message, for [`StoredMessage::read`](super::StoredMessage::read).
    Message(Vec<u8>),
    /// Its PUBREC arrived: its PUBREL is to be sent. With the message, if that is kept and
    /// readable.
    Released(Option<Vec<u8>>),
    /// A message that cannot be read any more.
    Lost,
}

/// A piece of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// In the order of their numbers; missing numbers are done.
    pub entries: Vec<Fetched>,
    /// Where the next piece begins.
    pub next: u64,
}

/// A will that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueWill {
    /// Its id.
    pub will: u64,
    /// The identity of its session.
    pub identity: String,
    /// The client identifier of its session.
    pub client_id: String,
    /// For [`StoredMessage::read`](super::StoredMessage::read); `None` if it cannot be read.
    pub message: Option<Vec<u8>>,
}

/// A requested piece of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The session.
    pub session: u64,
    /// The first number.
    pub from: u64,
    /// The number after the last one.
    pub upto: u64,
    /// Bytes of messages after which the piece ends; it has at least one message.
    pub bytes_max: usize,
}

/// A job for the thread.
pub(super) enum FetchJob {
    Queue(Wanted, Box<dyn FnOnce(Piece) + Send>),
    Wills(UnixNanos, Box<dyn FnOnce(Vec<DueWill>) + Send>),
    Stop,
}

impl fmt::Debug for FetchJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queue(..) => "Queue",
            Self::Wills(..) => "Wills",
            Self::Stop => "Stop",
        })
    }
}

/// The maximum number of wills per job.
const WILLS_MAX: usize = 256;

/// Runs jobs until a stop.
pub(super) fn serve(shared: &Arc<Shared>, asked: &mpsc::Receiver<FetchJob>) {
    let mut blocks = Blocks::new(Arc::clone(&shared.disk), &shared.options.dir);
    while let Ok(ask) = asked.recv() {
        match ask {
            FetchJob::Queue(wanted, answer) => answer(piece(shared, &mut blocks, &wanted)),
            FetchJob::Wills(now, answer) => answer(wills(shared, &mut blocks, now)),
            FetchJob::Stop => return,
        }
    }
}

/// Reads a piece of a queue.
pub(super) fn piece(shared: &Shared, blocks: &mut Blocks, wanted: &Wanted) -> Piece {
    let Wanted { session, from, upto, bytes_max } = *wanted;
    let mut found: Vec<(Fetched, Option<u32>)> = Vec::new();
    let mut table = shared.table();
    let mut bytes = 0;
    let mut next = upto;
    for queued in table.queued_from(session, from).take_while(|queued| queued.number < upto) {
        let is_wanted = queued.is_wanted();
        if bytes >= bytes_max {
            next = queued.number;
            break;
        }
        if is_wanted {
            bytes += table.messages.block(queued.message).len as usize;
        }
        let fetched = Fetched {
            number: queued.number,
            qos: queued.flags & DELIVERY_QOS,
            retain: queued.flags & DELIVERY_RETAIN != 0,
            ids: queued.ids,
            content: match queued.state {
                EntryState::Released => Content::Released(None),
                _ => Content::Lost,
            },
        };
        found.push((fetched, is_wanted.then_some(queued.message)));
    }
    table.handed_out(session, next);
    drop(table);
    let entries = found.into_iter().map(|(fetched, message)| match message {
        None => fetched,
        Some(message) => {
            let is_still_wanted = |table: &super::table::Table| {
                let mut queued = table.queued_from(session, fetched.number);
                queued
                    .next()
                    .is_some_and(|found| found.number == fetched.number && found.message == message)
            };
            let bytes = read(shared, blocks, message, is_still_wanted);
            let content = match (fetched.content.clone(), bytes) {
                (Content::Released(_), bytes) => Content::Released(bytes),
                (_, Some(bytes)) => Content::Message(bytes),
                (_, None) => Content::Lost,
            };
            Fetched { content, ..fetched }
        }
    });
    Piece { entries: entries.collect(), next }
}

/// Takes due wills, and reads them.
pub(super) fn wills(shared: &Shared, blocks: &mut Blocks, now: UnixNanos) -> Vec<DueWill> {
    let due = shared.table().take_due(now, WILLS_MAX);
    let read_one = |(will, message, key): (u64, u32, Arc<str>)| {
        let (identity, client_id) = parts(&key);
        let message = read(shared, blocks, message, |table| table.has_will(will, message));
        DueWill { will, identity: identity.to_owned(), client_id: client_id.to_owned(), message }
    };
    due.into_iter().map(read_one).collect()
}

/// Reads a message; `None` if it is damaged or not needed any more.
fn read(
    shared: &Shared,
    blocks: &mut Blocks,
    message: u32,
    is_still_wanted: impl Fn(&super::table::Table) -> bool,
) -> Option<Vec<u8>> {
    // While it is read, it may be moved and its file deleted.
    const TRIES: usize = 3;
    let mut tried: Option<Block> = None;
    for _ in 0..TRIES {
        let block = {
            let table = shared.table();
            is_still_wanted(&table).then(|| table.messages.block(message))?
        };
        if tried == Some(block) {
            break;
        }
        match blocks.read(block) {
            Ok(bytes) if super::StoredMessage::read(&bytes).is_some() => return Some(bytes),
            Ok(_) => tracing::error!(segment = block.segment, "a queued message is damaged"),
            Err(error) => {
                tracing::warn!(segment = block.segment, %error, "a queued message is not read");
            }
        }
        tried = Some(block);
    }
    shared.metrics.sessions_damaged_messages.inc();
    shared.table().damaged += 1;
    None
}
