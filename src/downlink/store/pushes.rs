//! Writes pushes and their runs.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    row,
    runs::report,
    writer::{Group, Writer},
};
use crate::{
    downlink::{
        push::{Counts, PushState, Report, RunState},
        record::Idempotency,
    },
    model::CommandId,
};

/// The maximum number of runs that one sweep deletes.
const SWEPT: i64 = 100;

/// A stored push.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::downlink) struct PushRow {
    pub(in crate::downlink) seq: i64,
    pub(in crate::downlink) id: CommandId,
    pub(in crate::downlink) name: Arc<str>,
    /// The request, as JSON.
    pub(in crate::downlink) spec: Arc<str>,
    pub(in crate::downlink) who: Arc<str>,
    /// The vehicles that its sender's token is limited to, as a JSON list.
    pub(in crate::downlink) vehicles: Option<Arc<str>>,
    pub(in crate::downlink) created_ms: i64,
    pub(in crate::downlink) state: PushState,
    pub(in crate::downlink) idempotency: Option<Idempotency>,
    pub(in crate::downlink) ended_ms: Option<i64>,
    /// For a scheduled push: when its next run is due.
    pub(in crate::downlink) next_ms: Option<i64>,
}

/// A stored run of a push.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::downlink) struct RunRow {
    pub(in crate::downlink) seq: i64,
    pub(in crate::downlink) push: i64,
    /// The time of its query.
    pub(in crate::downlink) at_ms: i64,
    pub(in crate::downlink) state: RunState,
    pub(in crate::downlink) cause: Option<Arc<str>>,
    /// Its query, as JSON.
    pub(in crate::downlink) query: Arc<str>,
    pub(in crate::downlink) counts: Counts,
    pub(in crate::downlink) abort_above: Option<f64>,
    /// The number of waves that have begun.
    pub(in crate::downlink) wave: u32,
    /// When the last wave began.
    pub(in crate::downlink) wave_ms: Option<i64>,
    pub(in crate::downlink) ended_ms: Option<i64>,
}

/// The columns of [`push`], in its order.
pub(super) const PUSH: &str =
    "seq, id, name, spec, who, vehicles, created, state, idempotency, digest, ended, next";
/// The columns of [`run`], in its order.
pub(super) const RUN: &str = "seq, push, at, state, cause, query, rows, unknown, duplicate, \
     once_per, open_max, not_allowed, targeted, abort_above, wave, wave_at, ended";

pub(super) fn push(row: &Row<'_>) -> rusqlite::Result<PushRow> {
    let state = PushState::of_code(row.get(7)?).ok_or_else(|| row::broken(7, "no such state"))?;
    let digest: Option<Vec<u8>> = row.get(9)?;
    let digest = digest.and_then(|digest| <[u8; 16]>::try_from(digest).ok());
    let key = row::text(row, 8)?;
    Ok(PushRow {
        seq: row.get(0)?,
        id: row::id(row, 1)?,
        name: row::required(row, 2)?,
        spec: row::required(row, 3)?,
        who: row::required(row, 4)?,
        vehicles: row::text(row, 5)?,
        created_ms: row.get(6)?,
        state,
        idempotency: key.zip(digest).map(|(key, digest)| Idempotency { key, digest }),
        ended_ms: row.get(10)?,
        next_ms: row.get(11)?,
    })
}

/// A push by its id.
pub(super) fn by_id(connection: &Connection, id: CommandId) -> rusqlite::Result<Option<PushRow>> {
    let text = format!("SELECT {PUSH} FROM push WHERE id = ?1");
    connection.prepare_cached(&text)?.query_row([id.0], push).optional()
}

pub(super) fn run(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    let state = RunState::of_code(row.get(3)?).ok_or_else(|| row::broken(3, "no such state"))?;
    let count = |column| -> rusqlite::Result<u64> {
        let count: i64 = row.get(column)?;
        Ok(u64::try_from(count).unwrap_or(0))
    };
    Ok(RunRow {
        seq: row.get(0)?,
        push: row.get(1)?,
        at_ms: row.get(2)?,
        state,
        cause: row::text(row, 4)?,
        query: row::required(row, 5)?,
        counts: Counts {
            rows: count(6)?,
            unknown: count(7)?,
            duplicate: count(8)?,
            once_per: count(9)?,
            open_max: count(10)?,
            not_allowed: count(11)?,
            targeted: count(12)?,
        },
        abort_above: row.get(13)?,
        wave: row.get(14)?,
        wave_ms: row.get(15)?,
        ended_ms: row.get(16)?,
    })
}

