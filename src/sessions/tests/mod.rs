//! White-box tests of the room, on the simulated disk.

mod basic;
mod model;
mod reference;
mod rig;
