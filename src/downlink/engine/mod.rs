//! The thread of commands: every change of a command happens here, in turns.
//!
//! - `job`: the requests to the thread. `take`: handles each job. `dispatch`: which commands of a
//!   vehicle may be sent. `receipts`: the vehicles' answers. `pushes`: the jobs of pushes; `runs`:
//!   their runs, in memory; `scheduled`: pushes with a schedule.
//! - `alarms`: alarms that messages raise; `suppressed`: which of them are suppressed now.
//! - `open_commands`: open commands, in memory; `in_sessions`: those in the queues of persistent
//!   sessions. `turn`: a turn and its commit; `reply`: the answers after it.
//! - `thread`: takes waiting jobs, and sleeps until one arrives or a timer is due.

mod alarms;
mod dispatch;
mod in_sessions;
mod job;
mod open_commands;
mod pushes;
mod receipts;
mod reply;
mod runs;
mod scheduled;
mod suppressed;
mod take;
#[cfg(test)]
mod tests;
mod thread;
mod turn;

pub(super) use in_sessions::InSessions;
pub(super) use job::Job;
pub use job::{Cancelling, Placed, Refused};
pub(super) use open_commands::Awaited;
pub(super) use pushes::{Asked, NewPush, NewRun, PushJob, Unmade};
pub(super) use suppressed::Suppressed;
pub(super) use thread::{Failure, Thread};
pub(super) use turn::{Engine, StillCheck};
