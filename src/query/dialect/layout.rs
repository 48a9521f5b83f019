//! Which column of a store's answer is what.

/// Names of columns; one that the answer lacks has only nulls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::query) struct Layout {
    /// Absent: every row is of the question's `from`.
    pub(in crate::query) time: Option<String>,
    pub(in crate::query) vehicle: String,
    /// The remaining tags.
    pub(in crate::query) tags: Vec<String>,
    /// The question's fields.
    pub(in crate::query) fields: Vec<String>,
    /// For each field, the column that says whether it is there, where its own cannot: Flux's CSV
    /// has one spelling for an empty string and for none. Empty: each field's own column says it.
    pub(in crate::query) present: Vec<Option<String>>,
}
