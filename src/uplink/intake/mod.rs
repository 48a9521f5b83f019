//! One worker's entry to the lanes: it takes messages, hands over groups, and gets answered groups
//! back.
//!
//! An [`Intake`] belongs to one worker thread. [`Intake::take`] decodes a message straight into the
//! open group of its vehicle's shard. [`Intake::flush`], at the end of a turn of the worker's event
//! loop, offers each open group to its lane: the lane takes it when it is free, and until then the
//! next turn takes it back and continues to fill it. So there is one hand-over, one write, one sync
//! and one answer per worker and commit, however many turns it took, and nothing crosses a thread
//! per message. The dead-letter log works like one more lane, except that it answers for each
//! message separately: a message that waits for its dead letter is acknowledged in the same way.
//!
//! # The life of a message
//! received (counted, `pending`) → decoded into a group, with its owner and number → the lane takes
//! the group and makes it durable → the group comes back as an [`Answer`] → its session counts it
//! as finished ([`Intake::finish`]) and acknowledges it. A message that needs no disk (filtered,
//! unmapped, refused) is finished at once, but its session still keeps the order of
//! acknowledgements.
//!
//! A group holds everything that an answer needs: the owners and numbers of its messages, and the
//! range of the last line of each session, mapping and vehicle. So answers may come in any order,
//! from several lanes and from a lane that halts.
//!
//! # Invariants
//! - **UP-1** a group is answered as durable only after the lane's sync.
//! - **UP-2** a group of a halted lane is answered as not durable, and none of its messages is ever
//!   acknowledged; its lines are dropped.
//! - **UP-3** every message taken is counted once as received and once as finished, or is
//!   `pending`.
//! - **UP-4** the groups of all workers and lanes (open, handed over, and kept for reuse) take at
//!   most [`MemoryBudget`](crate::uplink::MemoryBudget) plus one message per worker. Past it no
//!   message is taken: [`Intake::has_room`].
//!
//! # Times of receipt are distinct
//! A store keeps one point for equal series and time, so two messages without a time of their own
//! must never get the same time of receipt, nor two points of one message. The clock is read once
//! per turn, and each message gets its own stamp, at least a nanosecond after the last stamp that a
//! point has used.

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
