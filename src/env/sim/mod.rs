//! A simulated machine that fails as a seed says: for tests.

mod clock;
mod content;
mod disk;
mod random;
#[cfg(test)]
mod tests;

pub use clock::SimClock;
pub use disk::{Call, Fault, SimDisk};
