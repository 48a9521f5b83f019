//! A protobuf message type and a layout → a table of actions by field number.
//!
//! The table has an action for each field that the plan needs; a field whose number is not in it is
//! skipped. Members of a oneof clear each other's slots, also members that the plan does not need:
//! the last member on the wire wins in any case.

use std::ops::Range;

use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor};

use crate::{
    mapping::{Implicit, Layout, Level, Place, RecordLayout, SlotIdx},
    schema::Scalar,
};

/// The compiled program that stores a payload's fields in slots.
#[derive(Clone, Debug)]
pub struct Program {
    /// The message.
    pub message: MessageProgram,
    /// One element of each list of `points`, outermost first.
    pub levels: Box<[MessageProgram]>,
    /// Whether a field of another wire type than the schema's counts as absent.
    pub is_lenient: bool,
}

/// The actions of one message type at one place.
#[derive(Clone, Debug, Default)]
pub struct MessageProgram {
    /// Actions by field number, for small numbers; [`Action::Skip`] for fields that are not needed.
    dense: Box<[Op]>,
    /// Actions of the other numbers, ascending.
    sparse: Box<[(u32, Op)]>,
    /// The names of all fields with an action, by number, for error texts.
    names: Box<[(u32, Box<str>)]>,
}

/// What to do with one field.
#[derive(Clone, Debug)]
pub struct Op {
    /// The action.
    pub action: Action,
    /// Slots of the other members of its oneof: cleared before the value is stored.
    pub clears: Box<[Range<u16>]>,
    /// Whether one of those members holds the elements of `points`.
    pub clears_points: bool,
}

/// How a field's bytes are stored.
#[derive(Clone, Debug)]
pub enum Action {
    /// Not stored; only the other members of its oneof are cleared.
    Skip,
    /// One value.
    Scalar(SlotIdx, Wire),
    /// `google.protobuf.Timestamp` or `Duration`: seconds to the slot, nanoseconds to the next.
    SecondsNanos(SlotIdx),
    /// A wrapper: its field 1, or the default if that is absent.
    Wrapper(SlotIdx, Wire),
    /// A nested message.
    Message(Box<Nested>),
    /// Elements, packed or not.
    List(SlotIdx, Wire),
    /// An entry of a map.
    Map(MapOp),
    /// An element of `points`.
    Points {
        /// Whether it is a group and not length-delimited.
        is_group: bool,
    },
}

/// How the entries of a map are read: field 1 is the key, field 2 the value.
#[derive(Clone, Copy, Debug)]
pub struct MapOp {
    /// The slot of the list.
    pub slot: SlotIdx,
    /// The key.
    pub key: Wire,
    /// The value.
    pub value: Wire,
    /// The bits of an absent value: 0, except for a proto2 enum whose first symbol has another
    /// number.
    pub value_default: u64,
}

/// A nested message's place.
#[derive(Clone, Debug)]
pub struct Nested {
    /// Set when the message is seen.
    pub presence: SlotIdx,
    /// Defaults that hold from then on.
    pub implicit: Implicit,
    /// Whether it is a group and not length-delimited.
    pub is_group: bool,
    /// What to do inside.
    pub program: MessageProgram,
}

/// How a scalar is encoded on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// 8 bytes.
    Double,
    /// 4 bytes.
    Float,
    /// A varint, the low 32 bits sign-extended.
    Int32,
    /// A varint.
    Int64,
    /// A varint, the low 32 bits.
    Uint32,
    /// A varint.
    Uint64,
    /// A zigzag varint of 32 bits.
    Sint32,
    /// A zigzag varint.
    Sint64,
    /// 4 bytes, unsigned.
    Fixed32,
    /// 8 bytes, unsigned.
    Fixed64,
    /// 4 bytes, signed.
    Sfixed32,
    /// 8 bytes, signed.
    Sfixed64,
    /// A varint; anything but 0 is true.
    Bool,
    /// Length-delimited, UTF-8.
    String,
    /// Length-delimited.
    Bytes,
}

impl Wire {
    /// The wire type of one value, unpacked.
    #[must_use]
    pub const fn wire_type(self) -> u8 {
        match self {
            Self::Double | Self::Fixed64 | Self::Sfixed64 => 1,
            Self::Float | Self::Fixed32 | Self::Sfixed32 => 5,
            Self::String | Self::Bytes => 2,
            _ => 0,
        }
    }

    /// Whether its default is an empty range and not bits.
    #[must_use]
    pub const fn is_range(self) -> bool {
        matches!(self, Self::String | Self::Bytes)
    }

