//! Commands to vehicles, and their states.
//!
//! A command is durable before its sender gets the 202, waits here and not in an MQTT queue, and is
//! sent to one session when the vehicle is connected and subscribed; its state says only what is
//! known.
//!
//! ```text
//!  http ─▶ Downlink (handle) ─▶ engine, one thread ─▶ store (SQLite, a transaction a turn)
//!            ▲                    │        ▲
//!            └── answers ─────────┤        │ reports, receipts, "a vehicle is here"
//!                                 ▼        │
//!                          CommandEdge  CommandTracker  (traits in `model`; `mqtt` is behind them)
//! ```
//!
//! # The life of a command
//! `queued` → `sent` → `delivered` → `done`, `failed`, `rejected` or `timed-out`; before it is
//! delivered it may also become `expired`, `cancelled`, `superseded` or `skipped`
//! ([`State`]). A turn of the engine takes the waiting jobs, changes the state in memory, commits,
//! and only then sends commands and answers.
//!
//! # Invariants
//! - **DN-1** A command is sent only to a session whose verified vehicle is its own, or to a
//!   configured gateway of its vehicle.
//! - **DN-2** An expired command is never sent.
//! - **DN-3** States move forward only, through crashes too.
//! - **DN-4** A command is sent, and a caller answered, only after the reason for it is durable.
//! - **DN-5** Only a command that the vehicle acknowledged, by PUBACK, PUBCOMP or receipt, is
//!   `delivered`.
//!
//! # Pushes
//! `push` makes commands from the rows of a query.
//!
//! # Alarms
//! The lane first makes a message that raises an alarm ([`crate::mapping`], `[[alarm]]`) durable;
//! then the alarm arrives here ([`CommandTracker`](crate::model::CommandTracker)), and one
//! transaction stores the command and the note that the alarm was raised; then the command is sent,
//! and then the message acknowledged. So if the process ends
//! - before the lane: nothing is left, and the vehicle sends its message again;
//! - between lane and transaction: the points are stored, no command was sent; the vehicle sends
//!   its message again, which stores the same points and raises the alarm;
//! - after the transaction: the message may come again, and is recognised by its topic, payload and
//!   time: no second command. A message whose points have no time of their own is recognised only
//!   within `once-per`.
//!
//! A publish of an alarm is noted in the same way and then sent; its message waits until the
//! publish is durable with its receivers. A message that comes again after a crash publishes it
//! again, because nobody knows who got it: at least once, and at most once more. At QoS 0 no client
//! sends a message again: such a message has no guarantee.
//!
//! # Saved queries
//! `topics` runs saved queries at their intervals and publishes the answers on their topics.
//!
//! # What a crash does
//! Everything committed survives. A `sent` command is sent again when its vehicle is connected,
//! with DUP: in a persistent session under the same packet identifier (so QoS 2 is exactly once),
//! otherwise as a new PUBLISH that the vehicle recognises by its id. Its entry in the session's
//! queue is removed only once its end is durable here; when the session reconnects, commands that
//! it does not have are sent again. If an acknowledgement was not committed, the vehicle sends it
//! again, or acknowledges the second sending.
//!
//! # Bounds
//! Open commands per vehicle (`downlink.open-max`) and in total (`downlink.total-open-max`), bytes
//! of a payload, about 2,048 commands and reports per turn, waiting alarms
//! (`downlink.alarms-waiting-max`; one more is counted, and its message is handled without it).
//! Ended commands are deleted after `downlink.keep`. While the disk is full, operators are refused,
//! and publishes with receipts or alarms wait; after a failed write they wait until a restart.
//!
//! # Why SQLite
//! Commands are few compared to telemetry, and are queried by vehicle, state and time: a table with
//! indices, with one transaction per group, does that; the spool's log would need separate indices.

mod engine;
mod handle;
mod lifecycle;
mod options;
mod prepare;
mod push;
mod query_spec;
mod record;
mod start;
mod still;
mod store;
mod topics;
mod webhook;

pub use engine::{Cancelling, Placed, Refused};
pub use handle::Downlink;
pub use lifecycle::{Event, Note, State, Transition, Verdict, step};
pub use options::Options;
pub use prepare::{CommandRequest, RequestError, Still};
pub use push::{
    PushError, PushMade, PushRecord, PushRequest, PushState, Report, RunRecord, RunState, Sender,
    Verified,
};
pub use record::{Change, Evidence, FeedEntry, Idempotency, Origin, Record, Request, What, moment};
pub use start::{Parts, Running, start};
pub use store::{AuditEntry, CommandFilter, OpenError, ReadError, Reader};
pub use topics::check_queries;
