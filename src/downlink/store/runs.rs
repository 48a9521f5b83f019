//! Reads pushes and their runs.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    pushes::{self, PUSH, PushRow, RUN, RunRow},
    reader::{ReadError, Reader},
    row,
};
use crate::{
    downlink::{
        lifecycle::State,
        push::{Counts, PushRecord, Report, RunRecord, RunState, Verified},
    },
    model::CommandId,
};

impl Reader {
    /// A push, with its latest run and the sums of all its runs.
    pub(in crate::downlink) fn push(&self, id: CommandId) -> Result<Option<PushRecord>, ReadError> {
        self.with(|connection| {
            pushes::by_id(connection, id)?.map(|push| record(connection, push)).transpose()
        })
    }

    /// The push with an idempotency key.
    pub(in crate::downlink) fn push_by_key(&self, key: &str) -> Result<Option<PushRow>, ReadError> {
        self.with(|connection| {
            let text = format!("SELECT {PUSH} FROM push WHERE idempotency = ?1");
            connection.prepare_cached(&text)?.query_row([key], pushes::push).optional()
        })
    }

    /// A push by its id, without its report.
    pub(in crate::downlink) fn push_row(
        &self,
        id: CommandId,
    ) -> Result<Option<PushRow>, ReadError> {
        self.with(|connection| pushes::by_id(connection, id))
    }

    /// Pushes, newest first, after the number `after`; only of one sender, if one is given.
    pub(in crate::downlink) fn pushes(
        &self,
        who: Option<&str>,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<PushRecord>, ReadError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.with(|connection| {
            let text = format!(
                "SELECT {PUSH} FROM push WHERE seq < ?1 AND (?2 IS NULL OR who = ?2)
                 ORDER BY seq DESC LIMIT ?3"
            );
            let mut ask = connection.prepare_cached(&text)?;
            let found = ask
                .query_map(params![after.unwrap_or(i64::MAX), who, limit], pushes::push)?
                .collect::<rusqlite::Result<Vec<PushRow>>>()?;
            found.into_iter().map(|push| record(connection, push)).collect()
        })
    }

    /// Runs of a push, newest first, after the number `after`.
    pub(in crate::downlink) fn runs(
        &self,
        push: i64,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<RunRecord>, ReadError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.with(|connection| {
            let text = format!(
                "SELECT {RUN} FROM run WHERE push = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3"
            );
            let mut ask = connection.prepare_cached(&text)?;
            let found = ask
                .query_map(params![push, after.unwrap_or(i64::MAX), limit], pushes::run)?
                .collect::<rusqlite::Result<Vec<RunRow>>>()?;
            found.into_iter().map(|run| run_record(connection, run)).collect()
        })
    }

    /// When a run ended, if it has.
    pub(in crate::downlink) fn run_ended(&self, run: i64) -> Result<Option<i64>, ReadError> {
        self.with(|connection| {
            let mut ask = connection.prepare_cached("SELECT ended FROM run WHERE seq = ?1")?;
            Ok(ask.query_row([run], |row| row.get(0)).optional()?.flatten())
        })
    }

    /// The number of commands of a run, and of those that are held.
    pub(in crate::downlink) fn progress(&self, run: i64) -> Result<Option<(u64, u64)>, ReadError> {
        self.with(|connection| {
            let state: Option<u8> = connection
                .prepare_cached("SELECT state FROM run WHERE seq = ?1")?
                .query_row([run], |row| row.get(0))
                .optional()?;
            if state != Some(RunState::Running.code()) {
                return Ok(None);
            }
            let mut ask = connection.prepare_cached(
                "SELECT count(*), coalesce(sum(held IS NOT NULL AND state = 0), 0) FROM command
                 WHERE run = ?1 AND NOT (state = 4 AND cause IS 'row')",
            )?;
            let (all, held): (i64, i64) =
                ask.query_row([run], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(Some((u64::try_from(all).unwrap_or(0), u64::try_from(held).unwrap_or(0))))
        })
    }

    /// Vehicles that got a command of a push with this name since a time; cancelled and skipped
    /// commands do not count.
    pub(in crate::downlink) fn vehicles_since(
        &self,
        name: &str,
        since_ms: i64,
    ) -> Result<HashSet<String>, ReadError> {
        self.with(|connection| {
            let mut ask = connection.prepare_cached(
                "SELECT DISTINCT vehicle FROM command WHERE state NOT IN (8, 10)
                     AND NOT (state = 4 AND cause IS 'row')
                     AND run IN (SELECT run.seq FROM run JOIN push ON push.seq = run.push
                         WHERE push.name = ?1 AND run.at >= ?2)",
            )?;
            ask.query_map(params![name, since_ms], |row| row.get(0))?.collect()
        })
    }

    /// Vehicles with at least this number of open commands, not counting those with a key, which
    /// will be superseded.
    pub(in crate::downlink) fn crowded(
        &self,
        open_max: usize,
        supersede: Option<&str>,
    ) -> Result<HashSet<String>, ReadError> {
        let open_max = i64::try_from(open_max).unwrap_or(i64::MAX);
        self.with(|connection| {
            let mut ask = connection.prepare_cached(
                "SELECT vehicle FROM command WHERE state <= 2 AND ended IS NULL
                     AND (?2 IS NULL OR supersede IS NOT ?2)
                 GROUP BY vehicle HAVING count(*) >= ?1",
            )?;
            ask.query_map(params![open_max, supersede], |row| row.get(0))?.collect()
        })
    }

    /// Unverified commands of a push: number, vehicle, when it was delivered.
    pub(in crate::downlink) fn unverified(
        &self,
        push: i64,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(i64, String, i64)>, ReadError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.with(|connection| {
            let mut ask = connection.prepare_cached(
                "SELECT command.seq, command.vehicle,
                     (SELECT max(at) FROM change WHERE change.command = command.seq AND what = 2)
                 FROM command WHERE verified = 0 AND command.seq > ?2
                     AND run IN (SELECT seq FROM run WHERE push = ?1)
                 ORDER BY command.seq LIMIT ?3",
            )?;
            ask.query_map(params![push, after, limit], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get::<_, Option<i64>>(2)?.unwrap_or(0)))
            })?
            .collect()
        })
    }

    /// Pushes with unverified commands.
    pub(in crate::downlink) fn unverified_pushes(&self) -> Result<Vec<PushRow>, ReadError> {
        self.with(|connection| {
            let text = format!(
                "SELECT {PUSH} FROM push WHERE seq IN (SELECT push FROM run WHERE seq IN
                     (SELECT run FROM command WHERE verified = 0)) ORDER BY seq"
            );
            connection.prepare_cached(&text)?.query_map([], pushes::push)?.collect()
        })
    }
}

