//! Messages out of the journal's files, for those who return and for wills that are due: read in a
//! thread of its own, because a disk may take its time.

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

/// A queued message as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Its number in the queue.
    pub number: u64,
    /// At which it is sent.
    pub qos: u8,
    /// Whether it goes as a retained one.
    pub retain: bool,
    /// Its subscription identifiers.
    pub ids: Vec<u32>,
    /// What it is.
    pub content: Content,
}

/// What a fetched entry of a queue is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A message, for [`StoredMessage::read`](super::StoredMessage::read).
    Message(Vec<u8>),
    /// Its PUBREC came: its PUBREL is to be sent. With the message, if that is kept and can be
    /// read.
    Released(Option<Vec<u8>>),
    /// It was a message, and cannot be read any more.
    Lost,
}

/// A piece of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// In the order of their numbers; those between are done.
    pub entries: Vec<Fetched>,
    /// Where the next piece begins.
    pub next: u64,
}

/// A will that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueWill {
    /// Its id.
    pub will: u64,
    /// Whose it is.
    pub identity: String,
    /// Of which client.
    pub client_id: String,
    /// For [`StoredMessage::read`](super::StoredMessage::read); nothing if it cannot be read.
    pub message: Option<Vec<u8>>,
}

/// What is asked of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The session.
    pub session: u64,
    /// The first number.
    pub from: u64,
    /// The number behind the last one.
    pub upto: u64,
    /// Bytes of messages after which the piece ends; one message comes whatever its size.
    pub bytes_max: usize,
}

/// A question to the thread.
pub(super) enum Ask {
    Queue(Wanted, Box<dyn FnOnce(Piece) + Send>),
    Wills(UnixNanos, Box<dyn FnOnce(Vec<DueWill>) + Send>),
    Stop,
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queue(..) => "Queue",
            Self::Wills(..) => "Wills",
            Self::Stop => "Stop",
        })
    }
}

/// Wills given out at once.
const WILLS_MAX: usize = 256;

/// Answers questions until it is told to stop.
pub(super) fn serve(shared: &Arc<Shared>, asked: &mpsc::Receiver<Ask>) {
    let mut blocks = Blocks::new(Arc::clone(&shared.disk), &shared.options.dir);
    while let Ok(ask) = asked.recv() {
        match ask {
            Ask::Queue(wanted, answer) => answer(piece(shared, &mut blocks, &wanted)),
            Ask::Wills(now, answer) => answer(wills(shared, &mut blocks, now)),
            Ask::Stop => return,
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
    table.given_out(session, next);
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

/// Takes the wills that are due, and reads them.
pub(super) fn wills(shared: &Shared, blocks: &mut Blocks, now: UnixNanos) -> Vec<DueWill> {
    let due = shared.table().take_due(now, WILLS_MAX);
    let read_one = |(will, message, key): (u64, u32, Arc<str>)| {
        let (identity, client_id) = parts(&key);
        let message = read(shared, blocks, message, |table| table.has_will(will, message));
        DueWill { will, identity: identity.to_owned(), client_id: client_id.to_owned(), message }
    };
    due.into_iter().map(read_one).collect()
}

/// Reads a message; nothing if it is damaged, or wanted no more.
fn read(
    shared: &Shared,
    blocks: &mut Blocks,
    message: u32,
    is_still_wanted: impl Fn(&super::table::Table) -> bool,
) -> Option<Vec<u8>> {
    // It may be moved while it is read, and its file deleted.
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
