//! The file of commands: SQLite, written by one thread and read by whoever asks.
//!
//! | table | holds |
//! |---|---|
//! | `command` | a row a command: what was asked for, and how far it is |
//! | `change` | every change of state and every note, numbered; the history and the feed |
//! | `audit` | who asked for what, append-only |
//! | `push` | a row a push: what was asked for, and how far it is |
//! | `run` | a row a run of a push: its question and its counts; its commands name it |
//! | `alarm` | when a vehicle was told of an alarm last, and by which message |
//! | `meta` | how far the webhook is |
//!
//! A group of changes is one transaction, and on disk when it is committed (`synchronous = FULL`).
//! Numbers of commands and changes only grow, also over a restart: the newest row of each is never
//! deleted. A version that is not known is refused.

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
