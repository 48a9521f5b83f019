//! TE-3: checks the database before the first write, and creates it if that is configured.
//!
//! The precision is in `information_schema.ins_databases`. If the user may not read it, or the
//! answer has another form, this is not a reason to stop: then the write itself shows what is
//! wrong. An existing database with another precision is a reason to stop.
//!
//! The server's version is read at the same time: a server before 3.3 fails on long tags.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use serde::Deserialize;
use serde_json::Value as Json;

use crate::store::{
    Answer,
    options::TdEngine,
    query::{QueryClient, StoreQueryError},
    tdengine::code::{Code, Fault, StatementClass},
    verdict::Verdict,
};

/// The state of the database on each server.
#[derive(Debug)]
pub(in crate::store) struct DatabaseCheck {
    database: String,
    create: bool,
    servers: Vec<Server>,
}

/// The state of one server.
#[derive(Debug, Default)]
struct Server {
    /// It has a database of the right precision. Atomic, because requests of several shards check
    /// it at the same time; checking twice does no harm.
    is_checked: AtomicBool,
    /// It reports a version before 3.3.
    is_old: AtomicBool,
    /// Why a mutex: of two simultaneous requests to create a database the second fails (`0x396`).
    making: tokio::sync::Mutex<()>,
}

/// How long to wait for another connection that creates the database, and how often to check.
const CREATING_MAX: Duration = Duration::from_secs(5);
const CREATING_EVERY: Duration = Duration::from_millis(50);

/// Why nothing can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) enum NotReady {
    /// An operator has to change a setting.
    Setting(String),
    /// The server is down or unreachable.
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

/// What a server reports about the database.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Precision(String),
    /// It does not exist, or we may not see it.
    Nothing,
    /// The answer has another form.
    Unclear,
}

impl DatabaseCheck {
    pub(in crate::store) fn new(options: &TdEngine, endpoints: usize) -> Self {
        let servers = (0..endpoints).map(|_| Server::default()).collect();
        Self { database: options.database.clone(), create: options.create, servers }
    }

    fn server(&self, endpoint: usize) -> &Server {
        &self.servers[endpoint % self.servers.len()]
    }

    /// Whether a server reported a version that fails on long tags.
    pub(in crate::store) fn is_old(&self, endpoint: usize) -> bool {
        self.server(endpoint).is_old.load(Ordering::Relaxed)
    }

