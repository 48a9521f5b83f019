//! Finding equal keys in time proportional to their bytes, whichever keys a stranger chooses.
//!
//! A payload brings its keys itself (entries of a map, keys of a line), so comparing each with each
//! would let one message stall a worker, and so would a table whose collisions can be computed. The
//! hash here is keyed with random numbers of the process (SipHash), and the table holds nothing but
//! hashes and the caller's indexes: open addressing, at most half full.
//!
//! For a few keys comparing is cheaper than hashing: see [`COMPARED_MAX`].

use std::hash::{BuildHasher as _, Hash, RandomState};

/// Up to so many keys are compared with each other. Of 16 keys that is 120 comparisons, most of
/// them of lengths, for at least 64 bytes of payload.
pub(crate) const COMPARED_MAX: u32 = 16;

/// The places of a table that has its first key: room for twice as many as are compared.
const PLACES_MIN: usize = 4 * COMPARED_MAX as usize;

/// Indexes by the hash of their keys.
#[derive(Debug, Default)]
pub(crate) struct KeyTable {
    hasher: RandomState,
    /// A power of two of them, or none.
    places: Vec<Place>,
    /// What the places were before they grew: kept, so that a warm table allocates nothing.
    spare: Vec<Place>,
    count: usize,
    /// Places looked at and not taken yet by [`KeyTable::take_steps`].
    steps: u64,
}

/// One place: empty if its index is [`NONE`].
#[derive(Clone, Copy, Debug)]
struct Place {
    hash: u32,
    index: u32,
}

/// No index.
const NONE: u32 = u32::MAX;

impl KeyTable {
    /// Forgets all keys. Costs what adding them has cost at most.
    pub(crate) fn clear(&mut self) {
        self.places.clear();
        self.count = 0;
    }

    /// The hash of a key.
    #[expect(clippy::cast_possible_truncation, reason = "half of the hash is kept")]
    pub(crate) fn hash(&self, key: impl Hash) -> u32 {
        self.hasher.hash_one(key) as u32
    }

    /// The index of an equal key, if there is one; `is_equal` is asked of few others.
    pub(crate) fn find(&mut self, hash: u32, is_equal: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.places.len().checked_sub(1)?;
        let mut at = hash as usize & mask;
        loop {
            self.steps += 1;
            let place = self.places[at];
            if place.index == NONE {
                return None;
            }
            if place.hash == hash && is_equal(place.index) {
                return Some(place.index);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds the index of a key that is not there yet.
    pub(crate) fn add(&mut self, hash: u32, index: u32) {
        if (self.count + 1) * 2 > self.places.len() {
            self.grow();
        }
        self.put(Place { hash, index });
        self.count += 1;
    }

    /// How many places have been looked at since this was asked last.
    pub(crate) fn take_steps(&mut self) -> u64 {
        std::mem::take(&mut self.steps)
    }

    /// Twice the places.
    #[cold]
    fn grow(&mut self) {
        let wider = (self.places.len() * 2).max(PLACES_MIN);
        let mut old = std::mem::replace(&mut self.places, std::mem::take(&mut self.spare));
        self.places.clear();
        self.places.resize(wider, Place { hash: 0, index: NONE });
        old.drain(..).filter(|place| place.index != NONE).for_each(|place| self.put(place));
        self.spare = old;
    }

    /// Stores in the first free place: there is one, because half of them are free.
    fn put(&mut self, new: Place) {
        let mask = self.places.len() - 1;
        let mut at = new.hash as usize & mask;
        while self.places[at].index != NONE {
            self.steps += 1;
            at = (at + 1) & mask;
        }
        self.steps += 1;
        self.places[at] = new;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_again_and_no_other_in_a_few_steps_each() {
        let mut table = KeyTable::default();
        let keys: Vec<String> = (0..10_000).map(|number| format!("key{number}")).collect();
        for round in 0..2 {
            assert_eq!(table.find(table.hash("key0"), |_| true), None, "round {round}");
            for (index, key) in keys.iter().enumerate() {
                let hash = table.hash(key);
                assert_eq!(table.find(hash, |found| keys[found as usize] == *key), None);
                table.add(hash, u32::try_from(index).expect("small"));
            }
            for (index, key) in keys.iter().enumerate() {
                let found = table.find(table.hash(key), |found| keys[found as usize] == *key);
                assert_eq!(found, u32::try_from(index).ok());
            }
            table.clear();
        }
        let steps = table.take_steps();
        assert!(steps < 20 * keys.len() as u64, "{steps}");
    }

    #[test]
    fn two_tables_hash_differently() {
        // Who has seen one process cannot choose keys that collide in another.
        let [one, other] = [KeyTable::default(), KeyTable::default()];
        assert!((0..8).any(|number| one.hash(number) != other.hash(number)));
    }
}
