//! Letters through the log and back: kept, found, removed, and what a full log does.

mod basic;
mod crash;
mod removal;
mod rig;
mod room;