    /// Checks the database, unless that was done, and creates it if it is missing and `may_create`.
    pub(in crate::store) async fn ensure(
        &self,
        queries: &QueryClient,
        endpoint: usize,
        may_create: bool,
    ) -> Result<(), NotReady> {
        let server = self.server(endpoint);
        if server.is_checked.load(Ordering::Relaxed) {
            return Ok(());
        }
        // Another request may have checked it meanwhile.
        let _making = server.making.lock().await;
        if server.is_checked.load(Ordering::Relaxed) {
            return Ok(());
        }
        if let Ok(body) = self.query(queries, endpoint, "select server_version()").await? {
            server.is_old.store(is_before_3_3(&body), Ordering::Relaxed);
        }
        let text = format!(
            "select * from information_schema.ins_databases where name = '{}'",
            self.database
        );
        match self.query(queries, endpoint, &text).await? {
            Ok(body) => match found(&body) {
                Found::Precision(precision) if precision == "ns" => {}
                Found::Precision(precision) => return Err(self.other(&precision)),
                Found::Nothing if self.create && may_create => self.make(queries, endpoint).await?,
                Found::Nothing | Found::Unclear => return Ok(()),
            },
            // No right to read it.
            Err(_fault) => return Ok(()),
        }
        server.is_checked.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Whether a query failed because of a database that the first write will create.
    pub(in crate::store) fn will_be_made(&self, error: &StoreQueryError) -> bool {
        let StoreQueryError::Halted { reason } = error else { return false };
        let missing = [Code::DATABASE_MISSING, Code::DATABASE_UNSPECIFIED];
        let is_missing = missing.iter().any(|code| reason.starts_with(&code.to_string()));
        self.create && (is_missing || reason.contains("Database not exist"))
    }

    /// Checks again before the next write: the database existed and does not exist any more.
    pub(in crate::store) fn forget(&self, endpoint: usize) {
        self.server(endpoint).is_checked.store(false, Ordering::Relaxed);
    }

    async fn make(&self, queries: &QueryClient, endpoint: usize) -> Result<(), NotReady> {
        let text = format!("create database `{}` precision 'ns' wal_level 2", self.database);
        let mut waited = Duration::ZERO;
        loop {
            match self.query(queries, endpoint, &text).await? {
                Ok(_) => {
                    tracing::info!(database = %self.database, endpoint, "created the database");
                    return Ok(());
                }
                // Somebody else has created it, or it exists and we may not see it.
                Err(fault) if fault.code() == Code::DATABASE_EXISTS => return Ok(()),
                Err(fault) if fault.code() == Code::DATABASE_CREATING && waited < CREATING_MAX => {
                    tokio::time::sleep(CREATING_EVERY).await;
                    waited += CREATING_EVERY;
                }
                Err(fault) if fault.code() == Code::DATABASE_CREATING => {
                    return Err(NotReady::Away(fault.text()));
                }
                Err(fault) => {
                    let (database, text) = (&self.database, fault.text());
                    return Err(NotReady::Setting(format!(
                        "cannot create database `{database}`: {text}"
                    )));
                }
            }
        }
    }

    /// The body of a successful answer, or the fault that refuses; outages and failed authorisation
    /// are errors.
    async fn query(
        &self,
        queries: &QueryClient,
        endpoint: usize,
        text: &str,
    ) -> Result<Result<Vec<u8>, Fault>, NotReady> {
        let answer = match queries.tell(endpoint, text).await {
            Ok(answer) => answer,
            Err(reason) => return Err(NotReady::Away(reason)),
        };
        let Some(fault) = answer.whole_body().and_then(Fault::read) else {
            return match answer.status {
                200 => Ok(Ok(answer.body)),
                401 | 403 | 404 => Err(NotReady::Setting(answer.quote(&answer.message()))),
                _ => Err(NotReady::Away(answer.quote(&answer.message()))),
            };
        };
        let quote = answer.quote(&fault.text());
        let is_creating = fault.code() == Code::DATABASE_CREATING;
        match fault.code().of_question() {
            StatementClass::Setting => Err(NotReady::Setting(quote)),
            _ if is_creating => Ok(Err(fault)),
            _ if fault.code().is_outage() || answer.status >= 500 => Err(NotReady::Away(quote)),
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

/// An answer of `/rest/sql` to one of the statements here.
#[derive(Deserialize)]
struct Body {
    column_meta: Vec<Vec<Json>>,
    data: Vec<Vec<Json>>,
}

/// Whether the one value of an answer is a version before 3.3, such as `3.0.2.4`.
fn is_before_3_3(body: &[u8]) -> bool {
    let body = serde_json::from_slice::<Body>(body).ok();
    let row = body.and_then(|body| body.data.into_iter().next());
    let value = row.and_then(|row| row.into_iter().next());
    let Some(version) = value.as_ref().and_then(Json::as_str) else { return false };
    let mut parts = version.split('.').map_while(|part| part.parse::<u32>().ok());
    match (parts.next(), parts.next()) {
        (Some(major), Some(minor)) => (major, minor) < (3, 3),
        _ => false,
    }
}

/// Whether the database exists, and its precision. The column is found by its name: each version
/// adds columns.
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
    fn the_precision_is_found_in_any_column_order() {
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

    #[test]
    fn only_a_reported_version_before_3_3_is_old() {
        let body = |version: &str| {
            let meta = r#"[["server_version()","VARCHAR",7]]"#;
            format!(r#"{{"code":0,"column_meta":{meta},"data":[["{version}"]],"rows":1}}"#)
        };
        for (version, is_old) in [
            ("3.0.2.4", true),
            ("2.6.0.34", true),
            ("3.2.3.0", true),
            ("3.3.0.0", false),
            ("3.3.6.6.alpha", false),
            ("4.0.0.0", false),
            ("", false),
            ("unknown", false),
        ] {
            assert_eq!(is_before_3_3(body(version).as_bytes()), is_old, "{version}");
        }
        assert!(!is_before_3_3(b"OK"));
    }
}
