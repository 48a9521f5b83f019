//! The columns of a measurement over all its periods, and their names in SQL.

use std::collections::HashMap;

use crate::{
    model::{FieldType, Named, StoreNames},
    store::embedded::value,
};

/// The maximum number of fields of a measurement; SQLite has at most 2,000 columns.
pub const FIELDS_MAX: usize = 1000;
/// From this number of fields on the operator is warned.
const FIELDS_ALARM: usize = FIELDS_MAX / 5 * 4;
/// The maximum number of tags of a measurement.
pub const TAGS_MAX: usize = 100;

/// Whether a column is a tag or a field, and of which type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Tag,
    Field(FieldType),
}

/// The columns of one measurement (EM-3).
#[derive(Debug, Default)]
pub(super) struct KnownColumns {
    /// By name in lower case, because SQLite ignores case: the name as written, and its role.
    by_name: HashMap<String, (String, Role)>,
    n_tags: usize,
    n_fields: usize,
    /// Whether the operator was warned that the limit is near.
    is_warned: bool,
}

impl KnownColumns {
    /// Warns the operator, once, that the limit of fields is near.
    pub(super) fn warn_of_limit(&mut self, measurement: &str) {
        let fields = self.n_fields;
        if fields >= FIELDS_ALARM && !std::mem::replace(&mut self.is_warned, true) {
            tracing::warn!(
                measurement,
                fields,
                fields_max = FIELDS_MAX,
                "there is little room left for fields: past the bound, points with new ones become \
                 dead letters; see uplink.new-names, or write maps as one text (repeated = \"json\")"
            );
        }
    }

    /// Checks that a point may have a column; the error says why not.
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

    /// Whether a column exists and holds floats.
    pub(super) fn is_float(&self, column: &str) -> bool {
        let known = self.by_name.get(&*StoreNames::Embedded.column_key(column));
        known.is_some_and(|(name, role)| name == column && *role == Role::Field(FieldType::Float))
    }

    /// Adds a column that was admitted, or that a file has already.
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

/// A name in quotes for SQL, with any characters.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether the name of a column is reserved by SQLite or by our tables.
fn is_reserved(column: &str) -> bool {
    StoreNames::Embedded.refuses(Named::Field, column).is_some()
}

/// Whether a view cannot have the name.
pub(super) fn is_reserved_view(measurement: &str) -> bool {
    StoreNames::Embedded.refuses_measurement(measurement).is_some()
}
