//! Seeded random numbers: the same on every machine and in every version (FL-1).
//!
//! Our own few lines (SplitMix64) instead of a crate's generator, whose sequence may change with a
//! version: a seed in a bug report must mean the same drive next year.

/// A sequence of numbers that depends only on a seed.
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// The `index`-th sequence of a seed.
    pub(crate) fn new(seed: u64, index: u64) -> Self {
        let mut chance = Self(seed ^ index.wrapping_mul(0xd134_2543_de82_ef95));
        chance.next();
        chance
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Uniform, from `low` to `high`.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        let high_bits = u32::try_from(self.next() >> 32).expect("32 bits");
        low + (high - low) * f64::from(high_bits) / (f64::from(u32::MAX) + 1.0)
    }

    /// True once in `every` calls on average.
    pub(crate) fn once_in(&mut self, every: f64) -> bool {
        self.between(0.0, every) < 1.0
    }

    /// One of these choices.
    pub(super) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// A whole number below `count`.
    pub(super) fn below(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).expect("a length");
        usize::try_from(self.next() % count).expect("below a length")
    }
}
