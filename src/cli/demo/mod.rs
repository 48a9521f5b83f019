//! `fleetline demo`: the appliance, a fleet that drives, and what it answers, in one process.
//!
//! ```text
//!  thread "fleet"                     thread "appliance"
//!  vehicles ──MQTT over loopback──▶ serve: spool ─▶ embedded store
//!      ▲                                 ▲
//!      └────────── this thread ──HTTP────┘   signals, a look a second, the board
//! ```
//!
//! Nothing is made up: the appliance is the one of `serve`, the vehicles are those of `simulate`
//! and speak MQTT over real sockets, figures come from acknowledgements that were read and from the
//! appliance's API, and the answers to the questions come over HTTP.
//!
//! # The life of a demo
//! A temporary folder with the shipped schemas → the [`appliance`] on free ports → its
//! addresses, said first → the [`fleet`] starts, each vehicle with what it drove before → looks
//! ([`status`]) and [`answers`], as [`show`] has it → a signal, or the end of the time: first the
//! fleet stops and its last acknowledgements come in, then everything is stored, then the appliance
//! stops as `serve` does, and the folder goes.
//!
//! A second signal skips the waiting, not the removal of the folder.

mod answers;
mod appliance;
mod args;
mod board;
mod fleet;
mod push;
mod run;
mod show;
mod status;

pub(super) use args::Arguments;
pub(super) use run::run;
