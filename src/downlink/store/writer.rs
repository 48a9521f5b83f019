//! The only connection that writes.

use std::{path::Path, sync::Arc};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    file,
    pushes::{self, PushRow, RunRow},
    row,
};
use crate::{
    downlink::{
        lifecycle::State,
        push::Verified,
        record::{Change, Record, Request},
        store::OpenError,
    },
    mapping::Order,
    model::CommandId,
};

/// The maximum number of rows per table that one sweep deletes.
const SWEPT: i64 = 2_000;

/// The connection that writes.
#[derive(Debug)]
pub(in crate::downlink) struct Writer {
    pub(super) connection: Connection,
}

/// The content of one transaction.
#[derive(Debug, Default)]
pub(in crate::downlink) struct Group {
    /// New commands, in their state at its end.
    pub(in crate::downlink) created: Vec<Created>,
    /// Changed commands.
    pub(in crate::downlink) updated: Vec<Update>,
    pub(in crate::downlink) changes: Vec<ChangeRow>,
    pub(in crate::downlink) audit: Vec<AuditRow>,
    pub(in crate::downlink) webhook_cursor: Option<i64>,
    /// New or changed pushes.
    pub(in crate::downlink) pushes: Vec<PushRow>,
    pub(in crate::downlink) runs: Vec<RunRow>,
    /// Deleted pushes.
    pub(in crate::downlink) forgotten: Vec<i64>,
    /// Commands whose effect was seen, or was not.
    pub(in crate::downlink) verified: Vec<(i64, Verified)>,
    pub(in crate::downlink) alarms: Vec<AlarmRow>,
}

/// A raised alarm of a vehicle.
#[derive(Debug)]
pub(in crate::downlink) struct AlarmRow {
    pub(in crate::downlink) alarm: Arc<str>,
    pub(in crate::downlink) vehicle: Arc<str>,
    pub(in crate::downlink) at_ms: i64,
    /// The key of the message that raised it.
    pub(in crate::downlink) key: [u8; 16],
}

/// A new command.
#[derive(Debug)]
pub(in crate::downlink) struct Created {
    pub(in crate::downlink) request: Arc<Request>,
    pub(in crate::downlink) created_ms: i64,
    /// The run of a push that makes it.
    pub(in crate::downlink) run: Option<i64>,
    pub(in crate::downlink) update: Update,
}

/// The state of a command.
#[derive(Clone, Debug)]
pub(in crate::downlink) struct Update {
    pub(in crate::downlink) seq: i64,
    pub(in crate::downlink) state: State,
    pub(in crate::downlink) cause: Option<Arc<str>>,
    /// When `execute-within` ends.
    pub(in crate::downlink) due_ms: Option<i64>,
    pub(in crate::downlink) cancel_requested: bool,
    pub(in crate::downlink) maybe_received: bool,
    pub(in crate::downlink) ended_ms: Option<i64>,
    pub(in crate::downlink) expires_ms: i64,
    /// How long it will wait for its vehicle after its push releases it.
    pub(in crate::downlink) held_ms: Option<i64>,
    /// Whether its effect was seen; `None` if it is not verified.
    pub(in crate::downlink) verified: Option<Verified>,
    /// How often it was sent.
    pub(in crate::downlink) attempts: u32,
    /// The session to which it was last sent, if that is persistent.
    pub(in crate::downlink) lasting: Option<u64>,
}

/// A change of one command.
#[derive(Clone, Debug)]
pub(in crate::downlink) struct ChangeRow {
    pub(in crate::downlink) command: i64,
    pub(in crate::downlink) change: Change,
}

/// An audit entry: who did what.
#[derive(Clone, Debug)]
pub(in crate::downlink) struct AuditRow {
    pub(in crate::downlink) at_ms: i64,
    pub(in crate::downlink) who: Arc<str>,
    pub(in crate::downlink) action: &'static str,
    pub(in crate::downlink) id: CommandId,
    pub(in crate::downlink) vehicle: Arc<str>,
    pub(in crate::downlink) name: Option<Arc<str>>,
}

/// The part of an open command that is kept in memory.
#[derive(Clone, Debug)]
pub(in crate::downlink) struct OpenRow {
    pub(in crate::downlink) seq: i64,
    pub(in crate::downlink) id: CommandId,
    pub(in crate::downlink) vehicle: Arc<str>,
    pub(in crate::downlink) name: Option<Arc<str>>,
    pub(in crate::downlink) topic: Arc<str>,
    pub(in crate::downlink) qos: u8,
    pub(in crate::downlink) expires_ms: i64,
    pub(in crate::downlink) execute_within_ms: Option<i64>,
    pub(in crate::downlink) due_ms: Option<i64>,
    pub(in crate::downlink) order: Order,
    pub(in crate::downlink) supersede: Option<Arc<str>>,
    pub(in crate::downlink) still: Option<Arc<str>>,
    pub(in crate::downlink) state: State,
    pub(in crate::downlink) cause: Option<Arc<str>>,
    pub(in crate::downlink) cancel_requested: bool,
    /// The run of a push that made it.
    pub(in crate::downlink) run: Option<i64>,
    /// How long it will wait for its vehicle after its push releases it.
    pub(in crate::downlink) held_ms: Option<i64>,
    /// How often it was sent.
    pub(in crate::downlink) attempts: u32,
    /// The session to which it was last sent, if that is persistent.
    pub(in crate::downlink) lasting: Option<u64>,
}

