//! Columns, and the types of written values.

use crate::model::FieldType;

/// A column in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) enum Column {
    /// A tag, as created by line protocol.
    Tag,
    /// A field of a type that line protocol has.
    Field(FieldType),
    /// A column that no line fits, because somebody else created it: the store's name for its type.
    Other(String),
}

impl Column {
    /// A column as TDengine describes it. Line protocol creates only these types, and a column of
    /// another type refuses every line.
    pub(in crate::store) fn of_tdengine(kind: &str, note: &str) -> Self {
        match (kind, note) {
            ("NCHAR", "TAG") => Self::Tag,
            (_, "TAG") => Self::Other(format!("a tag of type {kind}")),
            ("DOUBLE", _) => Self::Field(FieldType::Float),
            ("BIGINT", _) => Self::Field(FieldType::Integer),
            ("BIGINT UNSIGNED", _) => Self::Field(FieldType::Unsigned),
            ("VARCHAR" | "BINARY", _) => Self::Field(FieldType::String),
            ("BOOL", _) => Self::Field(FieldType::Boolean),
            _ => Self::Other(format!("a field of type {kind}")),
        }
    }
}

/// The type with which a field's value is written; for an invalid value the result does not matter.
pub(in crate::store) fn kind_of(value: &[u8]) -> FieldType {
    match value {
        [b'"', ..] => FieldType::String,
        [b't' | b'T' | b'f' | b'F', ..] => FieldType::Boolean,
        [.., b'i'] => FieldType::Integer,
        [.., b'u'] => FieldType::Unsigned,
        _ => FieldType::Float,
    }
}

/// A character for a type, for shapes.
pub(super) const fn type_code(kind: FieldType) -> u8 {
    match kind {
        FieldType::Float => b'f',
        FieldType::Integer => b'i',
        FieldType::Unsigned => b'u',
        FieldType::String => b's',
        FieldType::Boolean => b'b',
    }
}

/// A type in words, for the operator.
pub(in crate::store) const fn words(kind: FieldType) -> &'static str {
    match kind {
        FieldType::Float => "a float",
        FieldType::Integer => "an integer",
        FieldType::Unsigned => "an unsigned integer",
        FieldType::String => "a string",
        FieldType::Boolean => "a boolean",
    }
}

/// Whether values of one type are converted to another if they fit: see [`cast`].
pub(in crate::store) const fn casts(from: FieldType, to: FieldType) -> bool {
    matches!(
        (from, to),
        (FieldType::Integer | FieldType::Unsigned, FieldType::Float)
            | (FieldType::Unsigned, FieldType::Integer)
            | (FieldType::Integer, FieldType::Unsigned)
    )
}

/// Up to here a float holds every integer exactly.
pub(in crate::store) const EXACT_MAX: u64 = 1 << 53;

/// A value of one type written as another, if that loses nothing.
pub(super) fn cast(value: &[u8], from: FieldType, to: FieldType) -> Option<Vec<u8>> {
    let digits = str::from_utf8(value.get(..value.len() - 1)?).ok()?;
    let is_exact = || digits.parse::<i128>().is_ok_and(|n| n.unsigned_abs() <= EXACT_MAX.into());
    match (from, to) {
        (FieldType::Integer | FieldType::Unsigned, FieldType::Float) if is_exact() => {
            Some(digits.as_bytes().to_vec())
        }
        (FieldType::Unsigned, FieldType::Integer) if digits.parse::<i64>().is_ok() => {
            Some(format!("{digits}i").into_bytes())
        }
        (FieldType::Integer, FieldType::Unsigned) if digits.parse::<u64>().is_ok() => {
            Some(format!("{digits}u").into_bytes())
        }
        _ => None,
    }
}
