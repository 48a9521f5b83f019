//! Mapping file → shape.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Field, Files, ShapeError, TimeUnit, Value, avro::AvroEncoder, json::JsonEncoder,
    protobuf::ProtobufEncoder,
};

/// How payloads are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    Protobuf,
    Avro,
    Json,
}

impl Format {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Protobuf => "protobuf",
            Self::Avro => "avro",
            Self::Json => "json",
        }
    }
}

/// The keys of a mapping that are used here; the others are for the appliance.
#[derive(Debug, Deserialize)]
struct MappingFile {
    #[serde(default)]
    mapping: Vec<Mapping>,
}

#[derive(Clone, Debug, Deserialize)]
struct Mapping {
    name: String,
    topic: String,
    format: String,
    schema: Option<String>,
    message: Option<String>,
    measurement: Option<String>,
    vehicle: Option<String>,
    time: Option<Time>,
    points: Option<String>,
    fields: Option<Fields>,
}

#[derive(Clone, Debug, Deserialize)]
struct Time {
    field: String,
    unit: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Fields {
    #[serde(default)]
    rename: BTreeMap<String, String>,
}

/// A mapping's schema, ready to encode.
#[derive(Debug)]
pub(crate) struct Shape {
    /// The mapping's name.
    pub(crate) mapping: String,
    /// The mapping's topic pattern, captures in braces.
    pub(crate) topic: String,
    pub(crate) measurement: String,
    /// The tag that holds the vehicle.
    pub(crate) vehicle_tag: String,
    pub(crate) unit: TimeUnit,
    /// One a scalar, without the time; the values of [`Shape::encode`] have the same order.
    pub(crate) fields: Vec<Field>,
    encoder: Encoder,
}

#[derive(Debug)]
enum Encoder {
    Protobuf(ProtobufEncoder),
    Avro(AvroEncoder),
    Json(JsonEncoder),
}

/// The result of a format's loader for a schema.
pub(super) struct Layout<E> {
    pub(super) encoder: E,
    /// Path, kind and whether it is required; the mapping defines the names.
    pub(super) fields: Vec<Field>,
    /// The unit of the time, if the schema defines it.
    pub(super) unit: Option<TimeUnit>,
}

/// A schema file and the parts that are needed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) schema: &'a str,
    pub(super) message: &'a str,
    pub(super) time: &'a str,
}

impl Shape {
    /// The first mapping of that format, and of that name if one is given.
    pub(crate) fn load(
        files: &Files,
        format: Format,
        name: Option<&str>,
    ) -> Result<Self, ShapeError> {
        let mapping = find(files, format, name)?;
        let schema = mapping.schema.as_deref().unwrap_or_default();
        let time = mapping.time.as_ref().ok_or_else(|| ShapeError::Time { name: schema.into() })?;
        let message = mapping.message.as_deref().unwrap_or_default();
        let wanted = Wanted { schema, message, time: &time.field };
        let (encoder, mut fields, own_unit) = match format {
            Format::Protobuf => {
                let layout = ProtobufEncoder::load(files, wanted)?;
                (Encoder::Protobuf(layout.encoder), layout.fields, layout.unit)
            }
            Format::Avro => {
                let layout = AvroEncoder::load(files, wanted)?;
                (Encoder::Avro(layout.encoder), layout.fields, layout.unit)
            }
            Format::Json => {
                let layout = JsonEncoder::load(files, wanted)?;
                (Encoder::Json(layout.encoder), layout.fields, layout.unit)
            }
        };
        let renamed = mapping.fields.clone().unwrap_or_default().rename;
        for field in &mut fields {
            let own = renamed.get(&field.path).cloned();
            field.name = own.unwrap_or_else(|| field.path.replace('.', "_"));
        }
        let unit = time.unit.as_deref().and_then(TimeUnit::parse).or(own_unit);
        let unit = unit.ok_or_else(|| ShapeError::Time { name: schema.into() })?;
        Ok(Self {
            measurement: mapping.measurement.unwrap_or_else(|| mapping.name.clone()),
            mapping: mapping.name,
            topic: mapping.topic,
            vehicle_tag: mapping
                .vehicle
                .map_or_else(|| "vin".to_owned(), |name| name.trim_matches(['{', '}']).to_owned()),
            unit,
            fields,
            encoder,
        })
    }

    /// One payload; `time` is in units of [`Shape::unit`] since the Unix epoch, `values` have the
    /// order of `fields`.
    ///
    /// A value of another kind than its field's counts as absent; an absent value of a required
    /// field is written as its kind's zero.
    pub(crate) fn encode(&self, time: i64, values: &[Value]) -> Result<Vec<u8>, ShapeError> {
        debug_assert_eq!(values.len(), self.fields.len());
        match &self.encoder {
            Encoder::Protobuf(encoder) => Ok(encoder.encode(time, values)),
            Encoder::Avro(encoder) => encoder.encode(time, values),
            Encoder::Json(encoder) => Ok(encoder.encode(time, values)),
        }
    }

    /// The field that matches a name best.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        let likeness = |idx: &usize| self.fields[*idx].likeness(name);
        (0..self.fields.len()).filter(|idx| likeness(idx).is_some()).min_by_key(likeness)
    }

    /// The field with exactly that path or name.
    pub(crate) fn exactly(&self, name: &str) -> Result<usize, ShapeError> {
        let position =
            self.fields.iter().position(|field| field.path == name || field.name == name);
        position.ok_or_else(|| ShapeError::Field {
            name: name.to_owned(),
            known: self.fields.iter().map(|field| field.path.clone()).collect(),
        })
    }
}

fn find(files: &Files, format: Format, name: Option<&str>) -> Result<Mapping, ShapeError> {
    for file in files.names(".toml")? {
        let text = files.text(&file)?;
        let parsed = toml::from_str::<MappingFile>(&text)
            .map_err(|source| ShapeError::Mapping { name: file, source: Box::new(source) })?;
        let found = parsed.mapping.into_iter().find(|mapping| {
            let is_named = name.is_none_or(|name| mapping.name == name);
            // Without a name: what a vehicle sends continuously, not alarms or trips.
            let is_usual = mapping.points.is_none() && mapping.name.starts_with("telemetry");
            mapping.format == format.name() && is_named && (is_usual || name.is_some())
        });
        if let Some(mapping) = found {
            return Ok(mapping);
        }
    }
    Err(ShapeError::Absent {
        format: format.name(),
        name: name.map(str::to_owned),
        place: files.place(),
    })
}
