//! One worker thread and what it owns: its sessions, its intake, its clock, its mailbox.
//!
//! A session lives in a slot of the worker's slab, beside its socket while there is one; a slot is
//! named by a [`SlotKey`], which is a number: the groups that go to the lanes, letters between
//! threads and timers carry it, so a slot outlives its socket for as long as a lane has an answer
//! for it, and nothing points back at a connection.
//!
//! - `slot`: slots, keys, the slab.
//! - `mailbox`: what reaches a worker from other threads: one queue, one kind of letter a reason.
//! - `command`: commands to its sessions, and receipts from them. `alarm`: what its messages raise.
//! - `publish`, `subscribe`: what publishes and subscriptions of its sessions do; `deliver`:
//!   messages into the queues of sessions; `write`: out of the queues into sockets. `end`: how a
//!   session ends.
//! - `arrive`: connections that come; `early`: those that have said no CONNECT yet. `resume`:
//!   sessions that last go on, and stay behind; `journal`: their records; `away`: what becomes of
//!   those that nobody comes back to.
//! - `survey`: operators' questions about sessions; `absent`: about those that are away.
//! - `tell`: what a worker counts, and `$SYS`.
//! - `thread`: the worker itself. `tasks`: its tasks: mailbox, end of turn, clock.

mod absent;
mod alarm;
mod arrive;
mod away;
mod command;
mod connectivity;
mod deliver;
mod early;
mod end;
mod journal;
mod mailbox;
mod publish;
mod refusals;
mod resume;
mod slot;
mod subscribe;
mod survey;
mod tasks;
mod tell;
mod thread;
mod write;

pub(super) use absent::Absent;
pub(super) use early::Early;
pub(super) use mailbox::Mail;
pub use mailbox::Workers;
pub(super) use slot::{Client, Hold, SlotKey, Socket};
pub(super) use tasks::start;
pub(super) use tell::Traffic;
pub(super) use thread::{Limits, Shared, Worker};
