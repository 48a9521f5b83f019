//! Commands to vehicles, and the truth about each.
//!
//! A command is durable before its sender has the 202, waits here and not in an MQTT queue, leaves
//! for one session when the vehicle is there and subscribes, and its state says what is known: no
//! more.
//!
//! ```text
//!  http ─▶ Downlink (handle) ─▶ engine, one thread ─▶ store (SQLite, a transaction a turn)
//!            ▲                    │        ▲
//!            └── answers ─────────┤        │ reports, receipts, "a vehicle is here"
//!                                 ▼        │
//!                          CommandEdge   CommandDesk   (traits in `model`; `mqtt` is behind them)
//! ```
//!
//! # The life of a command
//! `queued` → `sent` → `delivered` → `done`, `failed`, `rejected` or `timed-out`; before it is
//! delivered it may also become `expired`, `cancelled`, `superseded` or `skipped`
//! ([`State`]). A turn of the engine takes the jobs that wait, changes what is in memory, commits,
//! and only then lets commands leave and answers go.
//!
//! # Invariants
//! - **DN-1** A command is sent only to a session whose verified vehicle is its own, or to a
//!   configured gateway that speaks for it.
//! - **DN-2** An expired command is never sent.
//! - **DN-3** States move forward only, through crashes too.
//! - **DN-4** Nothing leaves, and nobody is answered, before what led to it is durable.
//! - **DN-5** `delivered` is said only of what the vehicle acknowledged: by PUBACK, PUBCOMP or
//!   receipt.
//!
//! # Pushes
//! A question's rows become commands: `push`.
//!
//! # Alarms
//! A message that fires one ([`crate::mapping`], `[[alarm]]`) is made durable by its lane first;
//! then its alarm comes here ([`CommandDesk`](crate::model::CommandDesk)), and the command and the
//! note that the vehicle was told are one transaction; then the command leaves, and then the
//! message is acknowledged. So at whatever moment the process ends:
//! - before the lane: nothing is left, and the vehicle sends its message again;
//! - between lane and transaction: the points are stored, nobody was told; the vehicle sends its
//!   message again, which stores the same points and raises the alarm;
//! - behind the transaction: the message may come again, and is known by its topic, payload and
//!   time: no second command. One whose points have no time of their own is known for `once-per`
//!   only.
//!
//! What an alarm publishes is noted in the same way, leaves then, and its message waits until it is
//! durable with its receivers. A message that comes again after a crash publishes it again, because
//! nobody knows who has it: at least once, and once more at most. At QoS 0 nobody sends a message
//! again: what a crash takes with it was never promised.
//!
//! # Saved queries
//! A question that is asked again and again, and told on a topic: `topics`.
//!
//! # What a crash does
//! What was committed is there. A command that was `sent` is sent again when its vehicle is there,
//! with DUP: by its session under the same packet identifier, where that lasts (QoS 2 is exactly
//! once then), else as a new publish, whose id tells the vehicle so. Its entry in the session's
//! queue goes only once its end is durable here; when the session comes back, what it turns out not
//! to have is sent anew. An acknowledgement that was not committed comes again from the vehicle, or
//! with the answer to the second sending.
//!
//! # Bounds
//! Open commands a vehicle (`downlink.open-max`) and in all (`downlink.total-open-max`), bytes of a
//! payload, some 2,048 commands and reports a turn, alarms that wait
//! (`downlink.alarms-waiting-max`; one more is counted, and its message goes on without). Ended
//! commands are deleted after `downlink.keep`. Where the disk takes nothing, operators are refused
//! and the publishes that brought receipts or raised alarms wait; where it fails, until a restart.
//!
//! # Why SQLite
//! Commands are few beside telemetry, and are looked for by vehicle, state and time: a table with
//! indices, one transaction a group, is that; the spool's log would need them built beside it.

mod engine;
mod handle;
mod lifecycle;
mod options;
mod prepare;
mod push;
mod question;
mod record;
mod start;
mod still;
mod store;
mod topics;
mod webhook;

pub use engine::{Cancelling, Placed, Refused};
pub use handle::Downlink;
pub use lifecycle::{Happening, Note, State, Step, Verdict, step};
pub use options::Options;
pub use prepare::{Ask, AskError, Still};
pub use push::{
    PushError, PushMade, PushRecord, PushRequest, PushState, Report, RunRecord, RunState, Sender,
    Verified,
};
pub use record::{Change, Evidence, FeedEntry, Idempotency, Origin, Record, Request, What, moment};
pub use start::{Parts, Running, start};
pub use store::{AuditEntry, CommandFilter, OpenError, ReadError, Reader};
pub use topics::check_queries;
