//! The keys about fields: `fields`, `convert`, `constant`.

use super::{Placed, table::Table};
use crate::{mapping::Target, model::Decimal};

/// A new name for a path; the line is the path's.
#[derive(Clone, Debug)]
pub(crate) struct RenameText {
    pub(crate) path: Placed<String>,
    /// Empty for a record whose name is dropped from those below it.
    pub(crate) name: String,
    /// Where it was written.
    pub(crate) key: &'static str,
}

/// `fields = { include, exclude, rename }`.
#[derive(Clone, Debug, Default)]
pub(crate) struct FieldsText {
    /// Empty: all.
    pub(crate) include: Vec<Placed<String>>,
    pub(crate) exclude: Vec<Placed<String>>,
    pub(crate) rename: Vec<RenameText>,
}

/// `[mapping.convert] path = { factor, offset, as }`; its `name` is a [`RenameText`].
#[derive(Clone, Debug)]
pub(crate) struct ConvertText {
    pub(crate) path: Placed<String>,
    pub(crate) factor: Option<Decimal>,
    pub(crate) offset: Option<Decimal>,
    pub(crate) target: Option<Target>,
}

/// `[mapping.constant]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConstantText {
    pub(crate) tags: Vec<(Placed<String>, String)>,
    pub(crate) fields: Vec<(Placed<String>, ConstantValue)>,
}

/// A constant of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ConstantValue {
    Float(f64),
    Integer(i64),
    Boolean(bool),
    String(String),
}

/// `fields = { include = […], exclude = […], rename = { path = "name" } }`.
pub(super) fn read_fields(table: &mut Table<'_, '_>) -> FieldsText {
    let Some(mut fields) = table.table("fields", &["include", "exclude", "rename"]) else {
        return FieldsText::default();
    };
    let include = fields.texts("include");
    let exclude = fields.texts("exclude");
    let renamed = |(path, name)| RenameText { path, name, key: "fields.rename" };
    let rename = fields.pairs("rename").into_iter().map(renamed).collect();
    FieldsText { include, exclude, rename }
}

/// `[mapping.convert]`; the names in it are added to `rename`.
pub(super) fn read_convert(
    table: &mut Table<'_, '_>,
    rename: &mut Vec<RenameText>,
) -> Vec<ConvertText> {
    let Some(mut all) = table.open_table("convert") else { return Vec::new() };
    let mut found = Vec::new();
    for path in all.keys() {
        let Some(mut one) = all.table(&path.value, &["name", "factor", "offset", "as"]) else {
            continue;
        };
        let name = one.text("name");
        if one.keys().is_empty() {
            all.refuse(&path.value, "says nothing without `name`, `factor`, `offset` or `as`");
            continue;
        }
        let factor = one.decimal("factor");
        if factor == Some(Decimal::ZERO) {
            one.refuse("factor", "is 0, which makes one value of all");
        }
        let offset = one.decimal("offset");
        let target = one.choice("as", &TARGETS).map(|target| target.value);
        if let Some(name) = name {
            if rename.iter().any(|rename| rename.path.value == path.value) {
                one.refuse("name", "is given by `fields.rename` already");
            }
            rename.push(RenameText { path: path.clone(), name: name.value, key: "convert" });
        }
        found.push(ConvertText { path, factor, offset, target });
    }
    found
}

/// `[mapping.constant]`.
pub(super) fn read_constant(table: &mut Table<'_, '_>, has_fields: bool) -> ConstantText {
    let Some(mut constant) = table.table("constant", &["tags", "fields"]) else {
        return ConstantText::default();
    };
    if !has_fields {
        constant.refuse("fields", "has no meaning for line protocol, which is written as sent");
    }
    let text = |value| match value {
        ConstantValue::Float(value) => value.to_string(),
        ConstantValue::Integer(value) => value.to_string(),
        ConstantValue::Boolean(value) => value.to_string(),
        ConstantValue::String(text) => text,
    };
    let tags = constant.values("tags").into_iter();
    let tags = tags.map(|(name, value)| (name, text(value))).collect();
    ConstantText { tags, fields: constant.values("fields") }
}

const TARGETS: [(&str, Target); 4] = [
    ("float", Target::Float),
    ("integer", Target::Integer),
    ("boolean", Target::Boolean),
    ("string", Target::String),
];