    /// How a field's type is encoded on the wire; `None` for messages.
    #[must_use]
    pub fn of(kind: &Kind) -> Option<Self> {
        Some(match kind {
            Kind::Double => Self::Double,
            Kind::Float => Self::Float,
            // An enum is an int32 on the wire.
            Kind::Int32 | Kind::Enum(_) => Self::Int32,
            Kind::Int64 => Self::Int64,
            Kind::Uint32 => Self::Uint32,
            Kind::Uint64 => Self::Uint64,
            Kind::Sint32 => Self::Sint32,
            Kind::Sint64 => Self::Sint64,
            Kind::Fixed32 => Self::Fixed32,
            Kind::Fixed64 => Self::Fixed64,
            Kind::Sfixed32 => Self::Sfixed32,
            Kind::Sfixed64 => Self::Sfixed64,
            Kind::Bool => Self::Bool,
            Kind::String => Self::String,
            Kind::Bytes => Self::Bytes,
            Kind::Message(_) => return None,
        })
    }
}

/// Field numbers below this are found by index. It covers the field numbers of usual schemas; an
/// unused number costs 40 bytes.
const DENSE_NUMBERS_MAX: u32 = 256;

impl MessageProgram {
    /// What to do with a field; `None`: skip it.
    #[must_use]
    pub fn op(&self, number: u32) -> Option<&Op> {
        if let Some(op) = self.dense.get(number as usize) {
            return Some(op);
        }
        let at = self.sparse.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        Some(&self.sparse[at].1)
    }

    /// The name of a field with an action.
    #[must_use]
    pub fn name(&self, number: u32) -> Option<&str> {
        let at = self.names.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        Some(&self.names[at].1)
    }

    /// Sorts ops into the two tables.
    fn new(mut ops: Vec<(u32, Op)>, mut names: Vec<(u32, Box<str>)>) -> Self {
        names.sort();
        ops.sort_by_key(|(number, _)| *number);
        let split = ops.partition_point(|(number, _)| *number < DENSE_NUMBERS_MAX);
        let sparse = ops.split_off(split).into_boxed_slice();
        let mut dense = Vec::new();
        for (number, op) in ops {
            dense.resize(number as usize, Op::skip());
            dense.push(op);
        }
        Self { dense: dense.into_boxed_slice(), sparse, names: names.into_boxed_slice() }
    }
}

impl Op {
    /// An op that does nothing.
    fn skip() -> Self {
        Self { action: Action::Skip, clears: Box::default(), clears_points: false }
    }

    /// Whether it does anything.
    fn is_skip(&self) -> bool {
        matches!(self.action, Action::Skip) && self.clears.is_empty() && !self.clears_points
    }
}

impl Program {
    /// Compiles a message type. Members of the layout's records are the message's fields in the
    /// order of declaration, as [`crate::schema::protobuf`] tells them.
    #[must_use]
    pub fn compile(message: &MessageDescriptor, layout: &Layout, is_lenient: bool) -> Self {
        let levels = vec![MessageProgram::default(); layout.levels.len()];
        let mut compiler = Compiler { layout, begun: 0, levels };
        let message = compiler.record(message, &layout.message);
        Self { message, levels: compiler.levels.into(), is_lenient }
    }
}

/// The state of one compilation.
struct Compiler<'a> {
    layout: &'a Layout,
    /// Lists of `points` that have been reached.
    begun: usize,
    levels: Vec<MessageProgram>,
}

