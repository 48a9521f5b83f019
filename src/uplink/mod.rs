//! Vehicle → spool: what happens to a message between its arrival and its lines.
//!
//! ```text
//! publish ─▶ memo ─────▶ kinds, framing ─▶ decode ─▶ slots ─▶ filter ─▶ point ─▶ intake ─▶ lane
//!            topic →     payload →         json       table    `when`     line     a shard's
//!            mappings    mapping           avro                                    group
//!                                          protobuf
//! ```
//! A decoder fills a table of slots in one walk over the payload, without a tree; a plan compiled
//! from schema and mapping says which bytes go into which slot, and the order in which slots become
//! a line. A payload of line protocol is not decoded: `line_protocol` checks it and adds the
//! mapping's tags.
//!
//! - **Flow**: `intake` (one worker's groups on their way to the lanes and back), `transcode` (one
//!   message through all its mappings), `run` (one mapping of it), `shard_buffers` (where its lines
//!   are written).
//! - **Selection**: `memo` (what a session's topics mean), `kinds` (several kinds of message on one
//!   topic), `framing` (schema identifiers and length prefixes).
//! - **Decoding**: `decode` (one interface for `json`, `avro` and `protobuf`), `slots`, `slot`,
//!   `value`, `key_table` (equal keys in linear time).
//! - **Mapping**: `filter`, `convert`, `time`, `duplicates` (points of equal series and time, of
//!   which a store keeps one), `alarm`.
//! - **Writing**: `point`, `line`, `float`, `line_protocol`, `last_lines`.
//! - **Failures**: `error` and `trouble` (small, on the hot path), `detail` and `diagnose` (their
//!   text, on the cold path), `message` and `outcome` (the results of a message).
//! - **Bounds**: `limits` (one message), `memory` (the process), `names` (new measurements, fields
//!   and tags), `options`.
//! - `replay`: dead letters, decoded again by the schemas and mappings in force.
//!
//! The invariants UP-1 to UP-4 are those of `intake`.

mod alarm;
mod avro;
mod convert;
pub(crate) mod decode;
mod detail;
pub(crate) mod diagnose;
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
mod line_protocol;
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
mod shard_buffers;
mod slot;
mod slots;
mod time;
mod transcode;
mod trouble;
mod value;

#[cfg(test)]
mod tests;

pub use alarm::{RaiseRefusal, Raised};
pub use error::DecodeError;
pub use intake::{Answer, Group, Incoming, Intake, IntakeParts, NoRoom, Reply, Run, Taken};
pub use last_lines::LastLine;
pub(crate) use last_lines::LastLines;
pub use limits::Limits;
pub use memo::TopicMemo;
pub use memory::MemoryBudget;
pub use message::{Failure, Message, NoPoints, Sender, Transcoded};
pub use names::{NameOptions, NameRegistry, NamesError};
pub use options::Options;
pub use outcome::MessageOutcome;
pub use replay::Replayer;
pub use shard_buffers::ShardBuffers;
pub use slot::{Item, Slot, State};
pub use slots::Slots;
pub use transcode::Transcoder;
