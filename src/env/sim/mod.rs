//! A machine that can be made to fail, by seed: for tests, and for a simulator of the whole.

mod clock;
mod content;
mod disk;
mod random;
#[cfg(test)]
mod tests;

pub use clock::SimClock;
pub use disk::{Call, Fault, SimDisk};
