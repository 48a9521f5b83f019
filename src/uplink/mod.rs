//! Vehicle → spool: what happens to a message between its arrival and its lines.

mod avro;
pub(crate) mod decode;
mod duplicates;
mod error;
mod filter;
mod framing;
mod intake;
mod json;
mod key_table;
mod last_lines;
mod limits;
mod line;
mod lines;
mod point;
mod protobuf;
mod settlement;
mod slots;
mod told;
mod transcode;
mod trouble;
mod value;

#[cfg(test)]
mod tests;

pub use error::DecodeError;
pub use intake::{Intake, IntakeOptions, IntakeParts, LaneAnswer, Run, Taken, Tickets};
pub use last_lines::LastLine;
pub(crate) use last_lines::LastLines;
pub use limits::Limits;
pub use settlement::Settlement;
pub use slots::{Item, Slot, Slots, State};
pub use transcode::{Failure, Message, Transcoded, Transcoder};
