//! The plan: one compiled mapping, which needs no further lookups.
//!
//! `uplink` executes it: select → decode into slots → filter → write the line in the plan's order.
//! Everything is immutable and shared by all workers; keys are escaped here, once.

use std::sync::Arc;

use crate::{
    mapping::{Conversion, Decoder, Filter, Implicit, SlotIdx, Time},
    model::{MappingKey, line::Label},
    schema::Scalar,
};

/// One compiled mapping.
#[derive(Debug)]
pub struct Plan {
    /// The mapping's `name`.
    pub name: Arc<str>,
    /// Identifies the mapping across reloads.
    pub key: MappingKey,
    /// Which messages of the topic it takes.
    pub select: Select,
    /// How the payload is read.
    pub decoder: Decoder,
    /// The slot table: its size and the defaults of a message and of an element.
    pub slots: SlotPlan,
    /// Which points are written at all.
    pub filter: Option<Filter>,
    /// Decides whether a payload that does not decode is of a kind that the filter excludes.
    pub probe: Option<Box<Probe>>,
    /// The alarms that are evaluated for each point that is written.
    pub alarms: Box<[PlanAlarm]>,
    /// The measurement, escaped. Empty for line protocol, whose lines have their own.
    pub measurement: Label,
    /// What identifies the vehicle.
    pub vehicle: Source,
    /// The tag that holds the vehicle, as an index into `tags`.
    pub vehicle_tag: Option<usize>,
    /// In the mapping's order.
    pub tags: Box<[Tag]>,
    /// The point's time; absent: the time of receipt.
    pub time: Option<Time>,
    /// In declaration order; nested fields at the position of their record.
    pub fields: Box<[Field]>,
    /// `,key=value` of each constant field, appended after the other fields; most plans have none.
    pub constant_fields: Label,
    /// What happens to points of one message with equal series and time.
    pub duplicates: Duplicates,
    /// How the messages in a payload are separated.
    pub framing: Framing,
    /// Whether the vehicle must be the verified one of the publishing session.
    pub identity_required: bool,
    /// Whether another mapping writes points without a time of their own to the same measurement:
    /// then those of one message get distinct times over both.
    pub shares_stamps: bool,
    /// Whether names of fields come from payloads as well: members of maps and lists, and all names
    /// of line protocol.
    pub brings_names: bool,
}

impl Plan {
    /// Whether points may get the time of receipt.
    #[must_use]
    pub const fn may_stamp(&self) -> bool {
        match &self.time {
            None => true,
            Some(time) => time.unset_is_received && time.plus.is_none(),
        }
    }

    /// Steps of each point: slots to clear, and every field, tag and term of the filter.
    #[must_use]
    pub fn steps_a_point(&self) -> usize {
        usize::from(self.slots.slots_count - self.slots.element_start)
            + self.fields.len()
            + self.tags.len()
            + self.filter.as_ref().map_or(0, Filter::terms)
            + self.alarms.iter().map(|alarm| alarm.filter.terms()).sum::<usize>()
    }

    /// Steps of each message, including its first point.
    #[must_use]
    pub fn steps_a_message(&self) -> usize {
        usize::from(self.slots.element_start) + self.steps_a_point()
    }
}

/// The part of an alarm that reads the payload; its action is found by its name.
#[derive(Clone, Debug)]
pub struct PlanAlarm {
    /// The alarm's name.
    pub name: Arc<str>,
    /// The condition that raises it.
    pub filter: Filter,
    /// The maximum age of a point that raises it.
    pub max_age_nanos: i64,
    /// The values that its action uses, by their names in the action.
    pub values: Box<[(Arc<str>, Source)]>,
}

/// The header before each message in a payload, after the header that `select` has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Nothing: a payload is one message.
    #[default]
    None,
    /// Its length, a varint.
    Delimited,
    /// 0 (not compressed) and its length, four bytes big-endian.
    Grpc,
}

/// What happens to points of one message with equal series and time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// One point with the fields of all; the last value of a key counts.
    #[default]
    Merge,
    /// Separate points: each gets a time at least a nanosecond after the one before.
    OffsetNs,
    /// The last one alone.
    KeepLast,
}

/// A plan's filter with its own decoder, which reads only the values that the filter needs.
///
/// Several mappings may serve one topic, each with a `when` for its kind of message; a message of
/// another kind need not match this mapping's schema. So if a payload does not decode, or one of
/// its points cannot be written, the probe reads the values that the filter needs, leniently: a
/// value of another type is absent, and nothing is required.
#[derive(Debug)]
pub struct Probe {
    /// Reads the values that the filter needs.
    pub decoder: Decoder,
    /// The probe's own slot table.
    pub slots: SlotPlan,
    /// The same filter, over that table.
    pub filter: Filter,
    /// How many levels of `points` the filter needs, from the outermost to the innermost that it
    /// reads.
    pub levels_asked: usize,
}

