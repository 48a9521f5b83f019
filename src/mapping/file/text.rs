//! The keys of a mapping, each with its type, read from its table.

use super::table::Table;
use toml::de::{DeTable, DeValue};

use crate::{
    mapping::Duplicates,
    schema::{Problem, Source, Unit},
};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    /// From 1.
    pub(crate) line: u32,
}

/// How payloads are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Protobuf,
    Avro,
    Json,
    LineProtocol,
}

/// How one of several schemas is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SelectBy {
    Topic,
    ContentType,
    Confluent,
    AvroSingleObject,
}

/// What becomes of repeated scalars and maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RepeatedForm {
    /// One field an element.
    Spread,
    /// One JSON string.
    Json,
}

/// What becomes of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BytesForm {
    /// A string.
    Base64,
    /// Nothing.
    Skip,
}

/// `time = { field, unit }`.
#[derive(Clone, Debug)]
pub(crate) struct TimeText {
    pub(crate) field: Placed<String>,
    pub(crate) unit: Option<Placed<Unit>>,
}

/// One `[[mapping]]`.
#[derive(Clone, Debug)]
pub(crate) struct MappingText {
    /// Relative to the schemas directory.
    pub(crate) file: String,
    /// The line of its header.
    pub(crate) line: u32,
    pub(crate) name: Placed<String>,
    pub(crate) topic: Placed<String>,
    pub(crate) format: Placed<Format>,
    /// Given for every format but line protocol.
    pub(crate) schema: Option<Placed<String>>,
    /// Given for protobuf and Avro.
    pub(crate) message: Option<Placed<String>>,
    /// Given for every format but line protocol.
    pub(crate) measurement: Option<Placed<String>>,
    pub(crate) vehicle: Placed<String>,
    pub(crate) tags: Vec<Placed<String>>,
    pub(crate) time: Option<TimeText>,
    pub(crate) points: Option<Placed<String>>,
    pub(crate) exclude: Vec<Placed<String>>,
    /// Path and new name; the line is the path's.
    pub(crate) rename: Vec<(Placed<String>, String)>,
    pub(crate) when: Option<Placed<String>>,
    pub(crate) select: Placed<SelectBy>,
    /// Given with `select = "confluent"` only.
    pub(crate) schema_id: Option<u32>,
    /// Given with `select = "content-type"` only.
    pub(crate) content_type: Option<String>,
    pub(crate) repeated: RepeatedForm,
    pub(crate) bytes: BytesForm,
    pub(crate) duplicates: Option<Duplicates>,
}

/// The keys of a `[[mapping]]`.
const MAPPING_KEYS: &[&str] = &[
    "name",
    "topic",
    "format",
    "schema",
    "message",
    "measurement",
    "vehicle",
    "tags",
    "time",
    "points",
    "fields",
    "when",
    "select",
    "schema-id",
    "content-type",
    "repeated",
    "bytes",
    "duplicates",
];

/// Reads one mapping file. What is wrong is added to `problems`; a mapping that lacks something it
/// cannot do without is left out of the answer.
pub(crate) fn read(source: &Source, problems: &mut Vec<Problem>) -> Vec<MappingText> {
    let (root, errors) = DeTable::parse_recoverable(&source.text);
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start);
        let what = error.message().replace('\n', ", ");
        problems.push(Problem::at(&source.path, &source.text, at, what));
    }
    if !errors.is_empty() {
        return Vec::new();
    }
    let mut root_table = Table::new(source, root.get_ref(), root.span().start, problems);
    root_table.refuse_unknown(&["mapping"], "a mapping file has only [[mapping]] tables");
    let Some(mappings) = root_table.array("mapping") else { return Vec::new() };
    let mut found = Vec::new();
    for entry in mappings {
        match entry.get_ref() {
            DeValue::Table(table) => {
                let mut table = Table::new(source, table, entry.span().start, problems);
                table.refuse_unknown(MAPPING_KEYS, "a mapping has no such key");
                found.extend(read_mapping(&mut table));
            }
            _ => problems.push(Problem::at(
                &source.path,
                &source.text,
                entry.span().start,
                "`mapping` must be tables; write [[mapping]]",
            )),
        }
    }
    found
}

