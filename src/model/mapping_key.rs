//! Identifies a mapping across reloads.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

/// The hash of a mapping's name. It is the same before and after a reload, wherever the mapping is
/// in the files. A hash, because it is stored for each message; the operator chooses the names, so
/// nobody attacks it with collisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappingKey(u64);

impl MappingKey {
    /// The key of a mapping with this name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self(BuildHasherDefault::<DefaultHasher>::default().hash_one(name))
    }
}