impl Compiler<'_> {
    /// The program of one message at one place.
    fn record(&mut self, message: &MessageDescriptor, record: &RecordLayout) -> MessageProgram {
        let fields: Vec<FieldDescriptor> = crate::schema::protobuf::fields(message);
        let mut ops = Vec::new();
        let mut names = Vec::new();
        for (index, field) in fields.iter().enumerate() {
            let mut op = Op::skip();
            if let Some(place) = record.place(index) {
                op.action = self.action(field, place);
            }
            self.fill_clears(&mut op, field, &fields, record);
            if !op.is_skip() {
                ops.push((field.number(), op));
                names.push((field.number(), field.name().into()));
            }
        }
        MessageProgram::new(ops, names)
    }

    /// The action of one planned field.
    fn action(&mut self, field: &FieldDescriptor, place: &Place) -> Action {
        let kind = field.kind();
        match place {
            Place::Slot(slot, Scalar::Timestamp | Scalar::Duration) => Action::SecondsNanos(*slot),
            Place::Slot(slot, _) => match kind.as_message() {
                Some(wrapper) => Action::Wrapper(*slot, wire_of_field(wrapper, 1)),
                None => Action::Scalar(*slot, wire_of(&kind)),
            },
            Place::Record(record) => {
                let message = kind.as_message().expect("a record's field is a message");
                Action::Message(Box::new(Nested {
                    presence: record.presence.expect("a nested record has a presence slot"),
                    implicit: record.implicit.clone(),
                    is_group: field.is_group(),
                    program: self.record(message, record),
                }))
            }
            Place::List(slot, _) => Action::List(*slot, wire_of(&kind)),
            Place::Map { slot, .. } => {
                let entry = kind.as_message().expect("a map's field is an entry message");
                let value = entry.map_entry_value_field().kind();
                let first = value.as_enum().map(|symbols| symbols.default_value().number());
                Action::Map(MapOp {
                    slot: *slot,
                    key: wire_of_field(entry, 1),
                    value: wire_of(&value),
                    value_default: i64::from(first.unwrap_or(0)).cast_unsigned(),
                })
            }
            Place::Points => {
                let message = kind.as_message().expect("points name a repeated message");
                let (index, layout) = (self.begun, self.layout);
                self.begun += 1;
                self.levels[index] = self.element(message, &layout.levels[index]);
                Action::Points { is_group: field.is_group() }
            }
        }
    }

    /// The program of one element: a message, or an entry with a key and a message.
    fn element(&mut self, message: &MessageDescriptor, level: &Level) -> MessageProgram {
        let Some((slot, _)) = &level.key else { return self.record(message, &level.record) };
        let value = message.map_entry_value_field();
        let value_message = value.kind();
        let value_message = value_message.as_message().expect("points name a map of messages");
        let plain = |action| Op { action, clears: Box::default(), clears_points: false };
        let key = plain(Action::Scalar(*slot, wire_of_field(message, 1)));
        let value = plain(Action::Message(Box::new(Nested {
            presence: level.record.presence.expect("a map's value has a presence slot"),
            implicit: Implicit::default(),
            is_group: false,
            program: self.record(value_message, &level.record),
        })));
        let names = vec![(1, "key".into()), (2, "value".into())];
        MessageProgram::new(vec![(1, key), (2, value)], names)
    }

    /// Adds the slots of the other members of the field's oneof, which it clears.
    fn fill_clears(
        &self,
        op: &mut Op,
        field: &FieldDescriptor,
        fields: &[FieldDescriptor],
        record: &RecordLayout,
    ) {
        let Some(oneof) = field.containing_oneof() else { return };
        let mut clears = Vec::new();
        for (index, other) in fields.iter().enumerate() {
            let is_other = other.containing_oneof().as_ref() == Some(&oneof)
                && other.number() != field.number();
            match record.place(index) {
                Some(place) if is_other => {
                    op.clears_points |= holds_points(place);
                    clears.extend(slots_of(place));
                }
                _ => {}
            }
        }
        op.clears = clears.into_boxed_slice();
    }
}

/// The slots that a place fills.
fn slots_of(place: &Place) -> Option<Range<u16>> {
    match place {
        Place::Slot(slot, scalar) => Some(slot.0..slot.0 + scalar.slots()),
        Place::List(slot, _) | Place::Map { slot, .. } => Some(slot.0..slot.0 + 1),
        Place::Record(record) => {
            // The presence slot is directly before the record's own slots.
            let start = record.presence.map_or(record.slots.start, |slot| slot.0);
            Some(start..record.slots.end)
        }
        Place::Points => None,
    }
}

/// Whether a place contains the elements of `points`.
fn holds_points(place: &Place) -> bool {
    match place {
        Place::Points => true,
        Place::Record(record) => record.members.iter().any(|(_, place)| holds_points(place)),
        Place::Slot(..) | Place::List(..) | Place::Map { .. } => false,
    }
}

/// How a scalar is encoded on the wire.
fn wire_of(kind: &Kind) -> Wire {
    Wire::of(kind).expect("the shape says scalar")
}

/// How a field of a well-known or entry message is encoded on the wire.
fn wire_of_field(message: &MessageDescriptor, number: u32) -> Wire {
    let field = message.get_field(number).expect("such messages have this field");
    debug_assert!(field.cardinality() != Cardinality::Repeated, "and it is singular");
    wire_of(&field.kind())
}

/// The encodings of a message's place in its file that Confluent's framing uses: zigzag varints,
/// their count first; the first message of a file also as a single 0.
#[must_use]
pub fn confluent_indexes(message: &MessageDescriptor) -> Box<[Box<[u8]>]> {
    // The path of a message is 4 (file → message) or 3 (message → nested message), then an index.
    let indexes: Vec<i64> =
        message.path().iter().skip(1).step_by(2).copied().map(i64::from).collect();
    let mut encoded = Vec::new();
    push_zigzag(&mut encoded, i64::try_from(indexes.len()).unwrap_or(i64::MAX));
    indexes.iter().for_each(|index| push_zigzag(&mut encoded, *index));
    let mut encodings = vec![encoded.into_boxed_slice()];
    if indexes == [0] {
        encodings.push(Box::from([0]));
    }
    encodings.into()
}

/// Appends a zigzag varint.
fn push_zigzag(into: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    loop {
        let low = rest.to_le_bytes()[0] & 0x7f;
        rest >>= 7;
        if rest == 0 {
            return into.push(low);
        }
        into.push(low | 0x80);
    }
}
