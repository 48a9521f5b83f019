//! Reproducible random numbers: a printed seed, and numbers from it.

use std::{
    env,
    time::{SystemTime, UNIX_EPOCH},
};

/// A splitmix64 generator.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Seeded by the variable `SEED`, otherwise by the clock; prints the seed.
    pub(crate) fn new() -> Self {
        let seed = env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
            u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos())
        });
        eprintln!("SEED={seed}");
        Self(seed)
    }

    /// A number from 0 to `end`, exclusive.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}
