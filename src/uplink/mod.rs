//! Vehicle → spool: what happens to a message between its arrival and its lines.

mod avro;
pub(crate) mod decode;
mod intake;
mod limits;
mod protobuf;
mod slots;

pub use intake::IntakeOptions;
pub use limits::Limits;
pub use slots::{DecodeError, Item, Slot, Slots, State};
