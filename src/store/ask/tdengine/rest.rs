//! An [`Ask`] to a request, and what a fault of the server means.

use crate::store::{
    ask::{
        decode::Decoder,
        request::{Asking, Body, Request},
        tdengine::{literal, rows::RestRows},
        terms::{Ask, AskError},
    },
    options::TdEngine,
    tdengine::{Class, Code, Fault},
};

pub(in crate::store::ask) fn asking(options: &TdEngine, ask: &Ask) -> Result<Asking, AskError> {
    let request = request(Some(options.database.clone()), literal::bind(ask)?);
    Ok(Asking { request, decoder: Decoder::Rest(RestRows::default()) })
}

/// One statement, in a database or in none.
pub(in crate::store::ask) fn request(database: Option<String>, text: String) -> Request {
    let accept = "application/json";
    let body = Some(Body::Text(text));
    Request { path: &["rest", "sql"], database, query: Vec::new(), accept, body }
}

/// What tells a table's columns: the time first, then the fields, then the tags.
pub(in crate::store::ask) fn describe(table: &str) -> Result<String, AskError> {
    if table.contains(['`', '\0']) {
        return Err(AskError::refused(format!("TDengine's SQL cannot name `{table}`")));
    }
    Ok(format!("DESCRIBE `{table}`"))
}

/// What a measurement's table may be called: newer servers write an underscore for each dot.
pub(in crate::store::ask) fn table_names(measurement: &str) -> Vec<String> {
    let mut names = vec![measurement.to_owned()];
    if measurement.contains('.') {
        names.push(measurement.replace('.', "_"));
    }
    names
}

/// What a fault means to whoever asked.
pub(super) fn error(fault: &Fault) -> AskError {
    let mut told = fault.text();
    told.truncate(told.floor_char_boundary(1024));
    match fault.code().of_question() {
        // `Fail to get table info, error: Database not exist`.
        _ if told.contains("Database not exist") => AskError::Halted { reason: told },
        Class::Setting => AskError::Halted { reason: told },
        Class::Question => AskError::refused(told),
        Class::Line | Class::Wait => AskError::Unavailable { reason: told },
    }
}

/// Reads an answer that is not 200; nothing where it is none of TDengine's.
pub(in crate::store::ask) fn refusal(body: &[u8]) -> Option<AskError> {
    // Other stores have texts as codes.
    Fault::read(body).as_ref().map(error)
}

/// Whether a question failed because there is no such table.
pub(in crate::store::ask) fn is_table_missing(error: &AskError) -> bool {
    let AskError::Refused { message } = error else { return false };
    let digits = message.strip_prefix("[0x").and_then(|rest| rest.split_once(']'));
    let code = digits.and_then(|(digits, _)| u32::from_str_radix(digits, 16).ok());
    code.is_some_and(|code| Code(code).is_table_missing(message))
}
