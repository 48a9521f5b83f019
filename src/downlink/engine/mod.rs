//! The thread of commands: every change of a command happens here, in turns.
//!
//! - `job`: the requests to the thread. `take`: handles each job. `walk`: which commands of a
//!   vehicle may be sent. `receipts`: the vehicles' answers. `pushes`: the jobs of pushes; `runs`:
//!   their runs, in memory; `standing`: pushes with a schedule.
//! - `alarms`: alarms that messages raise; `quiet`: which of them need not come here now.
//! - `book`: open commands, in memory; `held`: those in the queues of persistent sessions. `turn`:
//!   a turn and its commit; `reply`: the answers after it.
//! - `thread`: takes waiting jobs, and sleeps until one comes or a timer is due.

mod alarms;
mod book;
mod held;
mod job;
mod pushes;
mod quiet;
mod receipts;
mod reply;
mod runs;
mod standing;
mod take;
#[cfg(test)]
mod tests;
mod thread;
mod turn;
mod walk;

pub(super) use book::Awaited;
pub(super) use held::Held;
pub(super) use job::Job;
pub use job::{Cancelling, Placed, Refused};
pub(super) use pushes::{Asked, NewPush, NewRun, PushJob, Unmade};
pub(super) use quiet::Quiet;
pub(super) use thread::{Failure, Thread};
pub(super) use turn::{Engine, Question};
