//! White-box tests: scheduled pushes, with a manual clock.

mod rig;
mod scheduled;
