//! The file of commands: SQLite, written by one thread and read by HTTP handlers.
//!
//! | table | holds |
//! |---|---|
//! | `command` | a row a command: its request and state |
//! | `change` | every change of state and every note, numbered; the history and the feed |
//! | `audit` | who requested what, append-only |
//! | `push` | a row a push: its request and state |
//! | `run` | a row a run of a push: its query and its counts; its commands name it |
//! | `alarm` | when an alarm of a vehicle was raised last, and by which message |
//! | `meta` | the webhook's cursor |
//!
//! A group of changes is one transaction, and on disk when it is committed (`synchronous = FULL`).
//! Numbers of commands and changes only grow, also across a restart: the newest row of each is
//! never deleted. An unknown version is refused.

mod file;
mod pushes;
mod reader;
mod row;
mod runs;
mod writer;

pub use file::OpenError;
pub(super) use pushes::{PushRow, RunRow};
pub use reader::{AuditEntry, CommandFilter, ReadError, Reader};
pub(super) use writer::{AlarmRow, AuditRow, ChangeRow, Created, Group, OpenRow, Update, Writer};
