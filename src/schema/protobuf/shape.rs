//! A message type → its shape.

use std::{collections::HashMap, sync::Arc};

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind as ProtoKind, MessageDescriptor};

use crate::schema::{Form, Kind, Member, Presence, Record, RecordIdx, Scalar, Shape, Symbols, Top};

/// A message's fields in the order of declaration, which prost-reflect's own iterator does not
/// keep.
#[must_use]
pub fn fields(message: &MessageDescriptor) -> Vec<FieldDescriptor> {
    let declared = message.descriptor_proto().field.iter();
    declared.filter_map(|field| message.get_field_by_name(field.name())).collect()
}

/// The shape of a message type.
#[must_use]
pub fn shape(message: &MessageDescriptor) -> Shape {
    let mut shaper = Shaper::default();
    let root = shaper.record(message);
    while let Some((index, message)) = shaper.waiting.pop() {
        let members = fields(&message).iter().map(|field| shaper.member(field)).collect();
        shaper.records[index.0].members = members;
    }
    Shape { records: shaper.records, root, top: Top::Record }
}

/// The state of converting messages to records.
#[derive(Default)]
struct Shaper {
    records: Vec<Record>,
    by_name: HashMap<String, RecordIdx>,
    symbols: HashMap<String, Arc<Symbols>>,
    /// Messages whose fields are not read yet: a queue, so that a long chain of messages causes no
    /// deep recursion.
    waiting: Vec<(RecordIdx, MessageDescriptor)>,
}

impl Shaper {
    /// The record of a message. Each message is converted once, so a recursive message ends.
    fn record(&mut self, message: &MessageDescriptor) -> RecordIdx {
        if let Some(known) = self.by_name.get(message.full_name()) {
            return *known;
        }
        let index = RecordIdx(self.records.len());
        self.records.push(Record {
            name: message.full_name().to_owned(),
            members: Vec::new(),
            form: Form::Members,
        });
        self.by_name.insert(message.full_name().to_owned(), index);
        self.waiting.push((index, message.clone()));
        index
    }

    /// The member of a field.
    fn member(&mut self, field: &FieldDescriptor) -> Member {
        let kind = self.kind(field);
        let is_explicit = field.supports_presence() || !matches!(kind, Kind::Scalar(_));
        let presence = if is_explicit { Presence::Explicit } else { Presence::Implicit };
        Member { name: field.name().to_owned(), kind, presence }
    }

    /// What a field holds.
    fn kind(&mut self, field: &FieldDescriptor) -> Kind {
        let kind = field.kind();
        if field.is_map() {
            return self.map(&kind);
        }
        match (self.scalar(&kind), field.is_list()) {
            (Some(scalar), false) => Kind::Scalar(scalar),
            (Some(scalar), true) if kind.as_message().is_none() => Kind::List(scalar),
            (Some(_), true) => Kind::unsupported("is a list of well-known messages"),
            (None, is_list) => {
                let message = kind.as_message().expect("what is no scalar is a message");
                let record = self.record(message);
                if is_list { Kind::Records(record) } else { Kind::Record(record) }
            }
        }
    }

    /// What a map holds.
    fn map(&mut self, kind: &ProtoKind) -> Kind {
        let entry = kind.as_message().expect("a map is a repeated message");
        let value = entry.map_entry_value_field().kind();
        let key = self.scalar(&entry.map_entry_key_field().kind());
        let key = key.expect("a map's key is a scalar");
        match (self.scalar(&value), value.as_message()) {
            (Some(value), None) => Kind::Map { key, value },
            (None, Some(message)) => Kind::RecordMap { key, record: self.record(message) },
            _ => Kind::unsupported("is a map of well-known messages"),
        }
    }

    /// The scalar of a kind: also the well-known messages that stand for one value.
    fn scalar(&mut self, kind: &ProtoKind) -> Option<Scalar> {
        Some(match kind {
            ProtoKind::Double => Scalar::Float64,
            ProtoKind::Float => Scalar::Float32,
            ProtoKind::Int32
            | ProtoKind::Int64
            | ProtoKind::Sint32
            | ProtoKind::Sint64
            | ProtoKind::Sfixed32
            | ProtoKind::Sfixed64
            | ProtoKind::Uint32
            | ProtoKind::Fixed32 => Scalar::Integer,
            ProtoKind::Uint64 | ProtoKind::Fixed64 => Scalar::Unsigned,
            ProtoKind::Bool => Scalar::Boolean,
            ProtoKind::String => Scalar::String,
            ProtoKind::Bytes => Scalar::Bytes,
            ProtoKind::Enum(symbols) => Scalar::Enum(self.symbols_of(symbols)),
            ProtoKind::Message(message) => match message.full_name() {
                "google.protobuf.Timestamp" => Scalar::Timestamp,
                "google.protobuf.Duration" => Scalar::Duration,
                "google.protobuf.DoubleValue" => Scalar::Float64,
                "google.protobuf.FloatValue" => Scalar::Float32,
                "google.protobuf.Int64Value"
                | "google.protobuf.Int32Value"
                | "google.protobuf.UInt32Value" => Scalar::Integer,
                "google.protobuf.UInt64Value" => Scalar::Unsigned,
                "google.protobuf.BoolValue" => Scalar::Boolean,
                "google.protobuf.StringValue" => Scalar::String,
                "google.protobuf.BytesValue" => Scalar::Bytes,
                _ => return None,
            },
        })
    }

    /// The symbols of an enum; each enum is converted once.
    fn symbols_of(&mut self, symbols: &EnumDescriptor) -> Arc<Symbols> {
        if let Some(known) = self.symbols.get(symbols.full_name()) {
            return Arc::clone(known);
        }
        let values: Vec<_> = symbols.values().collect();
        let numbered = values.iter().map(|value| (i64::from(value.number()), value.name()));
        let made = Arc::new(Symbols::new(numbered));
        self.symbols.insert(symbols.full_name().to_owned(), Arc::clone(&made));
        made
    }
}
