//! Avro types for decoders: only how values are encoded.

use std::sync::Arc;

use crate::schema::{Scalar, Symbols, Unit};

/// An index into [`Types`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TypeIdx(pub usize);

/// One type.
#[derive(Clone, Debug)]
pub enum Type {
    /// No bytes.
    Null,
    /// One value.
    Leaf(Leaf),
    /// Blocks of items.
    Array(TypeIdx),
    /// Blocks of keys and values.
    Map(TypeIdx),
    /// A branch's index, then its value.
    Union(Box<[TypeIdx]>),
    /// The values of its fields, in order.
    Record(Box<[TypeIdx]>),
}

/// How one value is encoded, and what it means.
#[derive(Clone, Debug)]
pub enum Leaf {
    /// One byte.
    Boolean,
    /// A zigzag varint of 32 bits.
    Int,
    /// A zigzag varint.
    Long,
    /// 4 bytes.
    Float,
    /// 8 bytes.
    Double,
    /// A length and as many bytes.
    Bytes,
    /// A length and as much UTF-8.
    String,
    /// As many bytes.
    Fixed(usize),
    /// A symbol's index, and how many there are.
    Enum(Arc<Symbols>, usize),
    /// A long that counts from the epoch.
    Ticks(Unit),
    /// An int: days since the epoch.
    Date,
    /// An int: milliseconds since midnight.
    TimeMillis,
    /// A long: microseconds since midnight.
    TimeMicros,
    /// 12 bytes: months, days, milliseconds.
    Duration,
    /// A length, which must be 16, and as many bytes.
    UuidBytes,
    /// 16 bytes.
    UuidFixed,
    /// Big-endian two's complement in bytes (`None`) or a fixed of a size; the value is that times
    /// ten to the power of minus `scale`.
    Decimal {
        /// Bytes of the fixed.
        fixed: Option<usize>,
        /// Digits after the point.
        scale: usize,
    },
    /// Bytes that hold a decimal and its scale; read only to be skipped.
    BigDecimal,
}

impl Leaf {
    /// Its scalar type; `None` if a line cannot hold it.
    #[must_use]
    pub fn scalar(&self) -> Option<Scalar> {
        Some(match self {
            Self::Boolean => Scalar::Boolean,
            Self::Int | Self::Long => Scalar::Integer,
            Self::Float => Scalar::Float32,
            Self::Double | Self::Decimal { .. } => Scalar::Float64,
            Self::Bytes | Self::Fixed(_) => Scalar::Bytes,
            Self::String
            | Self::Date
            | Self::TimeMillis
            | Self::TimeMicros
            | Self::Duration
            | Self::UuidBytes
            | Self::UuidFixed => Scalar::String,
            Self::Enum(symbols, _) => Scalar::Enum(Arc::clone(symbols)),
            Self::Ticks(unit) => Scalar::Ticks(*unit),
            Self::BigDecimal => return None,
        })
    }

    /// Whether its values have no bytes.
    const fn is_empty(&self) -> bool {
        matches!(self, Self::Fixed(0) | Self::Decimal { fixed: Some(0), .. })
    }
}

/// All types that a record reaches.
///
/// A type either never has bytes (null, a fixed of size 0, records of such) or always has at least
/// one. So a walk over a payload is bounded by the payload's length, whatever a block's count is,
/// as long as it does not iterate over values without bytes.
#[derive(Clone, Debug, Default)]
pub struct Types {
    all: Vec<Type>,
    empty: Vec<bool>,
    /// For each record its fields that have bytes; empty for other types.
    walked: Vec<Box<[TypeIdx]>>,
}

impl Types {
    /// Takes the arena; indexes count into it.
    pub(super) fn new(all: Vec<Type>) -> Self {
        let mut types = Self { empty: vec![true; all.len()], all, walked: Vec::new() };
        // A type that contains a type with bytes has bytes itself; this is repeated until nothing
        // changes. The remaining types contain only themselves or nothing.
        loop {
            let found: Vec<bool> = types.all.iter().map(|one| types.has_no_bytes(one)).collect();
            if found == types.empty {
                types.walked = types.all.iter().map(|one| types.fields_with_bytes(one)).collect();
                return types;
            }
            types.empty = found;
        }
    }

    /// The fields of a record that have bytes.
    fn fields_with_bytes(&self, one: &Type) -> Box<[TypeIdx]> {
        match one {
            Type::Record(fields) => {
                fields.iter().copied().filter(|field| !self.is_empty(*field)).collect()
            }
            _ => Box::default(),
        }
    }

    /// According to what is known so far.
    fn has_no_bytes(&self, one: &Type) -> bool {
        match one {
            Type::Null => true,
            Type::Leaf(leaf) => leaf.is_empty(),
            Type::Array(_) | Type::Map(_) | Type::Union(_) => false,
            Type::Record(fields) => fields.iter().all(|field| self.is_empty(*field)),
        }
    }

    /// A type.
    #[must_use]
    pub fn get(&self, index: TypeIdx) -> &Type {
        &self.all[index.0]
    }

    /// The fields of a record that have bytes, in order: a walk visits only these, so that it takes
    /// no step without a byte.
    #[must_use]
    pub fn walked(&self, record: TypeIdx) -> &[TypeIdx] {
        &self.walked[record.0]
    }

    /// Whether values of a type have no bytes.
    #[must_use]
    pub fn is_empty(&self, index: TypeIdx) -> bool {
        self.empty[index.0]
    }
}
