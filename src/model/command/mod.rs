//! Commands between the vehicle edge and downlink, which know nothing of each other: `app` gives
//! each the other's trait.
//!
//! [`CommandEdge`] is asked by downlink: where does this command go, and there it goes.
//! [`CommandDesk`] is told by the edge: a vehicle is there, this became of a command, this receipt
//! came, this message raised an alarm.

mod alarm;
mod desk;
mod edge;
mod id;

pub use alarm::{AlarmPlace, AlarmRefusal, Publication, RaisedAlarm};
pub use desk::{CommandDesk, IncomingReceipt, ReceiptTicket};
pub use edge::{CommandEdge, CommandOutcome, CommandReport, Parcel, QueuePlace, Reach};
pub use id::{CommandId, CommandIdError};
