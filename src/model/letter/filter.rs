//! A filter of dead letters.

use std::collections::BTreeSet;

use crate::model::{Cause, DeadLetter, LetterId, UnixNanos};

/// A filter of dead letters. A letter must match one item of each list that is not empty, and be
/// within the times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LetterFilter {
    /// Any of these causes.
    pub causes: Vec<Cause>,
    /// Any of these vehicles.
    pub vehicles: Vec<String>,
    /// Any of these mappings.
    pub mappings: Vec<String>,
    /// Set aside at or after this time.
    pub from: Option<UnixNanos>,
    /// Set aside before this time.
    pub to: Option<UnixNanos>,
    /// Any of these ids.
    pub ids: BTreeSet<LetterId>,
}

impl LetterFilter {
    /// Whether every letter matches.
    #[must_use]
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a letter matches.
    #[must_use]
    pub fn matches(&self, id: LetterId, letter: &DeadLetter) -> bool {
        let named = |list: &[String], name: &Option<String>| {
            list.is_empty() || name.as_ref().is_some_and(|name| list.contains(name))
        };
        self.matches_id(id)
            && (self.causes.is_empty() || self.causes.contains(&letter.cause))
            && named(&self.vehicles, &letter.vehicle)
            && named(&self.mappings, &letter.mapping)
            && self.from.is_none_or(|from| from <= letter.time)
            && self.to.is_none_or(|to| letter.time < to)
    }

    /// Whether a letter with this id can match.
    #[must_use]
    pub fn matches_id(&self, id: LetterId) -> bool {
        self.ids.is_empty() || self.ids.contains(&id)
    }

    /// Whether a letter matches of which only the id can be read.
    #[must_use]
    pub fn matches_unread(&self, id: LetterId) -> bool {
        let by_name = Self { ids: self.ids.clone(), ..Self::default() };
        *self == by_name && self.matches_id(id)
    }
}
