//! Typed rows: a store's answer to a query in any language.

use crate::model::UnixNanos;

/// The type of a column, as the API names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// A moment.
    Timestamp,
    /// 64-bit float.
    Float,
    /// A 64-bit integer, signed or unsigned, exact.
    Integer,
    /// True or false.
    Boolean,
    /// UTF-8 text.
    String,
}

impl ValueType {
    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timestamp => "timestamp",
            Self::Float => "float",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::String => "string",
        }
    }
}

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The name from the query, else the one from the store.
    pub name: String,
    /// The type of its values; nulls are allowed.
    pub kind: ValueType,
}

impl Column {
    /// A column.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: ValueType) -> Self {
        Self { name: name.into(), kind }
    }
}

/// One value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// A moment.
    Timestamp(UnixNanos),
    /// 64-bit float.
    Float(f64),
    /// 64-bit signed integer.
    Integer(i64),
    /// 64-bit unsigned integer, if the store has this type.
    Unsigned(u64),
    /// True or false.
    Boolean(bool),
    /// UTF-8 text.
    String(String),
}

impl Value {
    /// The type of a column that begins with this value; `None` for a null.
    #[must_use]
    pub const fn kind(&self) -> Option<ValueType> {
        match self {
            Self::Null => None,
            Self::Timestamp(_) => Some(ValueType::Timestamp),
            Self::Float(_) => Some(ValueType::Float),
            Self::Integer(_) | Self::Unsigned(_) => Some(ValueType::Integer),
            Self::Boolean(_) => Some(ValueType::Boolean),
            Self::String(_) => Some(ValueType::String),
        }
    }
}

/// The values of one row, one per column.
pub type Row = Vec<Value>;