fn record(connection: &Connection, push: PushRow) -> rusqlite::Result<PushRecord> {
    let text = format!("SELECT {RUN} FROM run WHERE push = ?1 ORDER BY seq DESC LIMIT 1");
    let latest = connection.prepare_cached(&text)?.query_row([push.seq], pushes::run).optional()?;
    let latest = latest.map(|run| run_record(connection, run)).transpose()?;
    let mut sums = pushes::past(connection, push.seq)?;
    let mut sum = sum(connection, push.seq)?;
    sum.count_unmade(latest.as_ref().map_or(0, |latest| latest.coming));
    sums.add(&sum);
    let open: i64 = connection
        .prepare_cached(
            "SELECT count(*) FROM command WHERE state <= 2 AND ended IS NULL
                 AND run IN (SELECT seq FROM run WHERE push = ?1)",
        )?
        .query_row([push.seq], |row| row.get(0))?;
    Ok(PushRecord { push, latest, sums, open: u64::try_from(open).unwrap_or(0) })
}

/// The report of all stored runs of a push.
fn sum(connection: &Connection, push: i64) -> rusqlite::Result<Report> {
    let mut report = Report::default();
    let counts: [i64; 7] = connection
        .prepare_cached(
            "SELECT coalesce(sum(rows), 0), coalesce(sum(unknown), 0),
                 coalesce(sum(duplicate), 0), coalesce(sum(once_per), 0),
                 coalesce(sum(open_max), 0), coalesce(sum(not_allowed), 0),
                 coalesce(sum(targeted), 0) FROM run WHERE push = ?1",
        )?
        .query_row([push], |row| {
            let mut counts = [0; 7];
            for (column, count) in counts.iter_mut().enumerate() {
                *count = row.get(column)?;
            }
            Ok(counts)
        })?;
    let counts = counts.map(|count| u64::try_from(count).unwrap_or(0));
    let [rows, unknown, duplicate, once_per, open_max, not_allowed, targeted] = counts;
    report.counts = Counts { rows, unknown, duplicate, once_per, open_max, not_allowed, targeted };
    count_commands(
        connection,
        "SELECT state, verified, count(*) FROM command
             WHERE run IN (SELECT seq FROM run WHERE push = ?1) GROUP BY state, verified",
        push,
        &mut report,
    )?;
    Ok(report)
}

fn run_record(connection: &Connection, run: RunRow) -> rusqlite::Result<RunRecord> {
    let open: i64 = connection
        .prepare_cached(
            "SELECT count(*) FROM command WHERE run = ?1 AND state <= 2 AND ended IS NULL",
        )?
        .query_row([run.seq], |row| row.get(0))?;
    let (report, coming) = report(connection, &run)?;
    Ok(RunRecord { run, report, coming, open: u64::try_from(open).unwrap_or(0) })
}

/// The report of a run, and how many commands it still has to make. It is computed only from its
/// commands.
pub(super) fn report(connection: &Connection, run: &RunRow) -> rusqlite::Result<(Report, u64)> {
    let mut report = Report { counts: run.counts, ..Report::default() };
    count_commands(
        connection,
        "SELECT state, verified, count(*) FROM command WHERE run = ?1 GROUP BY state, verified",
        run.seq,
        &mut report,
    )?;
    let coming = if run.state == RunState::Freezing { report.unmade() } else { 0 };
    report.count_unmade(coming);
    Ok((report, coming))
}

fn count_commands(
    connection: &Connection,
    text: &str,
    of: i64,
    report: &mut Report,
) -> rusqlite::Result<()> {
    let mut ask = connection.prepare_cached(text)?;
    let mut rows = ask.query([of])?;
    while let Some(found) = rows.next()? {
        let state: State = row::state(found, 0)?;
        let verified = found.get::<_, Option<u8>>(1)?.and_then(Verified::of_code);
        let count: i64 = found.get(2)?;
        report.count(state, verified, u64::try_from(count).unwrap_or(0));
    }
    Ok(())
}
