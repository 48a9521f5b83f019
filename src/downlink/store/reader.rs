//! Read connections; each read sees only complete groups.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, OptionalExtension as _, params_from_iter, types::Value};

use super::{file, row};
use crate::{
    downlink::{
        lifecycle::State,
        record::{FeedEntry, Record, moment},
    },
    model::CommandId,
};

/// The file of commands cannot be read. Check the disk.
#[derive(Debug, thiserror::Error)]
#[error("the commands cannot be read: {0}")]
pub struct ReadError(#[from] rusqlite::Error);

/// A filter of commands. Each list: any of these, empty for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandFilter {
    /// Of these vehicles.
    pub vehicles: Vec<String>,
    /// In these states.
    pub states: Vec<State>,
    /// Of these names.
    pub names: Vec<String>,
    /// Of this push.
    pub push: Option<CommandId>,
}

/// An audit entry: who did what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number.
    pub number: i64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Who.
    pub who: Arc<str>,
    /// `send` or `cancel` of a command; `push`, `pause`, `resume`, `abort` or `forget` of a push;
    /// `publish` of an alarm.
    pub action: String,
    /// Which command, or which push.
    pub id: CommandId,
    /// Of which vehicle; empty: it is a push.
    pub vehicle: Arc<str>,
    /// The command's, or the push's.
    pub name: Option<Arc<str>>,
}

impl AuditEntry {
    /// The JSON form in the API.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "at": moment(self.at_ms),
            "by": &*self.who,
            "action": self.action,
            "id": self.id.to_string(),
            "vehicle": Some(&*self.vehicle).filter(|vehicle| !vehicle.is_empty()),
            "command": self.name.as_deref(),
        })
    }
}

/// A pool of read connections.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    /// A mutex is enough: it is held for a push or a pop.
    idle: Mutex<Vec<Connection>>,
}

/// The maximum number of idle connections.
const IDLE_MAX: usize = 4;

impl Reader {
    pub(in crate::downlink) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), idle: Mutex::default() }
    }

    pub(super) fn with<R>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<R>,
    ) -> Result<R, ReadError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => file::open_to_read(&self.dir)?,
        };
        // Everything that one call reads is from one snapshot.
        let moment = connection.unchecked_transaction()?;
        let answer = ask(&moment)?;
        moment.finish()?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
        Ok(answer)
    }

    /// One command, with its history.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn command(&self, id: CommandId) -> Result<Option<Record>, ReadError> {
        self.with(|connection| {
            let text = format!("SELECT {} FROM command WHERE id = ?1", row::COMMAND);
            let found = connection.prepare_cached(&text)?.query_row([id.0], row::record);
            let Some(mut record) = found.optional()? else { return Ok(None) };
            history(connection, &mut record)?;
            Ok(Some(record))
        })
    }

    /// Commands, newest first, after the number `after`; at most `limit`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn page(
        &self,
        filter: &CommandFilter,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let mut values: Vec<Value> = vec![after.unwrap_or(i64::MAX).into()];
        let mut text = format!("SELECT {} FROM command WHERE seq < ?", row::COMMAND);
        let mut any_of = |column: &str, wanted: Vec<Value>| {
            if !wanted.is_empty() {
                let marks = vec!["?"; wanted.len()].join(", ");
                text.push_str(&format!(" AND {column} IN ({marks})"));
                values.extend(wanted);
            }
        };
        any_of("vehicle", filter.vehicles.iter().cloned().map(Value::from).collect());
        let states = filter.states.iter().map(|state| Value::from(i64::from(state.code())));
        any_of("state", states.collect());
        any_of("name", filter.names.iter().cloned().map(Value::from).collect());
        if let Some(push) = filter.push {
            text.push_str(
                " AND run IN (SELECT run.seq FROM run JOIN push ON push.seq = run.push
                      WHERE push.id = ?)",
            );
            values.push(Value::Blob(push.0.to_vec()));
        }
        text.push_str(" ORDER BY seq DESC LIMIT ?");
        values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
        self.with(|connection| {
            let mut ask = connection.prepare_cached(&text)?;
            let rows = ask.query_map(params_from_iter(values), row::record)?;
            let mut records: Vec<Record> = rows.collect::<rusqlite::Result<_>>()?;
            for record in &mut records {
                history(connection, record)?;
            }
            Ok(records)
        })
    }

    /// Changes of all commands after a number, oldest first; at most `limit`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn feed(&self, after: i64, limit: usize) -> Result<Vec<FeedEntry>, ReadError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.with(|connection| {
            let text = format!(
                "SELECT {}, command.id, command.vehicle, command.name
                 FROM change JOIN command ON command.seq = change.command
                 WHERE change.number > ?1 ORDER BY change.number LIMIT ?2",
                row::CHANGE
            );
            let mut ask = connection.prepare_cached(&text)?;
            let rows = ask.query_map([after, limit], |row| {
                Ok(FeedEntry {
                    change: row::change(row)?,
                    id: row::id(row, 5)?,
                    vehicle: row::required(row, 6)?,
                    name: row::optional(row, 7)?,
                })
            })?;
            rows.collect()
        })
    }

    /// Audit entries after a number, oldest first; at most `limit`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn audit(&self, after: i64, limit: usize) -> Result<Vec<AuditEntry>, ReadError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.with(|connection| {
            let mut ask = connection.prepare_cached(
                "SELECT number, at, who, action, id, vehicle, name FROM audit
                 WHERE number > ?1 ORDER BY number LIMIT ?2",
            )?;
            let rows = ask.query_map([after, limit], |row| {
                Ok(AuditEntry {
                    number: row.get(0)?,
                    at_ms: row.get(1)?,
                    who: row::required(row, 2)?,
                    action: row.get(3)?,
                    id: row::id(row, 4)?,
                    vehicle: row::required(row, 5)?,
                    name: row::optional(row, 6)?,
                })
            })?;
            rows.collect()
        })
    }
}

fn history(connection: &Connection, record: &mut Record) -> rusqlite::Result<()> {
    let text = format!("SELECT {} FROM change WHERE command = ?1 ORDER BY number", row::CHANGE);
    let mut ask = connection.prepare_cached(&text)?;
    record.history = ask.query_map([record.seq], row::change)?.collect::<rusqlite::Result<_>>()?;
    Ok(())
}