/// The data of an ended command that is needed for late events.
#[derive(Clone, Debug)]
pub(in crate::downlink) struct Closed {
    pub(in crate::downlink) seq: i64,
    pub(in crate::downlink) vehicle: Arc<str>,
    pub(in crate::downlink) name: Option<Arc<str>>,
    pub(in crate::downlink) state: State,
}

/// The payload, and the topic of its receipt.
type Payload = (Arc<[u8]>, Option<Arc<str>>);

impl Writer {
    pub(in crate::downlink) fn open(dir: &Path) -> Result<Self, OpenError> {
        Ok(Self { connection: file::open(dir)? })
    }

    /// Every command that has not ended, in the order of creation.
    pub(in crate::downlink) fn open_commands(&self) -> rusqlite::Result<Vec<OpenRow>> {
        let mut ask = self.connection.prepare(
            "SELECT seq, id, vehicle, name, topic, qos, expires, execute_within, due, ordering,
                 supersede, still, state, cause, cancel_requested, run, held, attempts, session
             FROM command WHERE state <= 2 AND ended IS NULL ORDER BY seq",
        )?;
        let rows = ask.query_map([], |row| {
            Ok(OpenRow {
                seq: row.get(0)?,
                id: row::id(row, 1)?,
                vehicle: row::required(row, 2)?,
                name: row::optional(row, 3)?,
                topic: row::required(row, 4)?,
                qos: row.get(5)?,
                expires_ms: row.get(6)?,
                execute_within_ms: row.get(7)?,
                due_ms: row.get(8)?,
                order: row::order(row, 9)?,
                supersede: row::optional(row, 10)?,
                still: row::optional(row, 11)?,
                state: row::state(row, 12)?,
                cause: row::optional(row, 13)?,
                cancel_requested: row.get(14)?,
                run: row.get(15)?,
                held_ms: row.get(16)?,
                attempts: row.get(17)?,
                lasting: row.get::<_, Option<i64>>(18)?.map(i64::cast_unsigned),
            })
        })?;
        rows.collect()
    }

