//! White-box tests of the module, on the simulated disk.

mod basic;
mod model;
mod reference;
mod rig;
