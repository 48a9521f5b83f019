//! A field's value as it is written in a line, and as SQLite takes it.

use std::borrow::Cow;

use rusqlite::{Statement, types::ToSqlOutput, types::ValueRef};

use crate::model::FieldType;

/// A value of a line; text is borrowed from it unless it holds escapes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum FieldValue<'a> {
    Float(f64),
    Integer(i64),
    Boolean(bool),
    Text(Cow<'a, str>),
}

impl<'a> FieldValue<'a> {
    /// Reads a value. `None` if it is none, or an integer that does not fit 64 signed bits.
    pub(super) fn read(written: &'a [u8]) -> Option<Self> {
        let (last, digits) = written.split_last()?;
        match last {
            b'"' => text(written).map(Self::Text),
            b'i' | b'u' => str::from_utf8(digits).ok()?.parse().ok().map(Self::Integer),
            b'0'..=b'9' | b'.' => str::from_utf8(written).ok()?.parse().ok().map(Self::Float),
            _ => match written {
                b"t" | b"T" | b"true" | b"True" | b"TRUE" => Some(Self::Boolean(true)),
                b"f" | b"F" | b"false" | b"False" | b"FALSE" => Some(Self::Boolean(false)),
                _ => None,
            },
        }
    }

    /// The type of the column that it goes to.
    pub(super) const fn kind(&self) -> FieldType {
        match self {
            Self::Float(_) => FieldType::Float,
            Self::Integer(_) => FieldType::Integer,
            Self::Boolean(_) => FieldType::Boolean,
            Self::Text(_) => FieldType::String,
        }
    }

    /// Gives it to a statement.
    pub(super) fn bind(&self, statement: &mut Statement<'_>, at: usize) -> rusqlite::Result<()> {
        let value = match self {
            Self::Float(value) => ValueRef::Real(*value),
            Self::Integer(value) => ValueRef::Integer(*value),
            Self::Boolean(value) => ValueRef::Integer(i64::from(*value)),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
        };
        statement.raw_bind_parameter(at, ToSqlOutput::Borrowed(value))
    }
}

/// A quoted string without its quotes and backslashes.
fn text(written: &[u8]) -> Option<Cow<'_, str>> {
    let inner = written.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if !inner.contains(&b'\\') {
        return str::from_utf8(inner).ok().map(Cow::Borrowed);
    }
    let mut plain = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().peekable();
    while let Some(byte) = bytes.next() {
        let escaped = bytes.next_if(|next| *byte == b'\\' && matches!(next, b'"' | b'\\'));
        plain.push(*escaped.unwrap_or(byte));
    }
    String::from_utf8(plain).ok().map(Cow::Owned)
}

/// The declared type of a column.
pub(super) const fn declared(kind: FieldType) -> &'static str {
    match kind {
        FieldType::Float => "REAL",
        // No store of signed integers is given an unsigned one past their range.
        FieldType::Integer | FieldType::Unsigned => "INTEGER",
        FieldType::String => "TEXT",
        FieldType::Boolean => "BOOLEAN",
    }
}

/// The type that a column was declared with; `None` if it is none of ours.
pub(super) fn kind_of(declared: &str) -> Option<FieldType> {
    [FieldType::Float, FieldType::Integer, FieldType::String, FieldType::Boolean]
        .into_iter()
        .find(|kind| self::declared(*kind) == declared)
}

/// A type in words, for whoever reads why a point was refused.
pub(super) const fn words(kind: FieldType) -> &'static str {
    match kind {
        FieldType::Float => "a float",
        FieldType::Integer | FieldType::Unsigned => "an integer",
        FieldType::String => "a string",
        FieldType::Boolean => "a boolean",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(written: &str, expect: Option<FieldValue<'_>>) {
        assert_eq!(FieldValue::read(written.as_bytes()), expect, "{written}");
    }

    #[test]
    fn a_value_is_what_line_protocol_says_it_is() {
        check("1.5", Some(FieldValue::Float(1.5)));
        check("146", Some(FieldValue::Float(146.0)));
        check("1e21", Some(FieldValue::Float(1e21)));
        check("-0", Some(FieldValue::Float(-0.0)));
        check("-9223372036854775808i", Some(FieldValue::Integer(i64::MIN)));
        check("7u", Some(FieldValue::Integer(7)));
        check("9223372036854775808u", None);
        check("t", Some(FieldValue::Boolean(true)));
        check("False", Some(FieldValue::Boolean(false)));
        check("\"\"", Some(FieldValue::Text("".into())));
        check("\"a, b\n\"", Some(FieldValue::Text("a, b\n".into())));
        check(r#""a\"b\\c\d""#, Some(FieldValue::Text(r#"a"b\c\d"#.into())));
        for wrong in ["", "\"", "i", "nan", "x", "1x"] {
            check(wrong, None);
        }
    }
}
