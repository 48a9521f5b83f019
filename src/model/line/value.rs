//! A field's value, as written in a line.

use std::borrow::Cow;

use crate::model::FieldType;

/// A field value of a line; text is borrowed from the line unless it has escapes.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue<'a> {
    /// Written without a suffix.
    Float(f64),
    /// Written with an `i`.
    Integer(i64),
    /// Written with a `u`.
    Unsigned(u64),
    /// `t`, `f` and the longer words.
    Boolean(bool),
    /// Written in quotes; here without quotes and escapes.
    String(Cow<'a, str>),
}

impl<'a> FieldValue<'a> {
    /// Parses a value. `None` if it is not one.
    #[must_use]
    pub fn read(written: &'a [u8]) -> Option<Self> {
        let (last, digits) = written.split_last()?;
        match last {
            b'"' => unquote(written).map(Self::String),
            b'i' => str::from_utf8(digits).ok()?.parse().ok().map(Self::Integer),
            b'u' => str::from_utf8(digits).ok()?.parse().ok().map(Self::Unsigned),
            b'0'..=b'9' | b'.' => str::from_utf8(written).ok()?.parse().ok().map(Self::Float),
            _ => match written {
                b"t" | b"T" | b"true" | b"True" | b"TRUE" => Some(Self::Boolean(true)),
                b"f" | b"F" | b"false" | b"False" | b"FALSE" => Some(Self::Boolean(false)),
                _ => None,
            },
        }
    }

    /// The type with which it is written.
    #[must_use]
    pub const fn kind(&self) -> FieldType {
        match self {
            Self::Float(_) => FieldType::Float,
            Self::Integer(_) => FieldType::Integer,
            Self::Unsigned(_) => FieldType::Unsigned,
            Self::Boolean(_) => FieldType::Boolean,
            Self::String(_) => FieldType::String,
        }
    }
}

/// A quoted string without its quotes and escapes.
fn unquote(written: &[u8]) -> Option<Cow<'_, str>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(written: &str, expect: Option<FieldValue<'_>>) {
        assert_eq!(FieldValue::read(written.as_bytes()), expect, "{written}");
    }

    #[test]
    fn a_value_has_the_type_that_line_protocol_defines() {
        check("1.5", Some(FieldValue::Float(1.5)));
        check("146", Some(FieldValue::Float(146.0)));
        check("1e21", Some(FieldValue::Float(1e21)));
        check("-0", Some(FieldValue::Float(-0.0)));
        check("-9223372036854775808i", Some(FieldValue::Integer(i64::MIN)));
        check("7u", Some(FieldValue::Unsigned(7)));
        check("9223372036854775808u", Some(FieldValue::Unsigned(1 << 63)));
        check("t", Some(FieldValue::Boolean(true)));
        check("False", Some(FieldValue::Boolean(false)));
        check("\"\"", Some(FieldValue::String("".into())));
        check("\"a, b\n\"", Some(FieldValue::String("a, b\n".into())));
        check(r#""a\"b\\c\d""#, Some(FieldValue::String(r#"a"b\c\d"#.into())));
        for wrong in ["", "\"", "i", "u", "-1u", "nan", "inf", "x", "1x"] {
            check(wrong, None);
        }
    }
}
