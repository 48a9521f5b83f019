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
    /// Whether texts of fields come coded, as `coded` says.
    pub(in crate::query) has_coded_texts: bool,
    /// Whether rows come in another order than that of time; then they are few: no more a vehicle
    /// than a page has.
    pub(in crate::query) is_unordered: bool,
}
