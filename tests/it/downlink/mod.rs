//! Commands to vehicles, over real sockets: what is sent, what is reported, what a crash keeps.

mod alarms;
mod command_line;
mod complaints;
mod conditions;
pub(crate) mod crash;
mod delivery;
pub(crate) mod fleet;
pub(crate) mod hostile;
mod lasting;
pub(crate) mod push_crash;
mod pushes;
mod receipts;
mod saved_queries;
mod schedule;
mod who;
