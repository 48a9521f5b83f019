//! What tells one mapping from another, across reloads.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

/// A mapping, known by its name: the same before and after a reload, wherever in the files it
/// stands. A hash, because it is noted for each message; names are the operator's, so nobody
/// chooses two that collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappingKey(u64);

impl MappingKey {
    /// That of a name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self(BuildHasherDefault::<DefaultHasher>::default().hash_one(name))
    }
}