/// Writes a group's changes of pushes.
pub(super) fn write(connection: &Connection, group: &Group) -> rusqlite::Result<()> {
    for push in &group.pushes {
        connection
            .prepare_cached(
                "INSERT INTO push VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, NULL, ?12)
                 ON CONFLICT (seq) DO UPDATE SET state = ?8, idempotency = ?9, digest = ?10,
                     ended = ?11, next = ?12",
            )?
            .execute(params![
                push.seq,
                push.id.0,
                push.name,
                push.spec,
                push.who,
                push.vehicles,
                push.created_ms,
                push.state.code(),
                push.idempotency.as_ref().map(|it| &it.key),
                push.idempotency.as_ref().map(|it| it.digest),
                push.ended_ms,
                push.next_ms,
            ])?;
    }
    for run in &group.runs {
        write_run(connection, run)?;
    }
    for push in &group.forgotten {
        connection.execute("DELETE FROM run WHERE push = ?1", [push])?;
        connection.execute("DELETE FROM push WHERE seq = ?1", [push])?;
    }
    for (command, verified) in &group.verified {
        connection
            .prepare_cached("UPDATE command SET verified = ?2 WHERE seq = ?1")?
            .execute(params![command, verified.code()])?;
    }
    Ok(())
}

fn write_run(connection: &Connection, run: &RunRow) -> rusqlite::Result<()> {
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let counts = &run.counts;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO run VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,
                 ?13, ?14, ?15, ?16, ?17)",
        )?
        .execute(params![
            run.seq,
            run.push,
            run.at_ms,
            run.state.code(),
            run.cause,
            run.query,
            count(counts.rows),
            count(counts.unknown),
            count(counts.duplicate),
            count(counts.once_per),
            count(counts.open_max),
            count(counts.not_allowed),
            count(counts.targeted),
            run.abort_above,
            run.wave,
            run.wave_ms,
            run.ended_ms,
        ])?;
    Ok(())
}

impl Writer {
    /// The largest number of a push, and of a run.
    pub(in crate::downlink) fn push_numbers(&self) -> rusqlite::Result<(i64, i64)> {
        self.connection.query_row(
            "SELECT (SELECT coalesce(max(seq), 0) FROM push),
                 max((SELECT coalesce(max(seq), 0) FROM run),
                     (SELECT coalesce(max(run), 0) FROM command))",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
    }

    /// Pushes that have not ended, or of which a command has not.
    pub(in crate::downlink) fn live_pushes(&self) -> rusqlite::Result<Vec<PushRow>> {
        let text = format!(
            "SELECT {PUSH} FROM push WHERE ended IS NULL OR seq IN (SELECT push FROM run
                 WHERE seq IN (SELECT run FROM command
                     WHERE state <= 2 AND ended IS NULL AND run IS NOT NULL)) ORDER BY seq"
        );
        let mut ask = self.connection.prepare(&text)?;
        ask.query_map([], push)?.collect()
    }

    /// Runs that have not ended, or of which a command has not.
    pub(in crate::downlink) fn live_runs(&self) -> rusqlite::Result<Vec<RunRow>> {
        let text = format!(
            "SELECT {RUN} FROM run WHERE state IN (0, 1) OR seq IN
                 (SELECT run FROM command WHERE state <= 2 AND ended IS NULL AND run IS NOT NULL)
             ORDER BY seq"
        );
        let mut ask = self.connection.prepare(&text)?;
        ask.query_map([], run)?.collect()
    }

