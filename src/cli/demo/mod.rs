//! `fleetline demo`: the appliance, a driving fleet and live queries, in one process.
//!
//! ```text
//!  thread "fleet"                     thread "appliance"
//!  vehicles ──MQTT over loopback──▶ serve: spool ─▶ embedded store
//!      ▲                                 ▲
//!      └────────── this thread ──HTTP────┘   signals, a look a second, the board
//! ```
//!
//! Nothing is faked: the appliance is the one of `serve`, the vehicles are those of `simulate` and
//! use MQTT over real sockets, the figures come from received acknowledgements and from the
//! appliance's API, and the answers to the queries come over HTTP.
//!
//! # The life of a demo
//! A temporary folder with the shipped schemas → the [`appliance`] on free ports → its addresses,
//! printed first → the [`fleet`] starts, each vehicle with its history → looks ([`status`]) and
//! [`answers`], in the form of [`show`] → a signal, or the end of the time: first the fleet stops
//! and its last acknowledgements arrive, then everything is stored, then the appliance stops as
//! `serve` does, and the folder is removed.
//!
//! A second signal skips the waiting, but not the removal of the folder.

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
