//! A machine that can be made to fail, by seed: for tests, and for a simulator of the whole.

mod clock;
mod content;
mod disk;
mod random;

pub use clock::SimClock;
pub use disk::{Call, Fault, SimDisk};
