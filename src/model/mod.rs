//! The vocabulary of the whole crate, as pure values. Imports nothing of the crate.

mod catalog;
mod cause;
mod command;
mod decimal;
mod dialect;
mod disposition;
mod duration;
mod letter;
pub mod line;
mod listed;
mod mapping_key;
mod name_pattern;
mod presence;
mod rows;
mod secret;
mod session_admin;
mod shard;
mod silent;
mod store_names;
mod time;
mod words;

pub use catalog::{Catalog, FieldType, Measurement};
pub use cause::Cause;
pub use command::{
    AlarmPermit, AlarmRefusal, CommandEdge, CommandId, CommandIdError, CommandOutcome,
    CommandReport, CommandTracker, IncomingReceipt, OutgoingCommand, Publication, QueuePlace,
    RaisedAlarm, Reach, ReceiptTicket,
};
pub use decimal::Decimal;
pub use dialect::LineDialect;
pub use disposition::Disposition;
pub use duration::{DURATION_UNITS, parse_duration};
pub use letter::{
    DeadLetter, DeadLetters, LetterFilter, LetterId, LetterIdError, LetterKind, LetterMark,
    LetterMarkError, LetterPage, LetterReplay, LettersAnswer, LettersError, Replayed,
};
pub use listed::Listed;
pub use mapping_key::MappingKey;
pub use name_pattern::NamePattern;
pub use presence::{
    EdgeTimeout, Presence, PresenceCounts, PresenceFilter, Protocol, SessionAnswer, SessionFacts,
    SessionId, SessionQuestion, Sessions, VehiclePresence,
};
pub use rows::{Column, Row, Value, ValueType};
pub use secret::Secret;
pub use session_admin::{
    AdminAnswer, ConnectionView, SessionAdmin, SessionFilter, SessionMark, SessionPage,
    SessionView, SubscriptionView,
};
pub use shard::{Position, ShardCount, ShardId, VehicleHash};
pub use silent::{SilentPeers, SilentTicket};
pub use store_names::{Named, StoreNames};
pub use time::UnixNanos;
pub(crate) use words::words;
