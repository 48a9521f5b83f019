//! Which columns a measurement has, over all its periods, and how SQL names them.

use std::collections::HashMap;

use crate::{
    model::{FieldType, Named, StoreNames},
    store::embedded::value,
};

/// Fields a measurement may have; one more is refused, because SQLite has at most 2,000 columns.
pub const FIELDS_MAX: usize = 1000;
/// From so many on the operator is told, before one more is refused.
const FIELDS_ALARM: usize = FIELDS_MAX / 5 * 4;
/// Tags a measurement may have; one more is refused.
pub const TAGS_MAX: usize = 100;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Tag,
    Field(FieldType),
}

/// The columns of one measurement (EM-3).
#[derive(Debug, Default)]
pub(super) struct KnownColumns {
    /// By name in small letters, because SQLite ignores case: the name as written, and its role.
    by_name: HashMap<String, (String, Role)>,
    n_tags: usize,
    n_fields: usize,
    /// Whether the operator was told that there is little room left.
    is_told: bool,
}

impl KnownColumns {
    /// Tells the operator, once, that little room is left for fields.
    pub(super) fn tell_room(&mut self, measurement: &str) {
        let fields = self.n_fields;
        if fields >= FIELDS_ALARM && !std::mem::replace(&mut self.is_told, true) {
            tracing::warn!(
                measurement,
                fields,
                fields_max = FIELDS_MAX,
                "there is little room left for fields: past the bound, points with new ones become \
                 dead letters; see uplink.new-names, or write maps as one text (repeated = \"json\")"
            );
        }
    }

    /// Whether a point may have a column; if not, why.
    pub(super) fn admit(&self, column: &str, role: Role) -> Result<(), String> {
        let kind = |role| match role {
            Role::Tag => "a tag",
            Role::Field(kind) => value::words(kind),
        };
        if let Some((known, found)) = self.by_name.get(&*StoreNames::Embedded.column_key(column)) {
            if known != column {
                return Err(format!(
                    "`{column}` differs from the column `{known}` only in case, which SQLite ignores"
                ));
            }
            if *found != role {
                return Err(format!(
                    "`{column}` is {} here and {} in the store",
                    kind(role),
                    kind(*found)
                ));
            }
            return Ok(());
        }
        if is_reserved(column) {
            return Err(format!("`{column}` is a column that the store needs for itself"));
        }
        if column.contains('\0') {
            return Err("the name of a column holds NUL".to_owned());
        }
        match role {
            Role::Tag if self.n_tags >= TAGS_MAX => {
                Err(format!("the tag `{column}` would be one more than {TAGS_MAX}"))
            }
            Role::Field(_) if self.n_fields >= FIELDS_MAX => {
                Err(format!("the field `{column}` would be one more than {FIELDS_MAX}"))
            }
            Role::Tag | Role::Field(_) => Ok(()),
        }
    }

    /// Whether a column is there, and holds floats.
    pub(super) fn is_float(&self, column: &str) -> bool {
        let known = self.by_name.get(&*StoreNames::Embedded.column_key(column));
        known.is_some_and(|(name, role)| name == column && *role == Role::Field(FieldType::Float))
    }

    /// Takes a column that is admitted, or that a file has already.
    pub(super) fn add(&mut self, column: &str, role: Role) {
        let key = StoreNames::Embedded.column_key(column).into_owned();
        if self.by_name.insert(key, (column.to_owned(), role)).is_none() {
            match role {
                Role::Tag => self.n_tags += 1,
                Role::Field(_) => self.n_fields += 1,
            }
        }
    }
}

/// A name as SQL reads it, whatever it holds.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether SQLite, or a table of ours, keeps the name of a column for itself.
fn is_reserved(column: &str) -> bool {
    StoreNames::Embedded.refuses(Named::Field, column).is_some()
}

/// Whether a view cannot have the name.
pub(super) fn is_reserved_view(measurement: &str) -> bool {
    StoreNames::Embedded.refuses_measurement(measurement).is_some()
}