    /// The largest number of a command, and of a change.
    pub(in crate::downlink) fn numbers(&self) -> rusqlite::Result<(i64, i64)> {
        self.connection.query_row(
            "SELECT (SELECT coalesce(max(seq), 0) FROM command),
                 (SELECT coalesce(max(number), 0) FROM change)",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
    }

    /// Writes a group; it is durable on return.
    pub(in crate::downlink) fn write(&mut self, group: &Group) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        for created in &group.created {
            insert(&transaction, created)?;
        }
        for update in &group.updated {
            transaction
                .prepare_cached(
                    "UPDATE command SET state = ?2, cause = ?3, due = ?4, cancel_requested = ?5,
                         maybe_received = ?6, ended = ?7, expires = ?8, held = ?9,
                         verified = coalesce(?10, verified), attempts = ?11, session = ?12
                     WHERE seq = ?1",
                )?
                .execute(params![
                    update.seq,
                    update.state.code(),
                    update.cause,
                    update.due_ms,
                    update.cancel_requested,
                    update.maybe_received,
                    update.ended_ms,
                    update.expires_ms,
                    update.held_ms,
                    update.verified.map(Verified::code),
                    update.attempts,
                    update.lasting.map(u64::cast_signed),
                ])?;
        }
        for ChangeRow { command, change } in &group.changes {
            transaction
                .prepare_cached("INSERT INTO change VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
                .execute(params![
                    change.number,
                    command,
                    change.at_ms,
                    change.what.code(),
                    change.cause,
                    change.detail,
                ])?;
        }
        for audit in &group.audit {
            transaction
                .prepare_cached(
                    "INSERT INTO audit (at, who, action, id, vehicle, name)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![
                    audit.at_ms,
                    audit.who,
                    audit.action,
                    audit.id.0,
                    audit.vehicle,
                    audit.name,
                ])?;
        }
        pushes::write(&transaction, group)?;
        for AlarmRow { alarm, vehicle, at_ms, key } in &group.alarms {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO alarm VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![alarm, vehicle, at_ms, key])?;
        }
        if let Some(cursor) = group.webhook_cursor {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO meta VALUES ('webhook', ?1)")?
                .execute([cursor])?;
        }
        transaction.commit()
    }

    /// The payload, and the topic of its receipt.
    pub(in crate::downlink) fn payload(&self, seq: i64) -> rusqlite::Result<Payload> {
        self.connection
            .prepare_cached("SELECT payload, response_topic FROM command WHERE seq = ?1")?
            .query_row([seq], |row| Ok((row.get::<_, Vec<u8>>(0)?.into(), row::optional(row, 1)?)))
    }

    /// A command by its id.
    pub(in crate::downlink) fn find(&self, id: CommandId) -> rusqlite::Result<Option<Closed>> {
        self.connection
            .prepare_cached("SELECT seq, vehicle, name, state FROM command WHERE id = ?1")?
            .query_row([id.0], |row| {
                Ok(Closed {
                    seq: row.get(0)?,
                    vehicle: row::required(row, 1)?,
                    name: row::optional(row, 2)?,
                    state: row::state(row, 3)?,
                })
            })
            .optional()
    }

    /// The command of a vehicle with an idempotency key.
    pub(in crate::downlink) fn find_repeated(
        &self,
        vehicle: &str,
        key: &str,
    ) -> rusqlite::Result<Option<Record>> {
        let text =
            format!("SELECT {} FROM command WHERE vehicle = ?1 AND idempotency = ?2", row::COMMAND);
        self.connection.prepare_cached(&text)?.query_row([vehicle, key], row::record).optional()
    }

    /// When an alarm of a vehicle was last raised, and by which message.
    pub(in crate::downlink) fn last_alarm(
        &self,
        alarm: &str,
        vehicle: &str,
    ) -> rusqlite::Result<Option<(i64, [u8; 16])>> {
        self.connection
            .prepare_cached("SELECT at, key FROM alarm WHERE name = ?1 AND vehicle = ?2")?
            .query_row([alarm, vehicle], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
    }

    /// The last change that the webhook has accepted.
    pub(in crate::downlink) fn webhook_cursor(&self) -> rusqlite::Result<i64> {
        let found =
            self.connection
                .query_row("SELECT value FROM meta WHERE name = 'webhook'", [], |row| row.get(0));
        Ok(found.optional()?.unwrap_or(0))
    }

    /// Deletes some expired rows; returns whether there may be more.
    pub(in crate::downlink) fn sweep(
        &mut self,
        ended_before_ms: i64,
        audit_before_ms: i64,
        alarms_before_ms: i64,
        empty_runs_max: i64,
    ) -> rusqlite::Result<bool> {
        let transaction = self.connection.transaction()?;
        pushes::sweep(&transaction, ended_before_ms, empty_runs_max)?;
        let old = "SELECT seq FROM command WHERE ended < ?1
                 AND (run IS NULL OR run NOT IN (SELECT seq FROM run)) AND seq < (SELECT max(seq) FROM command) ORDER BY ended LIMIT ?2";
        transaction.execute(
            &format!(
                "DELETE FROM change WHERE command IN ({old})
                     AND number < (SELECT max(number) FROM change)"
            ),
            [ended_before_ms, SWEPT],
        )?;
        let commands = transaction.execute(
            &format!("DELETE FROM command WHERE seq IN ({old})"),
            [ended_before_ms, SWEPT],
        )?;
        let audit = transaction.execute(
            "DELETE FROM audit WHERE number IN (SELECT number FROM audit WHERE number <
                 (SELECT max(number) FROM audit) ORDER BY number LIMIT ?2) AND at < ?1",
            [audit_before_ms, SWEPT],
        )?;
        let alarms = transaction.execute(
            "DELETE FROM alarm WHERE (name, vehicle) IN
                 (SELECT name, vehicle FROM alarm WHERE at < ?1 LIMIT ?2)",
            [alarms_before_ms, SWEPT],
        )?;
        transaction.commit()?;
        let most = usize::try_from(SWEPT).unwrap_or(usize::MAX);
        Ok(commands >= most || audit >= most || alarms >= most)
    }
}

fn insert(connection: &Connection, created: &Created) -> rusqlite::Result<()> {
    let Created { request, created_ms, run, update } = created;
    let row = request.origin.as_ref().map(|origin| &origin.row);
    let within = request.execute_within_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
    connection
        .prepare_cached(
            "INSERT INTO command VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,
                 ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30)",
        )?
        .execute(params![
            update.seq,
            request.id.0,
            request.vehicle,
            request.name,
            request.fields,
            request.topic,
            &*request.payload,
            request.qos,
            created_ms,
            update.expires_ms,
            within,
            request.order.as_str(),
            request.response_topic,
            request.supersede,
            request.still,
            request.idempotency.as_ref().map(|it| &it.key),
            request.idempotency.as_ref().map(|it| it.digest),
            request.who,
            update.state.code(),
            update.cause,
            update.due_ms,
            update.cancel_requested,
            update.maybe_received,
            update.ended_ms,
            run,
            update.held_ms,
            row,
            update.verified.map(Verified::code),
            update.attempts,
            update.lasting.map(u64::cast_signed),
        ])?;
    Ok(())
}
