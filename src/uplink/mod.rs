//! Vehicle → spool: what happens to a message between its arrival and its lines.

mod alarm;
mod avro;
mod convert;
pub(crate) mod decode;
mod destination;
mod detail;
mod duplicates;
mod error;
mod filter;
mod float;
mod framing;
mod intake;
mod json;
mod key_table;
mod kinds;
mod last_lines;
mod limits;
mod line;
mod lines;
pub(crate) mod look;
mod memo;
mod memory;
mod message;
mod names;
mod options;
mod outcome;
mod point;
mod protobuf;
mod replay;
mod run;
mod slot;
mod slots;
mod time;
mod transcode;
mod trouble;
mod value;

#[cfg(test)]
mod tests;

pub use alarm::{RaiseRefusal, Raised};
pub use destination::Lines;
pub use error::DecodeError;
pub use intake::{Answer, Group, Incoming, Intake, IntakeParts, NoRoom, Reply, Run, Taken};
pub use last_lines::LastLine;
pub(crate) use last_lines::LastLines;
pub use limits::Limits;
pub use memo::TopicMemo;
pub use memory::MemoryBudget;
pub use message::{Failure, Message, NoPoints, Sender, Transcoded};
pub use names::{NameBook, NameOptions, NamesError};
pub use options::Options;
pub use outcome::MessageOutcome;
pub use replay::Replayer;
pub use slot::{Item, Slot, State};
pub use slots::Slots;
pub use transcode::Transcoder;
