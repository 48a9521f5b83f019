//! Pushes: a question's rows become commands, with the care that a fleet needs.
//!
//! ```text
//!  request ─▶ plan ─▶ select ─▶ freeze ─▶ drive (waves, rate) ─▶ commands like any other
//!   (JSON)   checked   query,    durable,                             │
//!                      having,   before                               ▼
//!                      guard     the 202                       verify, report
//! ```
//!
//! - `request`: what is asked for; `plan`: the same, checked.
//! - `submit`: takes the request. `select`: asks the question and says what becomes of each row.
//!   `make`: makes a run of them. `drive`: lets its commands go.
//! - `schedule`: when one runs that stands. `stand`: waits for those times. `steer`: lists, pauses,
//!   stops.
//! - `verify`: looks for the effect of commands. `report`: what has become of them.
//!
//! # What is frozen
//! A run asks its question once. Each row that is targeted becomes a command at once, encoded and
//! durable, and is *held* ([`State::Queued`](super::State::Queued), cause `push`) until its wave
//! and its rate let it go; its `expires-in` begins then. So the report is a count of commands by
//! state, and is exact after a crash as before it:
//!
//! - **PU-1** `rows` = `unknown` + all of `left-out` + `targeted`, and the states sum to
//!   `targeted`, at every moment that anybody can read.
//! - **PU-2** No command of a run leaves before all of them are durable. A process that ends
//!   before that has made no run: its commands are cancelled (`interrupted`), nobody was told of
//!   it, and its idempotency key may be used again.
//! - **PU-3** A vehicle has at most one command of a run: their ids follow from the push, the
//!   run's time and the vehicle.
//! - **PU-4** What a row says never becomes structure: it is put into the tree of fields after
//!   that was parsed, and the schema encodes it.
//!
//! # What the words of a request mean
//! - `once-per`: a vehicle is left out that a push of the same `name` has told something so
//!   lately; what was taken back or skipped told it nothing.
//! - `waves`, `abort-above`: the share is of commands that have ended. Past it the push stops by
//!   itself, in the turn that counted the one that was too many.
//! - abort, by hand or by itself: what waits is cancelled; what is on its way is asked back, and
//!   its acknowledgement decides, as for a single command.
//! - `schedule`: it stands, and a run is made at each of the times. A time is missed that is more
//!   than a minute past when somebody could begin its run, and one that came while the run before
//!   went on (its last command was not let go): runs do not pile up. Missed times are one entry in
//!   the list of runs, `skipped`, or with `missed = once` one run that says for which it is made.
//! - A run that cannot be made (no answer, guard) is told as `failed`, and the next one is made all
//!   the same. One that is stopped by `abort-above` ends its push.
//! - A time counts as done in the transaction that freezes its run: killed before, the next process
//!   makes the run, if it is not too late for it.
//! - A row whose values the command's schema refuses fails its own command (`row`, with the field);
//!   where that is so of every row, the push is refused.

mod drive;
mod make;
mod plan;
mod report;
mod request;
mod schedule;
mod select;
mod stand;
mod steer;
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
