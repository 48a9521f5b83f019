//! Commands between the MQTT edge and downlink, which do not know each other: `app` gives each of
//! them the other's trait.
//!
//! Downlink calls [`CommandEdge`]: where can this command go, send it there. The edge calls
//! [`CommandTracker`]: a vehicle has connected, a command has this outcome, a receipt has arrived,
//! a message has raised an alarm.

mod alarm;
mod edge;
mod id;
mod tracker;

pub use alarm::{AlarmPermit, AlarmRefusal, Publication, RaisedAlarm};
pub use edge::{CommandEdge, CommandOutcome, CommandReport, OutgoingCommand, QueuePlace, Reach};
pub use id::{CommandId, CommandIdError};
pub use tracker::{CommandTracker, IncomingReceipt, ReceiptTicket};
