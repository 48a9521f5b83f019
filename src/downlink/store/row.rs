//! Conversion between rows and values.

use std::sync::Arc;

use rusqlite::{Row, types::Type};

use crate::{
    downlink::{
        lifecycle::State,
        push::Verified,
        record::{Change, Evidence, Idempotency, Origin, Record, Request, What},
    },
    mapping::Order,
    model::CommandId,
};

/// The columns of [`record`], in its order.
pub(super) const COMMAND: &str = "seq, id, vehicle, name, fields, topic, payload, qos, created, \
     expires, execute_within, ordering, response_topic, supersede, still, idempotency, digest, \
     who, state, cause, cancel_requested, maybe_received, evidence, \
     (SELECT push.id FROM run JOIN push ON push.seq = run.push WHERE run.seq = command.run), \
     (SELECT run.query FROM run WHERE run.seq = command.run), \
     (SELECT run.at FROM run WHERE run.seq = command.run), verified";

pub(super) fn broken(column: usize, what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, what.to_owned().into())
}

pub(super) fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<CommandId> {
    let bytes: Vec<u8> = row.get(column)?;
    let bytes = <[u8; 16]>::try_from(bytes).map_err(|_| broken(column, "an id has 16 bytes"))?;
    Ok(CommandId(bytes))
}

pub(super) fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<State> {
    State::of_code(row.get(column)?).ok_or_else(|| broken(column, "no such state"))
}

pub(super) fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Arc<str>>> {
    Ok(row.get::<_, Option<String>>(column)?.map(Arc::from))
}

pub(super) fn required(row: &Row<'_>, column: usize) -> rusqlite::Result<Arc<str>> {
    Ok(row.get::<_, String>(column)?.into())
}

/// When the next command may be sent, by its name in mapping files.
pub(super) fn order(row: &Row<'_>, column: usize) -> rusqlite::Result<Order> {
    let word = required(row, column)?;
    let known = Order::ALL.into_iter().find(|(known, _)| *known == &*word);
    known.map(|(_, order)| order).ok_or_else(|| broken(column, "no such order"))
}

/// A command without its history.
pub(super) fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let (created, expires): (i64, i64) = (row.get(8)?, row.get(9)?);
    let digest: Option<Vec<u8>> = row.get(16)?;
    let digest = digest.and_then(|digest| <[u8; 16]>::try_from(digest).ok());
    let idempotency = text(row, 15)?.zip(digest).map(|(key, digest)| Idempotency { key, digest });
    let execute_within: Option<i64> = row.get(10)?;
    Ok(Record {
        seq: row.get(0)?,
        request: Request {
            id: id(row, 1)?,
            vehicle: required(row, 2)?,
            name: text(row, 3)?,
            fields: text(row, 4)?,
            topic: required(row, 5)?,
            payload: row.get::<_, Vec<u8>>(6)?.into(),
            qos: row.get(7)?,
            expires_in_ms: u64::try_from(expires.saturating_sub(created)).unwrap_or(0),
            execute_within_ms: execute_within.and_then(|ms| u64::try_from(ms).ok()),
            order: order(row, 11)?,
            response_topic: text(row, 12)?,
            supersede: text(row, 13)?,
            still: text(row, 14)?,
            idempotency,
            who: required(row, 17)?,
            origin: text(row, 22)?.map(|row| Origin { row, failure: None }),
        },
        created_ms: created,
        state: state(row, 18)?,
        cause: text(row, 19)?,
        cancel_requested: row.get(20)?,
        maybe_received: row.get(21)?,
        history: Vec::new(),
        evidence: evidence(row)?,
        verified: row.get::<_, Option<u8>>(26)?.and_then(Verified::of_code),
    })
}

/// The push that made a command, while it is kept.
fn evidence(row: &Row<'_>) -> rusqlite::Result<Option<Evidence>> {
    if row.get_ref(23)? == rusqlite::types::ValueRef::Null {
        return Ok(None);
    }
    Ok(Some(Evidence { push: id(row, 23)?, query: required(row, 24)?, at_ms: row.get(25)? }))
}

/// The columns of [`change`], in its order.
pub(super) const CHANGE: &str =
    "change.number, change.at, change.what, change.cause, change.detail";

/// A change, from its first column on.
pub(super) fn change(row: &Row<'_>) -> rusqlite::Result<Change> {
    Ok(Change {
        number: row.get(0)?,
        at_ms: row.get(1)?,
        what: What::of_code(row.get(2)?).ok_or_else(|| broken(2, "no such change"))?,
        cause: text(row, 3)?,
        detail: text(row, 4)?,
    })
}

/// A text that may be absent.
pub(super) fn optional(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Arc<str>>> {
    text(row, column)
}
