//! The compiled `when`: an expression over slots.

use crate::{mapping::SlotIdx, schema::Scalar};

/// Whether a point is written. A comparison with an absent value is false.
#[derive(Clone, Debug)]
pub enum Filter {
    /// All of them.
    And(Vec<Self>),
    /// Any of them.
    Or(Vec<Self>),
    /// The opposite.
    Not(Box<Self>),
    /// The slot holds a value.
    Exists(SlotIdx),
    /// Compares the slot's value with the operand.
    Compare {
        /// The left side.
        slot: SlotIdx,
        /// How it lies there.
        scalar: Scalar,
        /// The relation.
        comparison: Comparison,
        /// The right side.
        operand: Operand,
    },
    /// The slot's value equals one of these.
    In {
        /// The left side.
        slot: SlotIdx,
        /// How it lies there.
        scalar: Scalar,
        /// The right side.
        operands: Vec<Operand>,
    },
}

impl Filter {
    /// How many comparisons it may cost. The parser of `when` bounds the depth.
    #[must_use]
    pub fn terms(&self) -> usize {
        match self {
            Self::And(all) | Self::Or(all) => all.iter().map(Self::terms).sum(),
            Self::Not(inner) => inner.terms(),
            Self::Exists(_) | Self::Compare { .. } => 1,
            Self::In { operands, .. } => operands.len(),
        }
    }
}

/// A relation between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// A literal, checked against the type of what it is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// For floats.
    Float(f64),
    /// For integers, unsigned ones and times (nanoseconds): wide enough for all of them.
    Integer(i128),
    /// For booleans.
    Boolean(bool),
    /// For strings and enums (by name).
    Text(Box<str>),
}
