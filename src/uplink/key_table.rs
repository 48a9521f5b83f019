//! Finds equal keys in time proportional to their bytes, whatever keys an attacker chooses.
//!
//! The sender of a payload chooses its keys (entries of a map, keys of a line). If each key were
//! compared with each other key, one message could stall a worker; so could a hash table whose
//! collisions can be computed in advance. The hash here is SipHash with a random key per table, and
//! the table holds only hashes and the caller's indexes. It uses open addressing and is at most
//! half full.
//!
//! For a few keys comparison is cheaper than a hash: see [`COMPARED_MAX`].

use std::hash::{BuildHasher as _, Hash, RandomState};

/// Up to this many keys are compared with each other instead. For 16 keys that is 120 comparisons,
/// most of them of lengths only, for at least 64 bytes of payload.
pub(crate) const COMPARED_MAX: u32 = 16;

/// The buckets of a table that has its first key: room for twice as many as are compared.
const BUCKETS_MIN: usize = 4 * COMPARED_MAX as usize;

/// Indexes by the hash of their keys.
#[derive(Debug, Default)]
pub(crate) struct KeyTable {
    hasher: RandomState,
    /// Their number is a power of two, or zero.
    buckets: Vec<Bucket>,
    /// The buckets before the last growth: kept, so that a warm table allocates nothing.
    spare: Vec<Bucket>,
    count: usize,
    /// Places looked at and not taken yet by [`KeyTable::take_steps`].
    steps: u64,
}

/// One bucket: empty if its index is [`NONE`].
#[derive(Clone, Copy, Debug)]
struct Bucket {
    hash: u32,
    index: u32,
}

/// No index.
const NONE: u32 = u32::MAX;

impl KeyTable {
    /// Removes all keys. Costs at most what adding them has cost.
    pub(crate) fn clear(&mut self) {
        self.buckets.clear();
        self.count = 0;
    }

    /// The hash of a key.
    #[expect(clippy::cast_possible_truncation, reason = "half of the hash is kept")]
    pub(crate) fn hash(&self, key: impl Hash) -> u32 {
        self.hasher.hash_one(key) as u32
    }

    /// The index of an equal key, if there is one. `is_equal` is called only for keys of equal
    /// hash.
    pub(crate) fn find(&mut self, hash: u32, is_equal: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.buckets.len().checked_sub(1)?;
        let mut at = hash as usize & mask;
        loop {
            self.steps += 1;
            let bucket = self.buckets[at];
            if bucket.index == NONE {
                return None;
            }
            if bucket.hash == hash && is_equal(bucket.index) {
                return Some(bucket.index);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds the index of a key that is not there yet.
    pub(crate) fn add(&mut self, hash: u32, index: u32) {
        if (self.count + 1) * 2 > self.buckets.len() {
            self.grow();
        }
        self.put(Bucket { hash, index });
        self.count += 1;
    }

    /// How many buckets were examined since the last call.
    pub(crate) fn take_steps(&mut self) -> u64 {
        std::mem::take(&mut self.steps)
    }

    /// Doubles the buckets.
    #[cold]
    fn grow(&mut self) {
        let wider = (self.buckets.len() * 2).max(BUCKETS_MIN);
        let mut old = std::mem::replace(&mut self.buckets, std::mem::take(&mut self.spare));
        self.buckets.clear();
        self.buckets.resize(wider, Bucket { hash: 0, index: NONE });
        old.drain(..).filter(|bucket| bucket.index != NONE).for_each(|bucket| self.put(bucket));
        self.spare = old;
    }

    /// Stores in the first free bucket: there is one, because at least half are free.
    fn put(&mut self, new: Bucket) {
        let mask = self.buckets.len() - 1;
        let mut at = new.hash as usize & mask;
        while self.buckets[at].index != NONE {
            self.steps += 1;
            at = (at + 1) & mask;
        }
        self.steps += 1;
        self.buckets[at] = new;
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
        // Keys that collide in one table do not collide in another.
        let [one, other] = [KeyTable::default(), KeyTable::default()];
        assert!((0..8).any(|number| one.hash(number) != other.hash(number)));
    }
}
