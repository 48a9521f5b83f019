//! Field values for SQLite, and the types of columns.

use rusqlite::{Statement, types::ToSqlOutput, types::ValueRef};

use crate::{
    model::{FieldType, line::FieldValue},
    store::ledger::EXACT_MAX,
};

/// Reads a value for a column. `None` if it is not a value, or an integer that does not fit 64
/// signed bits.
pub(super) fn read(written: &[u8]) -> Option<FieldValue<'_>> {
    match FieldValue::read(written)? {
        FieldValue::Unsigned(value) => i64::try_from(value).ok().map(FieldValue::Integer),
        value => Some(value),
    }
}

/// An integer for a column of floats, if a float holds it exactly.
#[expect(clippy::cast_precision_loss, reason = "only where there is none")]
pub(super) fn as_float<'a>(value: &FieldValue<'_>) -> Option<FieldValue<'a>> {
    match value {
        FieldValue::Integer(value) if value.unsigned_abs() <= EXACT_MAX => {
            Some(FieldValue::Float(*value as f64))
        }
        _ => None,
    }
}

/// Binds a value to a statement.
pub(super) fn bind(
    value: &FieldValue<'_>,
    statement: &mut Statement<'_>,
    at: usize,
) -> rusqlite::Result<()> {
    let value = match value {
        FieldValue::Float(value) => ValueRef::Real(*value),
        FieldValue::Integer(value) => ValueRef::Integer(*value),
        // [`read`] returns none past the range.
        FieldValue::Unsigned(value) => ValueRef::Integer(value.cast_signed()),
        FieldValue::Boolean(value) => ValueRef::Integer(i64::from(*value)),
        FieldValue::String(value) => ValueRef::Text(value.as_bytes()),
    };
    statement.raw_bind_parameter(at, ToSqlOutput::Borrowed(value))
}

/// The declared type of a column.
pub(super) const fn declared(kind: FieldType) -> &'static str {
    match kind {
        FieldType::Float => "REAL",
        // [`read`] has checked that an unsigned integer is in the range of signed ones.
        FieldType::Integer | FieldType::Unsigned => "INTEGER",
        FieldType::String => "TEXT",
        FieldType::Boolean => "BOOLEAN",
    }
}

/// The type with which a column was declared; `None` if we do not declare such a type.
pub(super) fn kind_of(declared: &str) -> Option<FieldType> {
    [FieldType::Float, FieldType::Integer, FieldType::String, FieldType::Boolean]
        .into_iter()
        .find(|kind| self::declared(*kind) == declared)
}

/// A type in words, for messages about refused points.
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

    #[test]
    fn an_unsigned_integer_is_stored_as_far_as_a_signed_one_goes() {
        assert_eq!(read(b"7u"), Some(FieldValue::Integer(7)));
        assert_eq!(read(b"9223372036854775808u"), None);
    }

    #[test]
    fn an_integer_becomes_a_float_where_that_loses_nothing() {
        let exact = 1 << 53;
        assert_eq!(
            as_float(&FieldValue::Integer(-exact)),
            Some(FieldValue::Float(-9.007199254740992e15))
        );
        assert_eq!(as_float(&FieldValue::Integer(exact + 1)), None);
        assert_eq!(as_float(&FieldValue::Boolean(true)), None);
    }
}