/// The slot table of a plan.
#[derive(Clone, Debug, Default)]
pub struct SlotPlan {
    /// How many slots the table has in all.
    pub slots_count: u16,
    /// From here on the slots belong to elements of `points`; equal to the count if there is no
    /// `points`.
    pub element_start: u16,
    /// The slots that a message, before its first byte, sets to their default.
    pub message_implicit: Implicit,
    /// The lists on the way that `points` names, outermost first: a message holds many points, one
    /// an element of the last. Empty: it is one point.
    pub levels: Box<[LevelPlan]>,
    /// Elements of the message's own lists that have a slot of their own.
    pub picks: Box<[Pick]>,
}

/// One list of `points`.
#[derive(Clone, Debug)]
pub struct LevelPlan {
    /// Its path in the level around it, for error texts; empty for a payload that is a list.
    pub name: Box<str>,
    /// From here on the slots belong to its elements and to the levels inside them.
    pub start: u16,
    /// The slots that an element, before its first byte, sets to their default.
    pub implicit: Implicit,
    /// Elements of lists in the element that have a slot of their own.
    pub picks: Box<[Pick]>,
}

/// One element of a list of scalars that the mapping names by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pick {
    /// The list.
    pub list: SlotIdx,
    /// Which element, from 0.
    pub index: u32,
    /// The slot that it is copied to.
    pub slot: SlotIdx,
}

/// How one of several schemas of a topic is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Select {
    /// Every message of the topic.
    Topic,
    /// A 5.0 message with this content type, byte for byte.
    ContentType(Box<str>),
    /// A payload that starts with 0x00 and this schema id (big endian); for protobuf the message
    /// indexes follow, already encoded here. The decoder sees what comes after.
    Confluent {
        /// The registered id.
        schema_id: u32,
        /// The encodings of the message's indexes that are taken; empty for other formats.
        indexes: Box<[Box<[u8]>]>,
    },
    /// A payload that starts with 0xC3 0x01 and this CRC-64-AVRO fingerprint (little endian).
    AvroSingleObject {
        /// The fingerprint of the schema's canonical form.
        fingerprint: u64,
    },
}

/// Where a text that is not a field comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The topic's capture, by its place in the pattern.
    Capture(usize),
    /// A payload field.
    Slot(SlotIdx, Scalar),
    /// A constant of the mapping; only for tags.
    Constant(Box<str>),
}

/// One tag.
#[derive(Clone, Debug)]
pub struct Tag {
    /// `,key=` with the key escaped.
    pub key: Label,
    /// The key as the operator wrote it.
    pub name: Box<str>,
    /// Its value; absent or empty: the tag is left out.
    pub source: Source,
}

/// One field.
#[derive(Clone, Debug)]
pub struct Field {
    /// `,key=` with the key escaped; for a spread list or map the key's escaped start, `,key_`.
    pub key: Label,
    /// The name in the store, unescaped; for a spread list or map without the `_`.
    pub name: Box<str>,
    /// Its slot.
    pub slot: SlotIdx,
    /// What is written.
    pub form: FieldForm,
    /// For a list: the indexes, ascending, of elements that are not written with the list, because
    /// they have a name.
    pub picked: Box<[u32]>,
    /// How each of its values is converted.
    pub conversion: Option<Box<Conversion>>,
}

impl Field {
    /// Whether an element is not written with its list, because it has a name of its own.
    #[must_use]
    #[inline]
    pub fn has_picked(&self, index: usize) -> bool {
        // Usually there are none.
        !self.picked.is_empty()
            && u32::try_from(index).is_ok_and(|index| self.picked.binary_search(&index).is_ok())
    }
}

impl FieldForm {
    /// The type of its value or values.
    #[must_use]
    pub const fn scalar(&self) -> &Scalar {
        match self {
            Self::Scalar(scalar)
            | Self::SpreadList(scalar)
            | Self::JsonList(scalar)
            | Self::SpreadMap(_, scalar)
            | Self::JsonMap(_, scalar) => scalar,
        }
    }
}

/// What a field writes.
#[derive(Clone, Debug)]
pub enum FieldForm {
    /// One value.
    Scalar(Scalar),
    /// `key_0`, `key_1`…, one field per element.
    SpreadList(Scalar),
    /// One field per entry, with its key appended.
    SpreadMap(Scalar, Scalar),
    /// One string: a JSON array.
    JsonList(Scalar),
    /// One string: a JSON object.
    JsonMap(Scalar, Scalar),
}
