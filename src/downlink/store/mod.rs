//! The file of commands: SQLite, written by one thread and read by whoever asks.
//!
//! | table | holds |
//! |---|---|
//! | `command` | a row a command: what was asked for, and how far it is |
//! | `change` | every change of state and every note, numbered; the history and the feed |
//! | `audit` | who asked for what, append-only |
//! | `meta` | how far the webhook is |
//!
//! A group of changes is one transaction, and on disk when it is committed (`synchronous = FULL`).
//! Numbers of commands and changes only grow, also over a restart: the newest row of each is never
//! deleted. A version that is not known is refused.

mod file;
mod reader;
mod row;
mod writer;

pub use file::OpenError;
pub use reader::{AuditEntry, CommandFilter, ReadError, Reader};
pub(super) use writer::{AuditRow, ChangeRow, Created, Group, OpenRow, Update, Writer};
