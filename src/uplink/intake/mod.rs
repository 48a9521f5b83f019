//! One worker's way into the lanes: messages in, groups out, answered groups back.
//!
//! An [`Intake`] belongs to one worker thread. [`Intake::take`] decodes a message straight into the
//! open group of its vehicle's shard. [`Intake::flush`], at the end of a turn of the worker's event
//! loop, puts each open group where its lane finds it: the lane takes it when it is free, and until
//! then the next turn takes it back and goes on filling it. So there is one hand-over, one write,
//! one sync and one answer a worker and commit, however many turns it took, and nothing per message
//! crosses a thread. The dead-letter log is one lane more, which answers for each message by
//! itself: to a message it makes no difference which log has to become durable before it may be
//! acknowledged.
//!
//! # The life of a message
//! received (counted, `pending`) → decoded into a group, with its owner and number → the lane took
//! the group and made it durable → the group comes back as an [`Answer`] → its session counts it as
//! finished ([`Intake::finish`]) and acknowledges it. A message that needs no disk (filtered,
//! unmapped, refused) is finished at once, but its session still keeps the order.
//!
//! A group carries all that an answer needs: whose messages it holds, by number, and where the last
//! line of each session, mapping and vehicle lies in it. So answers may come in any order, over
//! lanes and from a lane that halts.
//!
//! # Invariants
//! - **UP-1** a group is answered as durable only after the lane's sync.
//! - **UP-2** a group of a halted lane is answered as not durable, and nobody in it is ever
//!   acknowledged; its lines are let go of.
//! - **UP-3** every message taken is counted once as received and once as finished, or is
//!   `pending`.
//! - **UP-4** the groups of all workers and lanes, open, handed over and kept for later, take at
//!   most [`MemoryBudget`](crate::uplink::MemoryBudget) plus one message a worker. Past it nothing
//!   is taken in: [`Intake::has_room`].
//!
//! # Times of receipt are distinct
//! A store keeps one point for equal series and time, so two messages without a time of their own
//! must never be stamped alike, nor two points of one message. The clock is read once a turn and
//! each message gets a stamp of its own, at least a nanosecond after the last one that a point had.

mod group;
mod lanes;
mod letters;
mod parts;
mod stamp;
mod take;
mod tally;
#[cfg(test)]
mod tests;
mod unmapped;

pub use group::{Answer, Group, Reply, Run};
pub use parts::IntakeParts;
pub use take::{Incoming, Intake, NoRoom, Taken};