    /// The numbers of ended commands of a run, and of those that ended badly; commands that could
    /// never be sent count as neither.
    pub(in crate::downlink) fn ended_of(&self, run: i64) -> rusqlite::Result<(u64, u64)> {
        self.connection
            .prepare_cached(
                "SELECT count(*), coalesce(sum(state IN (4, 5, 6, 7)), 0) FROM command
                 WHERE run = ?1 AND ended IS NOT NULL AND NOT (state = 4 AND cause IS 'row')",
            )?
            .query_row([run], |row| {
                let (all, bad): (i64, i64) = (row.get(0)?, row.get(1)?);
                Ok((u64::try_from(all).unwrap_or(0), u64::try_from(bad).unwrap_or(0)))
            })
    }

    /// The push with an idempotency key.
    pub(in crate::downlink) fn find_push(&self, key: &str) -> rusqlite::Result<Option<PushRow>> {
        let text = format!("SELECT {PUSH} FROM push WHERE idempotency = ?1");
        self.connection.prepare_cached(&text)?.query_row([key], push).optional()
    }

    /// A push by its id.
    pub(in crate::downlink) fn push(&self, id: CommandId) -> rusqlite::Result<Option<PushRow>> {
        by_id(&self.connection, id)
    }
}

/// Deletes runs whose commands have all ended long ago, and all but the newest of those that made
/// no command. Their reports are added to the sums of their push, and their commands are deleted by
/// the next sweep. A push is deleted with its last run.
pub(super) fn sweep(
    connection: &Connection,
    ended_before_ms: i64,
    empty_runs_max: i64,
) -> rusqlite::Result<()> {
    // The newest run of an active push is kept, because the push shows it.
    let text = format!(
        "SELECT {RUN} FROM run WHERE ended < ?1
             AND NOT EXISTS (SELECT 1 FROM command WHERE command.run = run.seq
                 AND (command.ended IS NULL OR command.ended >= ?1))
             AND (seq < (SELECT max(seq) FROM run AS other WHERE other.push = run.push)
                 OR (SELECT ended FROM push WHERE push.seq = run.push) < ?1)
         ORDER BY seq LIMIT ?2"
    );
    let old: Vec<RunRow> = connection
        .prepare(&text)?
        .query_map([ended_before_ms, SWEPT], run)?
        .collect::<rusqlite::Result<_>>()?;
    for run in old.into_iter().chain(empty(connection, empty_runs_max)?) {
        let mut past = past(connection, run.push)?;
        past.add(&report(connection, &run)?.0);
        connection.execute(
            "UPDATE push SET past = ?2 WHERE seq = ?1",
            params![run.push, past.json().to_string()],
        )?;
        connection.execute("DELETE FROM run WHERE seq = ?1", [run.seq])?;
    }
    connection.execute(
        "DELETE FROM push WHERE ended < ?1 AND NOT EXISTS (
             SELECT 1 FROM run WHERE run.push = push.seq)",
        [ended_before_ms],
    )?;
    Ok(())
}

/// Runs of standing pushes that made no command, older than the newest runs.
fn empty(connection: &Connection, most: i64) -> rusqlite::Result<Vec<RunRow>> {
    let columns = RUN.split(", ").map(|column| format!("run.{column}")).collect::<Vec<_>>();
    let text = format!(
        "SELECT {} FROM push JOIN run ON run.push = push.seq
             WHERE push.next IS NOT NULL AND run.targeted = 0 AND run.ended IS NOT NULL
                 AND run.seq < (SELECT seq FROM run AS newer WHERE newer.push = push.seq
                     ORDER BY seq DESC LIMIT 1 OFFSET ?1)
         ORDER BY run.seq LIMIT ?2",
        columns.join(", ")
    );
    let mut ask = connection.prepare(&text)?;
    ask.query_map([most.saturating_sub(1).max(0), SWEPT], run)?.collect()
}

/// The sums of a push's deleted runs.
pub(super) fn past(connection: &Connection, push: i64) -> rusqlite::Result<Report> {
    let text: Option<String> = connection
        .prepare_cached("SELECT past FROM push WHERE seq = ?1")?
        .query_row([push], |row| row.get(0))
        .optional()?
        .flatten();
    let kept = text.and_then(|text| serde_json::from_str(&text).ok());
    Ok(kept.map(|kept| Report::of_json(&kept)).unwrap_or_default())
}
