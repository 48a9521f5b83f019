//! Protobuf through prost-reflect.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind as ProtoKind, MessageDescriptor};
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use super::{
    Field, Files, Kind, ShapeError, Value,
    load::{Layout, Wanted},
};

/// Messages nested deeper than this are ignored.
const DEPTH_MAX: usize = 8;

#[derive(Debug)]
pub(super) struct ProtobufEncoder {
    message: MessageDescriptor,
    time: FieldDescriptor,
    /// The path to each field, from the message down.
    paths: Vec<Vec<FieldDescriptor>>,
}

/// Imports come from the same set of files, well-known types from the compiler.
struct Imports(Files);

impl FileResolver for Imports {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match self.0.text(name) {
            Ok(text) => File::from_source(name, &text),
            Err(_) => Err(protox::Error::file_not_found(name)),
        }
    }
}

impl ProtobufEncoder {
    pub(super) fn load(files: &Files, wanted: Wanted<'_>) -> Result<Layout<Self>, ShapeError> {
        let mut resolver = ChainFileResolver::new();
        resolver.add(Imports(files.clone()));
        resolver.add(GoogleFileResolver::new());
        let mut compiler = protox::Compiler::with_file_resolver(resolver);
        compiler.include_imports(true);
        compiler.open_file(wanted.schema).map_err(|source| ShapeError::Protobuf {
            name: wanted.schema.to_owned(),
            source: Box::new(source),
        })?;
        let pool = compiler.descriptor_pool();
        let message = pool.get_message_by_name(wanted.message).ok_or_else(|| {
            let (name, wanted) = (wanted.schema.to_owned(), wanted.message.to_owned());
            ShapeError::Missing { name, wanted }
        })?;
        let time = message
            .get_field_by_name(wanted.time)
            .filter(|field| matches!(field.kind(), ProtoKind::Int64 | ProtoKind::Uint64))
            .ok_or_else(|| ShapeError::Time { name: wanted.schema.to_owned() })?;
        let mut found = Found { fields: Vec::new(), paths: Vec::new() };
        found.walk(&message, &[]);
        let is_time = |path: &[FieldDescriptor]| path == std::slice::from_ref(&time);
        let (paths, fields) =
            found.paths.into_iter().zip(found.fields).filter(|(path, _)| !is_time(path)).unzip();
        Ok(Layout { encoder: Self { message, time, paths }, fields, unit: None })
    }

    pub(super) fn encode(&self, time: i64, values: &[Value]) -> Vec<u8> {
        let mut message = DynamicMessage::new(self.message.clone());
        let at = match self.time.kind() {
            ProtoKind::Uint64 => prost_reflect::Value::U64(u64::try_from(time).unwrap_or(0)),
            _ => prost_reflect::Value::I64(time),
        };
        message.set_field(&self.time, at);
        for (path, value) in self.paths.iter().zip(values) {
            let Some((leaf, way)) = path.split_last() else { continue };
            let Some(value) = typed(&leaf.kind(), value) else { continue };
            let mut inner = &mut message;
            for step in way {
                let prost_reflect::Value::Message(next) = inner.get_field_mut(step) else {
                    unreachable!("a way leads through messages")
                };
                inner = next;
            }
            inner.set_field(leaf, value);
        }
        prost::Message::encode_to_vec(&message)
    }
}

struct Found {
    fields: Vec<Field>,
    paths: Vec<Vec<FieldDescriptor>>,
}

impl Found {
    fn walk(&mut self, message: &MessageDescriptor, way: &[FieldDescriptor]) {
        for field in message.fields() {
            if field.is_list() || field.is_map() {
                continue;
            }
            let path: Vec<_> = way.iter().cloned().chain([field.clone()]).collect();
            let kind = match field.kind() {
                ProtoKind::Message(inner) => {
                    if path.len() < DEPTH_MAX {
                        self.walk(&inner, &path);
                    }
                    continue;
                }
                ProtoKind::Double | ProtoKind::Float => Kind::Float,
                ProtoKind::Bool => Kind::Flag,
                ProtoKind::String => Kind::Text,
                ProtoKind::Bytes => continue,
                ProtoKind::Enum(names) => {
                    Kind::Choice(names.values().map(|value| value.name().to_owned()).collect())
                }
                _ => Kind::Integer,
            };
            let names: Vec<_> = path.iter().map(FieldDescriptor::name).collect();
            let path_text = names.join(".");
            self.fields.push(Field { name: String::new(), path: path_text, kind, required: false });
            self.paths.push(path);
        }
    }
}

fn typed(kind: &ProtoKind, value: &Value) -> Option<prost_reflect::Value> {
    use prost_reflect::Value as Proto;
    let typed = match (kind, value) {
        (ProtoKind::Double, Value::Float(value)) => Proto::F64(*value),
        #[expect(clippy::cast_possible_truncation, reason = "a float field holds what it can")]
        (ProtoKind::Float, Value::Float(value)) => Proto::F32(*value as f32),
        (ProtoKind::Bool, Value::Flag(value)) => Proto::Bool(*value),
        (ProtoKind::String, Value::Text(value)) => Proto::String(value.clone()),
        (ProtoKind::Enum(names), Value::Text(value)) => {
            Proto::EnumNumber(names.get_value_by_name(value)?.number())
        }
        (ProtoKind::Int32 | ProtoKind::Sint32 | ProtoKind::Sfixed32, Value::Integer(value)) => {
            Proto::I32(i32::try_from(*value).ok()?)
        }
        (ProtoKind::Int64 | ProtoKind::Sint64 | ProtoKind::Sfixed64, Value::Integer(value)) => {
            Proto::I64(*value)
        }
        (ProtoKind::Uint32 | ProtoKind::Fixed32, Value::Integer(value)) => {
            Proto::U32(u32::try_from(*value).ok()?)
        }
        (ProtoKind::Uint64 | ProtoKind::Fixed64, Value::Integer(value)) => {
            Proto::U64(u64::try_from(*value).ok()?)
        }
        _ => return None,
    };
    Some(typed)
}

/// The shipped telemetry message, for tests that decode.
#[cfg(test)]
pub(super) fn descriptor_for_tests(files: &Files) -> MessageDescriptor {
    let wanted =
        Wanted { schema: "telemetry.proto", message: "fleet.v1.Telemetry", time: "sampled_at" };
    ProtobufEncoder::load(files, wanted).unwrap().encoder.message
}
