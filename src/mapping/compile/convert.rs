//! `convert`: the conversion of a field's value, checked against the type in the schema.

use super::{build::Build, lay::LaidField};
use crate::{
    mapping::{Conversion, FieldForm, Target, file::ConvertText},
    model::Decimal,
    schema::Scalar,
};

impl Build<'_> {
    /// The conversion of a field, if the mapping has one for it.
    pub(super) fn conversion(&mut self, field: &LaidField) -> Option<Conversion> {
        let text = self.text.convert.get(field.convert?)?;
        let (FieldForm::Scalar(scalar)
        | FieldForm::SpreadList(scalar)
        | FieldForm::JsonList(scalar)
        | FieldForm::SpreadMap(_, scalar)
        | FieldForm::JsonMap(_, scalar)) = &field.form;
        match conversion(text, scalar) {
            Ok(conversion) => conversion,
            Err(what) => {
                let path = &field.path;
                self.told.push((text.path.line, format!("`convert`: `{path}` {what}")));
                None
            }
        }
    }
}

/// The conversion of a scalar; `None` if it stays as it is.
fn conversion(text: &ConvertText, scalar: &Scalar) -> Result<Option<Conversion>, String> {
    let is_scaled = text.factor.is_some() || text.offset.is_some();
    let Some(target) = text.target.or(is_scaled.then_some(Target::Float)) else { return Ok(None) };
    let is_number = matches!(
        scalar,
        Scalar::Float64 | Scalar::Float32 | Scalar::Digits | Scalar::Integer | Scalar::Unsigned
    );
    let is_time = matches!(scalar, Scalar::Ticks(_) | Scalar::Timestamp | Scalar::Duration);
    let word = scalar.word();
    if is_scaled && !matches!(target, Target::Float | Target::Integer) {
        return Err("is scaled, which gives a number; `as` must be `float` or `integer`".to_owned());
    }
    if is_scaled && !is_number && !is_time && !matches!(scalar, Scalar::String) {
        return Err(format!("is {word}, which `factor` and `offset` do not fit"));
    }
    let fits = match scalar {
        Scalar::Bytes => false,
        Scalar::Enum(_) => target != Target::Boolean,
        _ if is_time => matches!(target, Target::Float | Target::Integer),
        _ => true,
    };
    if !fits {
        return Err(format!("is {word}, which cannot become {}", word_of(target)));
    }
    let scale = is_scaled
        .then(|| (text.factor.unwrap_or(Decimal::ONE), text.offset.unwrap_or(Decimal::ZERO)));
    let is_same = matches!(
        (target, scalar),
        (Target::Float, Scalar::Float64 | Scalar::Float32 | Scalar::Digits)
            | (Target::Integer, Scalar::Integer)
            | (Target::Integer, Scalar::Ticks(_) | Scalar::Timestamp | Scalar::Duration)
            | (Target::Boolean, Scalar::Boolean)
            | (Target::String, Scalar::String | Scalar::Enum(_))
    );
    Ok((is_scaled || !is_same).then_some(Conversion { scale, target }))
}

const fn word_of(target: Target) -> &'static str {
    match target {
        Target::Float => "a float",
        Target::Integer => "an integer",
        Target::Boolean => "a boolean",
        Target::String => "a string",
    }
}
