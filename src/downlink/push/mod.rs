//! Pushes: the rows of a query become commands, with the safeguards that a fleet needs.
//!
//! ```text
//!  request ─▶ plan ─▶ select ─▶ freeze ─▶ drive (waves, rate) ─▶ commands like any other
//!   (JSON)   checked   query,    durable,                             │
//!                      having,   before                               ▼
//!                      guard     the 202                       verify, report
//! ```
//!
//! - `request`: the request; `plan`: the same, checked.
//! - `submit`: takes the request. `select`: runs the query and decides about each row. `make`:
//!   makes a run from the rows. `drive`: releases its commands.
//! - `schedule`: the times of a push with a schedule. `scheduler`: waits for those times.
//!   `control`: lists, pauses, stops.
//! - `verify`: looks for the effect of commands. `report`: counts commands by state.
//!
//! # Frozen rows
//! A run runs its query once. Each targeted row becomes a command at once, encoded and durable, and
//! is *held* ([`State::Queued`](super::State::Queued), cause `push`) until its wave and rate
//! release it; its `expires-in` begins then. So the report is a count of commands by state, and is
//! exact before and after a crash:
//!
//! - **PU-1** `rows` = `unknown` + all of `left-out` + `targeted`, and the states sum to
//!   `targeted`, at every moment that anybody can read.
//! - **PU-2** No command of a run is sent before all of them are durable. A process that ends
//!   before that has made no run: its commands are cancelled (`interrupted`), no caller got an
//!   answer, and the idempotency key may be used again.
//! - **PU-3** A vehicle has at most one command of a run: their ids follow from the push, the
//!   run's time and the vehicle.
//! - **PU-4** A row's value never becomes structure: it is put into the parsed tree of fields, and
//!   the schema encodes it.
//!
//! # The members of a request
//! - `once-per`: leaves out a vehicle that a command of a push with the same `name` reached within
//!   that time; cancelled and skipped commands do not count.
//! - `waves`, `abort-above`: the share is of ended commands. Past it the push stops by itself, in
//!   the turn that counted the command that exceeded it.
//! - abort, by hand or by itself: waiting commands are cancelled; for sent ones cancelling is
//!   requested, and their acknowledgement decides, as for a single command.
//! - `schedule`: a run is made at each of the times. A time is missed if its run could not begin
//!   within a minute, or the previous run had not ended (its last command was not released): runs
//!   never overlap. Missed times are one entry in the list of runs, `skipped`, or with `missed =
//!   once` one run that names the time for which it is made.
//! - A run that cannot be made (no answer, guard) is listed as `failed`, and the next one is made
//!   anyway. A run stopped by `abort-above` ends its push.
//! - A time counts as done in the transaction that freezes its run: if the process is killed
//!   before, the next one makes the run, unless it is too late for it.
//! - A row whose values the command's schema refuses fails its own command (`row`, with the field);
//!   if every row does, the push is refused.

mod control;
mod drive;
mod make;
mod plan;
mod report;
mod request;
mod schedule;
mod scheduler;
mod select;
mod submit;
mod verify;

pub(super) use drive::resume;
pub(super) use report::Counts;
pub use report::{PushRecord, PushState, Report, RunRecord, RunState, Verified};
pub use request::PushRequest;
pub use submit::{PushError, PushMade, Sender};
pub(super) use verify::verify;

#[cfg(test)]
mod tests;
