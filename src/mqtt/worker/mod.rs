//! One worker thread and what it owns: its sessions, its intake, its clock, its mailbox.
//!
//! A session is in a slot of the worker's slab, with its socket while there is one. A slot is
//! identified by a [`SlotKey`], which is a number: the groups that go to the lanes, letters between
//! threads and timers contain it. So a slot outlives its socket for as long as a lane owes it an
//! answer, and nothing references a connection.
//!
//! - `slot`: slots, keys, the slab.
//! - `mailbox`: letters to a worker from other threads: one queue, one kind of letter a reason.
//! - `command`: commands to its sessions, and receipts from them. `alarm`: alarms from its
//!   messages.
//! - `publish`, `subscribe`: publishes and subscriptions of its sessions; `deliver`: messages into
//!   the queues of sessions; `write`: from the queues into sockets. `end`: the end of a session.
//! - `arrive`: new connections; `early`: connections before their CONNECT. `resume`: persistent
//!   sessions that are resumed, and stay after a disconnect; `journal`: their records; `away`: the
//!   end of abandoned ones.
//! - `survey`: operators' queries about sessions; `absent`: about disconnected ones.
//! - `tell`: the worker's counters, and `$SYS`.
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
