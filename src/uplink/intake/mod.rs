//! One worker's way into the lanes: messages in, groups out, tickets back.
//!
//! An [`Intake`] belongs to one worker thread. [`Intake::take`] decodes a message straight into the
//! open group of its vehicle's shard; [`Intake::flush`], at the end of a turn of the worker's event
//! loop, hands each group that gathered something to its lane, once, with nothing per message
//! crossing a thread; [`Intake::settled`] takes a lane's answer about a group and gives back whose
//! messages it held. The dead-letter log is one lane more, which answers for each message by
//! itself: to a message it makes no difference which log has to become durable before it may be
//! acknowledged.
//!
//! # The life of a message
//! received (counted, `pending`) → decoded into a group, with a ticket → the group is submitted →
//! the lane made it durable → the ticket comes back through [`Intake::settled`] → its session
//! counts it settled ([`Intake::settle`]) and acknowledges it. A message that needs no disk
//! (filtered, unmapped, refused) settles at once, but its session still keeps the order.
//!
//! # Invariants
//! - **UP-1** a ticket comes back only after the lane said that its group is durable.
//! - **UP-2** a ticket of a halted lane is dropped and never comes back.
//! - **UP-3** every message taken is counted once as received and once as settled, or is `pending`.
//! - **UP-4** a lane's bytes between worker and disk stay below `lane_bytes_max` plus one message a
//!   session: past the bound [`Taken::crowded`] tells the session to stop reading.
//!
//! # Last lines
//! A group also notes where in its buffer the last line of each session, mapping and vehicle lies;
//! they come back with the tickets ([`Tickets::last_lines`]), when they are durable, out of the
//! buffer that the lane gives back. So what a session keeps of a turn is copied once, not once a
//! message.
//!
//! # Times of receipt are distinct
//! A store keeps one point for equal series and time, so two messages without a time of their own
//! must never be stamped alike, nor two points of one message. The clock is read once a turn and
//! each message gets a stamp of its own, at least a nanosecond after the last one that a point had.

mod group;
mod letters;
mod options;
mod parts;
mod stamp;
mod take;
mod tally;
#[cfg(test)]
mod tests;

pub use group::{Run, Tickets};
pub use options::IntakeOptions;
pub use parts::{IntakeParts, LaneAnswer};
pub use take::{Intake, Taken};
