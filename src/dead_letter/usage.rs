//! Bytes of letters by vehicle, in memory that does not grow with the number of vehicles.

use std::hash::{BuildHasher as _, RandomState};

/// Rows of counters; an owner's bytes are the least of its counters, one in each row.
const ROWS: usize = 4;
/// Counters of a row.
const COLUMNS: usize = 8192;

/// Bytes by owner, as a count-min sketch. It never counts too little, and too much only if an owner
/// shares its counters in all rows with large ones. It always takes 256 KiB. The hashes have new
/// keys at each start, so that nobody can choose names that collide.
#[derive(Debug)]
pub(super) struct Usage {
    hashers: [RandomState; ROWS],
    rows: Vec<[u64; ROWS]>,
}

impl Usage {
    pub(super) fn new() -> Self {
        let hashers = std::array::from_fn(|_| RandomState::new());
        Self { hashers, rows: vec![[0; ROWS]; COLUMNS] }
    }

    /// Bytes that an owner's letters take.
    pub(super) fn of(&self, owner: &str) -> u64 {
        let counters = self.places(owner).into_iter().enumerate();
        counters.map(|(row, column)| self.rows[column][row]).min().unwrap_or_default()
    }

    pub(super) fn add(&mut self, owner: &str, bytes: u64) {
        for (row, column) in self.places(owner).into_iter().enumerate() {
            self.rows[column][row] += bytes;
        }
    }

    pub(super) fn subtract(&mut self, owner: &str, bytes: u64) {
        for (row, column) in self.places(owner).into_iter().enumerate() {
            let counter = &mut self.rows[column][row];
            *counter = counter.saturating_sub(bytes);
        }
    }

    fn places(&self, owner: &str) -> [usize; ROWS] {
        let columns = COLUMNS as u64;
        std::array::from_fn(|row| {
            let column = self.hashers[row].hash_one(owner) % columns;
            usize::try_from(column).expect("a column is below their number")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_owner_has_its_own_bytes_among_many_others() {
        let mut usage = Usage::new();
        for vehicle in 0..20_000 {
            usage.add(&format!("V{vehicle}"), 300);
        }
        usage.add("big", 1_000_000);
        let most = (0..20_000).map(|vehicle| usage.of(&format!("V{vehicle}"))).max();
        assert!(most < Some(10_000), "{most:?}");
        assert!((1_000_000..1_010_000).contains(&usage.of("big")));
        usage.subtract("big", 1_000_000);
        assert!(usage.of("big") < 10_000);
    }
}
