//! The thread of commands: all that happens to commands happens here, in turns.
//!
//! - `job`: what it is asked to do. `take`: what each job does. `walk`: what of a vehicle may
//!   leave. `receipts`: what vehicles answer. `pushes`: what pushes ask for; `runs`: their runs,
//!   in memory.
//!   `standing`: those that run again and again.
//! - `alarms`: what messages raise; `quiet`: which of them need not be brought now.
//! - `book`: what is open, in memory; `held`: what of it sessions that last have. `turn`: a
//!   turn and its commit; `reply`: answers behind it.
//! - `thread`: takes the jobs that wait, and sleeps until one comes or a time is over.

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
