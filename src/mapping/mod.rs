//! Mapping files → compiled plans.
//!
//! A mapping says which messages it takes (topic, selection), how their payload is read (format,
//! schema, message) and which points it becomes (measurement, tags, fields, time, points, filter).
//! It is compiled in three steps, before any payload arrives:
//!
//! 1. the file is read strictly: unknown keys are refused with the nearest known one;
//! 2. its paths are resolved against the schema's [`crate::schema::Shape`], and each needed value
//!    gets a slot: the [`Layout`];
//! 3. the format compiles its [`Decoder`] from the layout, and the rest becomes a [`Plan`].
//!
//! Loading collects the problems of all files before it refuses them.
//!
//! # The keys of `[[mapping]]`
//! `name`, `topic`, `format`, `schema`, `message`, `measurement`, `vehicle`, `tags`, `time`,
//! `points`, `fields`, `when` and `select` as the shipped mappings show them, and:
//! - `schema-id = 42` with `select = "confluent"`: the schema's id in the schema registry. A
//!   protobuf payload's message indexes must be those of `message`.
//! - `content-type = "application/x-protobuf"` with `select = "content-type"`: compared byte for
//!   byte with the content type of a 5.0 message.
//! - `repeated = "spread"` (default: `name_0`, `name_1`…, `name_key`) or `"json"` (one string).
//! - `framing = "none"` (default), `"delimited"` (each message of the payload behind its length, a
//!   varint) or `"grpc"` (behind a 0 and its length, four bytes big endian): a payload then holds
//!   any number of messages, each mapped as if it had come alone, all or none; `duplicates`
//!   applies to the points of all of them.
//! - `identity = "required"` (default `"any"`): the vehicle must be the verified one of the
//!   publishing session; otherwise, and for an anonymous session, the whole message is refused
//!   (0x87). A vehicle in the topic is checked before the payload is decoded. Dry runs (`decode`,
//!   `check --payload`) have no session and skip the check.
//! - `bytes = "base64"` (default) or `"skip"`.
//! - `points = "units.signals.samples"`: each element of the last of these nested lists, or maps of
//!   records, is a point. Values of the outer lists are written, under their whole path, only if
//!   the mapping names them (tags, `when`, `time`, `fields.rename`, `fields.include`, `convert`). A
//!   JSON payload that is a list, or a map of objects, is the outermost one, and `points` may be
//!   left out. A list or map whose elements are lists or maps needs no name in between. Null is no
//!   element.
//! - `point-key = "signal"`: the name for the key of a map of points (default: `key`). The key is a
//!   tag, at its place in `tags` or behind them; `point-key = { field = "signal" }` makes it a
//!   field, and `time = { field = "signal", … }` the time.
//! - `value-types = "by-name"` (the default): a JSON value of several types becomes one field per
//!   type, `v_number`, `v_string`…, as an Avro union does.
//! - `list.0` in any path: an element of a list of scalars; the list then omits it.
//! - `duplicates` says what happens to points of one message with equal series and time, of which
//!   every store keeps one: `"merge"` (default: one point with the fields of all, the last value of
//!   a repeated field), `"keep-last"`, or `"offset-ns"` (separate points, each at least a
//!   nanosecond after the previous one). Merged points are counted. Loading warns of a mapping
//!   whose points must all collide, unless it has `duplicates`. Points without a time never
//!   collide: each gets its own time of receipt.
//!
//! `vehicle` must be one of the `tags`, or all vehicles would share one series; both take the name
//! of a capture with or without its braces.
//!
//! If all mappings of a topic select by something other than the topic, and none takes a message,
//! the message becomes a dead letter `schema-unknown`.
//!
//! # Kinds
//! Several mappings may serve one topic, each with a `when` for its kind of message. If `when` is
//! false the mapping ignores the payload: it need not match the schema, and a value whose type
//! differs from the schema is absent for `when`. The same holds for each element of `points`.
//!
//! # Time
//! `time = { field, unit }`: an integer, a number with a fraction (read from its digits) or a
//! number in quotes counts `s`, `ms`, `us` or `ns`; text is ISO 8601 (`unit = "iso8601"`, optional
//! for text); timestamp types have their own unit. Optional:
//! - `zone = "Europe/Berlin"`, or an offset such as `"+01:00"`: the zone of texts without an
//!   offset; without `zone` they are dead letters. In the hour that autumn repeats the first one is
//!   taken (and `decode` says so); a time that spring skips is a dead letter.
//! - `plus = { field, unit }`: added, and may be negative: events relative to their message.
//! - `unset = "received"`: if the clock is not set (absent, empty, or before 1981, because clocks
//!   begin at 0, 1970 or 1980) the time of receipt is taken, plus `plus`.
//!
//! # Fields
//! In `fields.include` and `fields.exclude` a `*` stands for any run of characters, dots included;
//! a record's name stands for all its fields. A field in both is excluded. `fields.rename` of a
//! record renames the prefix of all names below it; the empty name drops the prefix.
//!
//! `convert."path" = { name, factor, offset, as }` changes a field's values, also those of a list
//! or map: value times `factor` plus `offset`, exact in decimals, gives a float unless `as` says
//! `"integer"`; `as` alone converts to `"float"`, `"integer"`, `"boolean"` or `"string"`, also
//! numbers in text. An empty text gives no field; a value that cannot be converted, for example an
//! integer that is not whole, makes a dead letter. `when` and tags read the original value.
//!
//! `constant = { tags = { … }, fields = { … } }`: tags and fields of every point, not from
//! payloads.
//!
//! # Paths
//! A path's dots lead into records. A name that contains a dot may be written without quotes if it
//! is unambiguous, otherwise in double quotes: `tags = ['"veh.id"']`. In `when`, quote a name with
//! characters other than letters, digits, `_`, `-`, `+`, `$`.

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
