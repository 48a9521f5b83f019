//! Mapping files → compiled plans.
//!
//! A mapping says which messages it takes (topic, selection), how their payload is read (format,
//! schema, message) and what becomes of it (measurement, tags, fields, time, points, filter). It is
//! compiled in three steps, none of which looks at a payload:
//!
//! 1. the file is read strictly: unknown keys are refused with the nearest known one;
//! 2. its paths are resolved against the schema's [`crate::schema::Shape`], and each value that is
//!    wanted gets a slot: the [`Layout`];
//! 3. the format compiles its [`Decoder`] from the layout, and the rest becomes a [`Plan`].
//!
//! All problems of all files are collected before anything is refused.
//!
//! # The keys of `[[mapping]]`
//! `name`, `topic`, `format`, `schema`, `message`, `measurement`, `vehicle`, `tags`, `time`,
//! `points`, `fields`, `when` and `select` as the shipped mappings show them, and:
//! - `schema-id = 42` with `select = "confluent"`: the id under which the schema registry knows the
//!   schema. A protobuf payload's message indexes must be those of `message`.
//! - `content-type = "application/x-protobuf"` with `select = "content-type"`: compared byte for
//!   byte with the content type of a 5.0 message.
//! - `repeated = "spread"` (default: `name_0`, `name_1`…, `name_key`) or `"json"` (one string).
//! - `framing = "none"` (default), `"delimited"` (each message of the payload behind its length, a
//!   varint) or `"grpc"` (behind a 0 and its length, four bytes big endian): a payload is then any
//!   number of messages, each mapped as if it had come alone, all or none; `duplicates`
//!   holds for the points of all of them.
//! - `identity = "required"` (default `"any"`): the vehicle must be the one that was verified for
//!   the session that publishes; else the whole message is refused (0x87), and an anonymous session
//!   has none. A capture is looked at before the payload is. Dry runs (`decode`, `check
//!   --payload`) have no session and do not ask.
//! - `bytes = "base64"` (default) or `"skip"`.
//! - `points = "units.signals.samples"`: a point an element of the last of these lists, which may
//!   lie in each other, also of a map of records. Of lists on the way only what the mapping names
//!   is written (tags, `when`, `time`, `fields.rename`, `fields.include`, `convert`), under its
//!   whole path. A JSON payload that is a list, or a map of objects, is the outermost one, and
//!   `points` may be left out. Lists and maps whose elements are lists or maps themselves are
//!   gone through without a name between them. Null is no element.
//! - `point-key = "signal"`: what the key of a map of points is called (default: `key`). It is a
//!   tag, at its place in `tags` or behind them; `point-key = { field = "signal" }` makes it a
//!   field, and `time = { field = "signal", … }` the time.
//! - `value-types = "by-name"` (the default): a JSON value of several types becomes a field a type,
//!   `v_number`, `v_string`…, as an Avro union does.
//! - `list.0` in any path: an element of a list of scalars, which is then no part of the list.
//! - `duplicates` says what points of one message with equal series and time mean, of which every
//!   store keeps one: `"merge"` (default: one point with the fields of all, of one key the last
//!   value), `"keep-last"`, or `"offset-ns"` (points of their own, each at least a nanosecond after
//!   the one before). What is merged is counted. A mapping whose points must all meet is warned of
//!   when it is loaded, unless it says `duplicates`. Points without a time of their own never meet:
//!   each gets its own time of receipt.
//!
//! `vehicle` must be one of the `tags`, or all vehicles would share one series; both take the name
//! of a capture with or without its braces.
//!
//! A topic whose mappings all select by something else than the topic, none of which takes a
//! message, makes it a dead letter `schema-unknown`.
//!
//! # Kinds
//! Several mappings may serve one topic, each with a `when` for its kind of message. A mapping
//! whose `when` is false asks nothing more of the payload: it need not suit the schema, and what of
//! it the schema gives another type is absent for `when`. So it is with each element of `points`.
//!
//! # Time
//! `time = { field, unit }`: an integer, a number with a fraction (read from its digits) or a
//! number in quotes counts `s`, `ms`, `us` or `ns`; text is ISO 8601 (`unit = "iso8601"`, which may
//! be left out for text); timestamps bring their unit. Beside them:
//! - `zone = "Europe/Berlin"`, or an offset such as `"+01:00"`: where texts without an offset are
//!   of; without it they are dead letters. Of the hour that autumn has twice the first is taken
//!   (and `decode` says so); a time that spring skips is a dead letter.
//! - `plus = { field, unit }`: added, and may be negative: events relative to their message.
//! - `unset = "received"`: a clock that is not set (absent, empty, or before 1981, because clocks
//!   begin at 0, 1970 or 1980) means the time of receipt, to which `plus` is then added.
//!
//! # Fields
//! In `fields.include` and `fields.exclude` a `*` stands for any run of characters, dots included;
//! naming a record names all of it. What is both is excluded. `fields.rename` of a record renames
//! the start of all names below it; the empty name drops it.
//!
//! `convert."path" = { name, factor, offset, as }` changes a field's values, also those of a list
//! or map: value times `factor` plus `offset`, exact in decimals, which makes a float unless `as`
//! says `"integer"`; `as` alone makes a `"float"`, `"integer"`, `"boolean"` or `"string"` of what
//! it can, numbers in text included. An empty text gives nothing; what cannot become the type, an
//! integer that is not whole among it, is a dead letter. `when` and tags read the value as it came.
//!
//! `constant = { tags = { … }, fields = { … } }`: what every point has and no payload brings.
//!
//! # Paths
//! A path's dots lead into records. A name that holds a dot itself may stand as it is wherever
//! nothing else is named so, and otherwise in double quotes: `tags = ['"veh.id"']`. In `when` a
//! name with other characters than letters, digits, `_`, `-`, `+`, `$` stands in quotes too.

mod alarm;
pub mod avro;
mod catalog;
mod command;
mod compile;
mod convert;
mod decoder;
mod file;
mod filter;
pub mod json;
mod layout;
mod plan;
mod plans;
pub mod protobuf;
mod saved;
mod store_names;
mod template;
mod time;
mod topic;
mod wildcard;

#[cfg(test)]
mod tests;

pub use alarm::{Alarm, AlarmAction, AlarmCommand, AlarmTopic, Alarms};
pub use command::{
    Command, Commands, FieldError, Order, ReadCommand, ReceiptRule, ReceiptText, ReceiptVerdict,
    ReceiptWords,
};
pub use compile::Condition;
pub use convert::{Conversion, Target};
pub use decoder::Decoder;
pub use file::ONCE_PER_MAX;
pub use filter::{Comparison, Filter, Operand};
pub use layout::{Implicit, Layout, Level, Place, RecordLayout, SlotIdx};
pub use plan::{
    Duplicates, Field, FieldForm, Framing, LevelPlan, Pick, Plan, PlanAlarm, Probe, Select,
    SlotPlan, Source, Tag,
};
pub use plans::{LoadErrors, Options, Plans};
pub use saved::SavedQuery;
pub use template::{Template, json_of};
pub use time::{Time, TimeReading, TimeValue, UNSET_BEFORE_NANOS, time_zone};
pub use topic::TopicMatch;

pub use crate::schema::Bounds;
