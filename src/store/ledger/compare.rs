//! Compares a line with a new shape with the known columns of its table.

use std::collections::HashSet;

use super::{
    Column,
    columns::{cast, kind_of, words},
    table::Table,
};
use crate::{
    model::{Cause, FieldType, line},
    store::Unsendable,
};

/// The result of comparing a line with its table.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// Every column exists, with the same type.
    Fits,
    /// It has columns that are not known.
    Grows,
    /// It conflicts with its table and cannot be converted.
    Conflicts(Unsendable),
    /// It would be refused by any table.
    Refused(Unsendable),
    /// The line with some values converted to the store's types: it fits, or grows.
    Casts(Vec<u8>),
}

/// Compares a line with its table; without a table, everything is new.
pub(super) fn compare(text: &[u8], table: Option<&Table>) -> Comparison {
    let mut names = HashSet::new();
    let mut grows = false;
    for (key, _) in line::tags(text) {
        let key = line::unescape(key);
        match table.and_then(|table| table.columns.get(&*key)) {
            None => grows = true,
            Some(Column::Tag) => {}
            Some(Column::Field(kind)) => {
                let kind = words(*kind);
                return conflict(format!("tag `{key}` is a field in the store, {kind}"));
            }
            Some(Column::Other(word)) => {
                return conflict(format!("tag `{key}` is {word} in the store"));
            }
        }
        if !names.insert(key.clone()) {
            return twice(&key);
        }
    }
    let mut cast_line = None;
    let mut fields = line::fields(text);
    while let Some((key, value)) = fields.next() {
        let key = line::unescape(key);
        let kind = kind_of(value);
        match table.and_then(|table| table.columns.get(&*key)) {
            None => grows = true,
            Some(Column::Field(known)) if *known == kind => {}
            Some(Column::Field(known)) => {
                let Some(value_cast) = cast(value, kind, *known) else {
                    return conflict(type_conflict(&key, kind, words(*known)));
                };
                let end = text.len() - fields.rest().len();
                let edits = cast_line.get_or_insert_with(|| Edits::new(text));
                edits.replace(end - value.len()..end, &value_cast);
            }
            Some(Column::Tag) => {
                return conflict(format!("field `{key}` is a tag in the store"));
            }
            Some(Column::Other(word)) => return conflict(type_conflict(&key, kind, word)),
        }
        if !names.insert(key.clone()) {
            return twice(&key);
        }
    }
    match (cast_line, grows) {
        (Some(edits), _) => Comparison::Casts(edits.end()),
        (None, true) => Comparison::Grows,
        (None, false) => Comparison::Fits,
    }
}

fn type_conflict(key: &str, kind: FieldType, known: &str) -> String {
    format!("field `{key}` is {} by the line and {known} in the store", words(kind))
}

fn conflict(detail: String) -> Comparison {
    Comparison::Conflicts(Unsendable { cause: Cause::TypeConflict, detail })
}

fn twice(key: &str) -> Comparison {
    let detail = format!("`{key}` names two of its tags and fields, which TDengine refuses");
    Comparison::Refused(Unsendable { cause: Cause::StoreRefused, detail })
}

/// A line with some of its values replaced.
pub(super) struct Edits<'a> {
    text: &'a [u8],
    copied: usize,
    to: Vec<u8>,
}

impl<'a> Edits<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, copied: 0, to: Vec::with_capacity(text.len()) }
    }

    pub(super) fn replace(&mut self, range: std::ops::Range<usize>, with: &[u8]) {
        self.to.extend_from_slice(&self.text[self.copied..range.start]);
        self.to.extend_from_slice(with);
        self.copied = range.end;
    }

    pub(super) fn end(mut self) -> Vec<u8> {
        self.to.extend_from_slice(&self.text[self.copied..]);
        self.to
    }
}

/// A line with a space for each line feed in its strings.
pub(super) fn without_line_feeds(text: &[u8]) -> Vec<u8> {
    let mut edits = Edits::new(text);
    let mut fields = line::fields(text);
    while let Some((_, value)) = fields.next() {
        if value.first() == Some(&b'"') && value.contains(&b'\n') {
            let end = text.len() - fields.rest().len();
            let spaced: Vec<u8> =
                value.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }).collect();
            edits.replace(end - value.len()..end, &spaced);
        }
    }
    edits.end()
}
