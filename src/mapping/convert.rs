//! The compiled conversion of a field's value.

use crate::{
    mapping::FieldForm,
    model::{Decimal, FieldType},
};

/// A conversion: scaling, and the type that results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// Factor and offset, if the value is scaled.
    pub scale: Option<(Decimal, Decimal)>,
    /// The type that results.
    pub target: Target,
}

/// The type that a conversion results in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A float: the nearest one to the exact value.
    Float,
    /// An integer; a value that is not whole is none.
    Integer,
    /// A boolean: a number is true if it is not zero; a text is read.
    Boolean,
    /// A string: a number's digits, a boolean's word, an enum's name.
    String,
}

impl Target {
    /// The type of the field.
    #[must_use]
    pub const fn field_type(self) -> FieldType {
        match self {
            Self::Float => FieldType::Float,
            Self::Integer => FieldType::Integer,
            Self::Boolean => FieldType::Boolean,
            Self::String => FieldType::String,
        }
    }
}

/// The type of a field in the store; `None` for a list or map that is spread over several fields.
#[must_use]
pub(crate) fn field_type(form: &FieldForm, conversion: Option<&Conversion>) -> Option<FieldType> {
    match form {
        FieldForm::Scalar(scalar) => Some(
            conversion.map_or(scalar.field_type(), |conversion| conversion.target.field_type()),
        ),
        FieldForm::JsonList(_) | FieldForm::JsonMap(..) => Some(FieldType::String),
        FieldForm::SpreadList(_) | FieldForm::SpreadMap(..) => None,
    }
}
