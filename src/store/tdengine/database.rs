//! TE-3: before the first write the database is looked at, and made where that is asked for.
//!
//! `information_schema.ins_databases` tells the precision. A user who may not read it, and a server
//! that answers in another way, are no reason to stop: then the write itself tells what is wrong.
//! A database that is there with another precision is.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::Deserialize;
use serde_json::Value as Json;

use crate::store::{
    Answer,
    ask::{AskError, Asker},
    client,
    options::TdEngine,
    tdengine::code::{Class, Code, Fault},
    verdict::Verdict,
};

/// What is known of the database on each server.
#[derive(Debug)]
pub(in crate::store) struct DatabaseCheck {
    database: String,
    create: bool,
    /// Which servers have a database of the right precision, as far as is known. Atomic, since
    /// requests of several shards look at once; to look twice does no harm.
    checked: Vec<AtomicBool>,
}

/// Why nothing may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) enum NotReady {
    /// Somebody has to change a setting.
    Setting(String),
    /// The server is away.
    Away(String),
}

impl From<NotReady> for Verdict {
    fn from(reason: NotReady) -> Self {
        match reason {
            NotReady::Setting(reason) => Self::Halted { reason },
            NotReady::Away(reason) => Self::Unavailable { reason, retry_after: None },
        }
    }
}

/// What a server says of the database.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Precision(String),
    /// It is not there, or we may not see it.
    Nothing,
    /// The answer does not tell.
    Unclear,
}

impl DatabaseCheck {
    pub(in crate::store) fn new(options: &TdEngine, endpoints: usize) -> Self {
        let checked = (0..endpoints).map(|_| AtomicBool::new(false)).collect();
        Self { database: options.database.clone(), create: options.create, checked }
    }

    /// Looks, unless that was done, and makes the database where it is missing and `may_create`.
    pub(in crate::store) async fn ensure(
        &self,
        asker: &Asker,
        endpoint: usize,
        may_create: bool,
    ) -> Result<(), NotReady> {
        let checked = &self.checked[endpoint % self.checked.len()];
        if checked.load(Ordering::Relaxed) {
            return Ok(());
        }
        let text = format!(
            "select * from information_schema.ins_databases where name = '{}'",
            self.database
        );
        match self.ask(asker, endpoint, &text).await? {
            Ok(body) => match found(&body) {
                Found::Precision(precision) if precision == "ns" => {}
                Found::Precision(precision) => return Err(self.other(&precision)),
                Found::Nothing if self.create && may_create => self.make(asker, endpoint).await?,
                Found::Nothing | Found::Unclear => return Ok(()),
            },
            // No right to look.
            Err(_fault) => return Ok(()),
        }
        checked.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Whether a question failed for a database that the first write will make.
    pub(in crate::store) fn will_be_made(&self, error: &AskError) -> bool {
        let AskError::Halted { reason } = error else { return false };
        self.create && reason.contains("Database not exist")
    }

    /// Looks again before the next write: the database was there and is not any more.
    pub(in crate::store) fn forget(&self, endpoint: usize) {
        self.checked[endpoint % self.checked.len()].store(false, Ordering::Relaxed);
    }

    async fn make(&self, asker: &Asker, endpoint: usize) -> Result<(), NotReady> {
        let text = format!("create database `{}` precision 'ns' wal_level 2", self.database);
        match self.ask(asker, endpoint, &text).await? {
            Ok(_) => {
                tracing::info!(database = %self.database, endpoint, "created the database");
                Ok(())
            }
            // Another shard was faster, or it is there and we may not see it.
            Err(fault) if fault.code() == Code::DATABASE_EXISTS => Ok(()),
            Err(fault) => {
                let text = fault.text();
                Err(NotReady::Setting(format!(
                    "cannot create database `{}`: {text}",
                    self.database
                )))
            }
        }
    }

    /// The body of a good answer, or the fault that says no; outages and missing rights of the
    /// user as such are errors.
    async fn ask(
        &self,
        asker: &Asker,
        endpoint: usize,
        text: &str,
    ) -> Result<Result<Vec<u8>, Fault>, NotReady> {
        let answer = match asker.tell(endpoint, text).await {
            Ok(answer) => answer,
            Err(error) => return Err(NotReady::Away(client::describe(&error))),
        };
        let Some(fault) = answer.whole_body().and_then(Fault::read) else {
            return match answer.status {
                200 => Ok(Ok(answer.body)),
                401 | 403 | 404 => Err(NotReady::Setting(answer.quote(&answer.message()))),
                _ => Err(NotReady::Away(answer.quote(&answer.message()))),
            };
        };
        // 11: no connection to the server; 0x20: parts of it are away; 2324: it is starting.
        let is_outage = matches!(fault.code().0, 0xb | 0x20 | 0x914);
        let quote = answer.quote(&fault.text());
        match fault.code().of_question() {
            Class::Setting => Err(NotReady::Setting(quote)),
            _ if is_outage || answer.status >= 500 => Err(NotReady::Away(quote)),
            _ => Ok(Err(fault)),
        }
    }

    fn other(&self, precision: &str) -> NotReady {
        let mut reason = format!(
            "database `{}` has precision '{precision}', in which points of nanoseconds overwrite \
             each other; create one with PRECISION 'ns'",
            self.database
        );
        reason.truncate(reason.floor_char_boundary(Answer::QUOTE_BYTES_MAX));
        NotReady::Setting(reason)
    }
}

/// An answer of `/rest/sql` that is not asked for by anybody else.
#[derive(Deserialize)]
struct Body {
    column_meta: Vec<Vec<Json>>,
    data: Vec<Vec<Json>>,
}

/// Whether the database is there, and in which precision. The column is found by its name: there
/// are more of them with each version.
fn found(body: &[u8]) -> Found {
    let Ok(body) = serde_json::from_slice::<Body>(body) else { return Found::Unclear };
    let Some(row) = body.data.first() else { return Found::Nothing };
    let is_it = |column: &Vec<Json>| column.first().is_some_and(|name| name == "precision");
    let at = body.column_meta.iter().position(is_it);
    match at.and_then(|at| row.get(at)).and_then(Json::as_str) {
        Some(precision) => Found::Precision(precision.to_owned()),
        None => Found::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_precision_is_found_wherever_its_column_stands() {
        let body = |precision: &str| {
            format!(
                r#"{{"code":0,"column_meta":[["name","VARCHAR",64],["vgroups","SMALLINT",2],
                ["precision","VARCHAR",2],["status","VARCHAR",10]],
                "data":[["fleet",2,"{precision}","ready"]],"rows":1}}"#
            )
        };
        assert_eq!(found(body("ns").as_bytes()), Found::Precision("ns".to_owned()));
        assert_eq!(found(body("ms").as_bytes()), Found::Precision("ms".to_owned()));
        let none = br#"{"code":0,"column_meta":[["name","VARCHAR",64]],"data":[],"rows":0}"#;
        assert_eq!(found(none), Found::Nothing);
        let other = br#"{"code":0,"column_meta":[["name","VARCHAR",64]],"data":[["x"]],"rows":1}"#;
        assert_eq!(found(other), Found::Unclear);
        assert_eq!(found(b"OK"), Found::Unclear);
    }
}
