//! `constant`: tags and fields of every point that do not come from payloads.

use super::{build::Build, unique::Names};
use crate::{
    mapping::{Source, Tag, file::ConstantValue},
    model::{FieldType, line},
};

/// The constant fields of a mapping.
#[derive(Clone, Debug, Default)]
pub(crate) struct Constants {
    /// `,key=value` of each, as in a line.
    pub(crate) text: Vec<u8>,
    /// Names and types.
    pub(crate) types: Vec<(String, FieldType)>,
}

impl Build<'_> {
    /// The constant tags.
    pub(super) fn constant_tags(&mut self, names: &mut Names) -> Vec<Tag> {
        let mut tags = Vec::new();
        for (name, value) in &self.text.constant.tags {
            let key = &name.value;
            let what = names.add(key, &format!("the constant tag `{key}`"));
            self.told.extend(what.map(|what| (name.line, what)));
            if value.is_empty() || !line::is_plain(value.as_bytes()) {
                let what = format!(
                    "the constant tag `{key}` is empty, or has a line break, TAB or NUL, or a \
                     backslash before a separator or at its end"
                );
                self.told.push((name.line, what));
            }
            tags.push(Tag {
                key: super::build::key_label(key, b'='),
                name: key.as_str().into(),
                source: Source::Constant(value.as_str().into()),
            });
        }
        tags
    }

    /// The constant fields.
    pub(super) fn constants(&mut self, names: &mut Names) -> Constants {
        let mut constants = Constants::default();
        for (name, value) in &self.text.constant.fields {
            let key = &name.value;
            let what = names.add(key, &format!("the constant field `{key}`"));
            self.told.extend(what.map(|what| (name.line, what)));
            constants.text.push(b',');
            line::push_key(&mut constants.text, key.as_bytes());
            constants.text.push(b'=');
            let field_type = push(&mut constants.text, value);
            constants.types.push((key.clone(), field_type));
        }
        constants
    }
}

/// Appends a value as in a line; returns its type.
fn push(into: &mut Vec<u8>, value: &ConstantValue) -> FieldType {
    match value {
        ConstantValue::Float(value) => {
            into.extend_from_slice(value.to_string().as_bytes());
            FieldType::Float
        }
        ConstantValue::Integer(value) => {
            into.extend_from_slice(format!("{value}i").as_bytes());
            FieldType::Integer
        }
        ConstantValue::Boolean(value) => {
            into.push(if *value { b't' } else { b'f' });
            FieldType::Boolean
        }
        ConstantValue::String(text) => {
            line::push_string(into, text.as_bytes());
            FieldType::String
        }
    }
}
