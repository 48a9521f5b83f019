//! Letters through the log and back: kept, found, removed, and what a full log does.

mod basic;
mod change;
mod crash;
mod rig;
mod room;
