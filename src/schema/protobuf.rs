//! `.proto` files, compiled in process: imports below the schemas directory, well-known types built
//! in.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use prost_reflect::{
    DescriptorPool, EnumDescriptor, FieldDescriptor, Kind as ProtoKind, MessageDescriptor,
};
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use crate::schema::{
    Kind, Member, Presence, Problem, Record, RecordIdx, Scalar, Shape, Sources, Symbols, nearest,
};

/// All message types of the loaded `.proto` files.
#[derive(Clone, Debug, Default)]
pub struct ProtobufSchemas {
    pool: DescriptorPool,
    /// Files that compiled.
    files: BTreeSet<String>,
    /// Files that did not: their problem has been told already.
    broken: BTreeSet<String>,
}

impl ProtobufSchemas {
    /// Compiles every `.proto` file of the sources.
    pub(crate) fn compile(sources: &Sources, problems: &mut Vec<Problem>) -> Self {
        let mut resolver = ChainFileResolver::new();
        resolver.add(GoogleFileResolver::new());
        resolver.add(SourceResolver(sources.clone()));
        let mut compiler = protox::Compiler::with_file_resolver(resolver);
        let mut all = Self::default();
        let mut found = BTreeSet::new();
        for source in sources.with_ending(".proto") {
            match compiler.open_file(&source.path) {
                Ok(_) => {
                    all.files.insert(source.path.clone());
                }
                Err(error) => {
                    all.broken.insert(source.path.clone());
                    found.insert(problem_of(&source.path, &error));
                }
            }
        }
        // A file that several others import is told once.
        problems.extend(found);
        all.pool = compiler.descriptor_pool();
        all
    }

    /// A message type by the file that declares it and its full name.
    ///
    /// # Errors
    /// What to tell the operator; `None` if the file's own problem says it already.
    pub fn message(&self, file: &str, name: &str) -> Result<MessageDescriptor, Option<String>> {
        if self.broken.contains(file) {
            return Err(None);
        }
        if !self.files.contains(file) {
            let known = self.files.iter().map(String::as_str);
            return Err(Some(match nearest(file, known) {
                Some(near) => format!("there is no schema `{file}`; did you mean `{near}`?"),
                None => format!("there is no schema `{file}` below the schemas directory"),
            }));
        }
        let found = self.pool.get_message_by_name(name);
        match found.filter(|message| message.parent_file().name() == file) {
            Some(message) => Ok(message),
            None => Err(Some(self.unknown_message(file, name))),
        }
    }

    /// What to tell of a name that is no message of the file.
    fn unknown_message(&self, file: &str, name: &str) -> String {
        let messages: Vec<String> = self
            .pool
            .all_messages()
            .filter(|message| message.parent_file().name() == file && !message.is_map_entry())
            .map(|message| message.full_name().to_owned())
            .collect();
        let known = messages.iter().map(String::as_str);
        match nearest(name, known) {
            Some(near) => format!("`{file}` has no message `{name}`; did you mean `{near}`?"),
            None => format!("`{file}` has no message `{name}`; it has {}", messages.join(", ")),
        }
    }
}

/// Serves imports from the sources.
struct SourceResolver(Sources);

impl FileResolver for SourceResolver {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match self.0.find(name) {
            Some(source) => File::from_source(name, &source.text),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}

/// Reads the place out of an error: its `Debug` text is `file:line:column: what`.
fn problem_of(opened: &str, error: &protox::Error) -> Problem {
    let file = error.file().unwrap_or(opened);
    let text = format!("{error:?}");
    let rest = text.strip_prefix(file).and_then(|rest| rest.strip_prefix(':'));
    let line = rest.and_then(|rest| rest.split(':').next()?.parse().ok());
    let mut what = error.to_string();
    if error.is_file_not_found() {
        what.push_str("; imports are looked up below the schemas directory");
    }
    Problem { file: file.to_owned(), line, what }
}

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
    let records = shaper.records.into_iter().map(|record| record.expect("all were filled"));
    Shape { records: records.collect(), root }
}

/// The state of turning messages into records.
#[derive(Default)]
struct Shaper {
    records: Vec<Option<Record>>,
    by_name: HashMap<String, RecordIdx>,
    symbols: HashMap<String, Arc<Symbols>>,
}

impl Shaper {
    /// The record of a message; each message is turned once, so one that contains itself ends.
    fn record(&mut self, message: &MessageDescriptor) -> RecordIdx {
        if let Some(known) = self.by_name.get(message.full_name()) {
            return *known;
        }
        let index = RecordIdx(self.records.len());
        self.records.push(None);
        self.by_name.insert(message.full_name().to_owned(), index);
        let members = fields(message).iter().map(|field| self.member(field)).collect();
        self.records[index.0] = Some(Record { name: message.full_name().to_owned(), members });
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
            (Some(_), true) => Kind::Unsupported("is a list of well-known messages".to_owned()),
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
        if value.as_message().is_some() {
            return Kind::Unsupported("is a map of messages".to_owned());
        }
        match (self.scalar(&entry.map_entry_key_field().kind()), self.scalar(&value)) {
            (Some(key), Some(value)) => Kind::Map { key, value },
            _ => Kind::Unsupported("is a map of messages".to_owned()),
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

    /// The symbols of an enum; each enum is turned once.
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
