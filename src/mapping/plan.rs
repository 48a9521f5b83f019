//! The plan: one mapping, compiled until nothing of it is left to look up.
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
    /// What tells it from other mappings, across reloads.
    pub key: MappingKey,
    /// Which messages of the topic it takes.
    pub select: Select,
    /// How the payload is read.
    pub decoder: Decoder,
    /// How many slots the table has, with what a message and an element start from.
    pub slots: SlotPlan,
    /// Which points are written at all.
    pub filter: Option<Filter>,
    /// How it is found out that a payload which does not decode is of another kind: one that the
    /// filter says not to store.
    pub probe: Option<Box<Probe>>,
    /// What is asked of each point that is written.
    pub alarms: Box<[PlanAlarm]>,
    /// The measurement, escaped. Empty for line protocol, which brings its own.
    pub measurement: Label,
    /// What identifies the vehicle.
    pub vehicle: Source,
    /// The tag that holds the vehicle, as an index into `tags`.
    pub vehicle_tag: Option<usize>,
    /// In the mapping's order.
    pub tags: Box<[Tag]>,
    /// The point's time; absent: the time of receipt.
    pub time: Option<Time>,
    /// In declaration order, nested ones at their place.
    pub fields: Box<[Field]>,
    /// `,key=value` of each field that every point has behind its others; most plans have none.
    pub constant_fields: Label,
    /// What points of one message with equal series and time mean.
    pub duplicates: Duplicates,
    /// How the messages of a payload are told apart.
    pub framing: Framing,
    /// Whether the vehicle has to be the one that was verified for the session that sends it.
    pub identity_required: bool,
    /// Whether another mapping writes points without a time of their own to the same measurement:
    /// then those of one message get distinct times over both.
    pub shares_stamps: bool,
    /// Whether payloads bring names of fields, and not only the mapping: members of maps and lists,
    /// and all of line protocol.
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

    /// What each point costs beside its bytes: slots emptied, and every field, tag and term of the
    /// filter looked at.
    #[must_use]
    pub fn steps_a_point(&self) -> usize {
        usize::from(self.slots.slots_count - self.slots.element_start)
            + self.fields.len()
            + self.tags.len()
            + self.filter.as_ref().map_or(0, Filter::terms)
            + self.alarms.iter().map(|alarm| alarm.filter.terms()).sum::<usize>()
    }

    /// What each message costs, its first point included.
    #[must_use]
    pub fn steps_a_message(&self) -> usize {
        usize::from(self.slots.element_start) + self.steps_a_point()
    }
}

/// An alarm, as far as it is about the payload; what it leads to is declared under its name.
#[derive(Clone, Debug)]
pub struct PlanAlarm {
    /// The alarm's name.
    pub name: Arc<str>,
    /// What raises it.
    pub filter: Filter,
    /// How old a point may be that does.
    pub max_age_nanos: i64,
    /// What its action says of the message, by the names that it has there.
    pub values: Box<[(Arc<str>, Source)]>,
}

/// What stands in front of each message of a payload, behind what `select` has looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Nothing: a payload is one message.
    #[default]
    None,
    /// Its length, a varint.
    Delimited,
    /// 0 (not compressed) and its length, four bytes big endian.
    Grpc,
}

/// What points of one message with equal series and time mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// One point with the fields of all; of one key the last value counts.
    #[default]
    Merge,
    /// Points of their own: each gets a time at least a nanosecond after the one before.
    OffsetNs,
    /// The last one alone.
    KeepLast,
}

/// A plan's filter and nothing else: the least that must be read of a payload to decide it.
///
/// Several mappings may serve one topic, each with a `when` for its kind of message; what is of
/// another kind need not suit this one's schema. So when a payload does not decode, or a point of
/// it cannot be written, the probe reads what the filter asks for, leniently: a value of another
/// type is absent, and nothing is required.
#[derive(Debug)]
pub struct Probe {
    /// Reads what the filter asks for.
    pub decoder: Decoder,
    /// The table of its own.
    pub slots: SlotPlan,
    /// The same filter, over that table.
    pub filter: Filter,
    /// How many of the lists of `points` the filter asks for something of, counted from the
    /// outermost to the innermost that it asks.
    pub levels_asked: usize,
}

/// The slot table of a plan.
#[derive(Clone, Debug, Default)]
pub struct SlotPlan {
    /// How many slots the table has in all.
    pub slots_count: u16,
    /// From here on the slots belong to elements of `points`; equal to the count without it.
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
    /// Its path in the level around it, as the operator is told; empty for a payload that is a
    /// list.
    pub name: Box<str>,
    /// From here on the slots belong to one of its elements and to what lies in it.
    pub start: u16,
    /// The slots that an element, before its first byte, sets to their default.
    pub implicit: Implicit,
    /// Elements of lists in the element that have a slot of their own.
    pub picks: Box<[Pick]>,
}

/// One element of a list of scalars that the mapping names by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pick {
    /// The list.
    pub list: SlotIdx,
    /// Which element, from 0.
    pub index: u32,
    /// Where it is put too.
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
    /// What the mapping says; of a tag only.
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
    /// The name as it stands in the store, unescaped; for a spread list or map without the `_`.
    pub name: Box<str>,
    /// Its slot.
    pub slot: SlotIdx,
    /// What is written.
    pub form: FieldForm,
    /// Of a list: the elements, ascending, that are no part of it here, because they have a name.
    pub picked: Box<[u32]>,
    /// What each of its values becomes before.
    pub conversion: Option<Box<Conversion>>,
}

impl Field {
    /// Whether an element of a list is none here, because it has a name of its own.
    #[must_use]
    #[inline]
    pub fn has_picked(&self, index: usize) -> bool {
        // Nearly always there are none.
        !self.picked.is_empty()
            && u32::try_from(index).is_ok_and(|index| self.picked.binary_search(&index).is_ok())
    }
}

impl FieldForm {
    /// What it writes one or many of.
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
    /// `key_0`, `key_1`…, one field an element.
    SpreadList(Scalar),
    /// One field an entry, its key appended.
    SpreadMap(Scalar, Scalar),
    /// One string: a JSON array.
    JsonList(Scalar),
    /// One string: a JSON object.
    JsonMap(Scalar, Scalar),
}