/// Reads one mapping's keys.
fn read_mapping(table: &mut Table<'_, '_>) -> Option<MappingText> {
    let format = table.required_choice("format", &FORMATS);
    let name = table.required_text("name");
    let topic = table.required_text("topic");
    let vehicle = table.required_text("vehicle");
    let format = format?;
    let has_schema = format.value != Format::LineProtocol;
    let has_message = matches!(format.value, Format::Protobuf | Format::Avro);
    let schema = table.text_if(has_schema, "schema", "line protocol has no schema");
    let message = table.text_if(has_message, "message", "only protobuf and avro name a message");
    let measurement =
        table.text_if(has_schema, "measurement", "line protocol brings its own measurement");
    if !has_schema {
        for key in ["time", "points", "fields", "when", "repeated", "bytes"] {
            table.refuse(key, "has no meaning for line protocol, which is written as sent");
        }
    }
    let select = table
        .choice("select", &SELECTS)
        .unwrap_or(Placed { value: SelectBy::Topic, line: table.line });
    let is_complete = (!has_schema || (schema.is_some() && measurement.is_some()))
        && (!has_message || message.is_some());
    let (exclude, rename) = read_fields(table);
    let text = MappingText {
        file: table.source.path.clone(),
        line: table.line,
        schema,
        message,
        measurement,
        tags: table.texts("tags"),
        time: if has_schema { read_time(table) } else { None },
        points: if has_schema { table.text("points") } else { None },
        exclude,
        rename,
        when: if has_schema { table.text("when") } else { None },
        schema_id: table.schema_id(select.value == SelectBy::Confluent),
        content_type: table
            .text_if(
                select.value == SelectBy::ContentType,
                "content-type",
                "it belongs to `select = \"content-type\"`",
            )
            .map(|text| text.value),
        repeated: table.choice("repeated", &REPEATED).map_or(RepeatedForm::Spread, |c| c.value),
        bytes: table.choice("bytes", &BYTES).map_or(BytesForm::Base64, |c| c.value),
        duplicates: table.choice("duplicates", &DUPLICATES).map(|c| c.value),
        select,
        format,
        name: name?,
        topic: topic?,
        vehicle: vehicle?,
    };
    is_complete.then_some(text)
}

/// `time = { field = "…", unit = "…" }`; nothing if the unit is wrong, so that one mistake is told
/// once.
fn read_time(table: &mut Table<'_, '_>) -> Option<TimeText> {
    let mut time = table.table("time", &["field", "unit"])?;
    let unit = time.choice("unit", &UNITS);
    let field = time.required_text("field")?;
    (unit.is_some() || !time.has("unit")).then_some(TimeText { field, unit })
}

/// Excluded paths and renamed ones.
type FieldsText = (Vec<Placed<String>>, Vec<(Placed<String>, String)>);

/// `fields = { exclude = […], rename = { path = "name" } }`.
fn read_fields(table: &mut Table<'_, '_>) -> FieldsText {
    let Some(mut fields) = table.table("fields", &["exclude", "rename"]) else {
        return FieldsText::default();
    };
    let exclude = fields.texts("exclude");
    (exclude, fields.pairs("rename"))
}

const FORMATS: [(&str, Format); 4] = [
    ("protobuf", Format::Protobuf),
    ("avro", Format::Avro),
    ("json", Format::Json),
    ("line-protocol", Format::LineProtocol),
];

const SELECTS: [(&str, SelectBy); 4] = [
    ("topic", SelectBy::Topic),
    ("content-type", SelectBy::ContentType),
    ("confluent", SelectBy::Confluent),
    ("avro-single-object", SelectBy::AvroSingleObject),
];

const UNITS: [(&str, Unit); 4] =
    [("s", Unit::Seconds), ("ms", Unit::Millis), ("us", Unit::Micros), ("ns", Unit::Nanos)];

const REPEATED: [(&str, RepeatedForm); 2] =
    [("spread", RepeatedForm::Spread), ("json", RepeatedForm::Json)];

const BYTES: [(&str, BytesForm); 2] = [("base64", BytesForm::Base64), ("skip", BytesForm::Skip)];

const DUPLICATES: [(&str, Duplicates); 3] = [
    ("merge", Duplicates::Merge),
    ("offset-ns", Duplicates::OffsetNs),
    ("keep-last", Duplicates::KeepLast),
];
