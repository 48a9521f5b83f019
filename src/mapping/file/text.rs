//! The keys of a mapping, each with its type, read from its table.

use super::{
    alarm::{ALARM_KEYS, AlarmText, read_alarm},
    command::{COMMAND_KEYS, CommandText, read_command},
    fields::{ConstantText, ConvertText, FieldsText, read_constant, read_convert, read_fields},
    query::{QUERY_KEYS, QueryText, read_query},
    table::Table,
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    mapping::{Duplicates, Framing},
    schema::{Problem, Source, Unit, nearest},
};

/// A value and its line.
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

/// How repeated scalars and maps are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RepeatedForm {
    /// One field per element.
    Spread,
    /// One JSON string.
    Json,
}

/// How bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BytesForm {
    /// A string.
    Base64,
    /// Nothing.
    Skip,
}

/// What a field of the time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeUnit {
    Count(Unit),
    /// It is text as ISO 8601 writes it.
    Iso8601,
}

/// `{ field, unit }`.
#[derive(Clone, Debug)]
pub(crate) struct TimeFieldText {
    pub(crate) field: Placed<String>,
    pub(crate) unit: Option<Placed<TimeUnit>>,
}

/// `point-key = "name"` or `point-key = { field = "name" }`.
fn read_point_key(table: &mut Table<'_, '_>) -> Option<PointKeyText> {
    if table.is_table("point-key") {
        let name = table.table("point-key", &["field"])?.required_text("field")?;
        return Some(PointKeyText { name, is_field: true });
    }
    let name = table.text("point-key")?;
    Some(PointKeyText { name, is_field: false })
}

/// `time = { field, unit, zone, plus, unset }`.
#[derive(Clone, Debug)]
pub(crate) struct TimeText {
    pub(crate) base: TimeFieldText,
    pub(crate) zone: Option<Placed<String>>,
    pub(crate) plus: Option<TimeFieldText>,
    /// `unset = "received"`.
    pub(crate) unset: Option<Placed<()>>,
}

/// `point-key = "name"` or `point-key = { field = "name" }`: what the key of a map of points is.
#[derive(Clone, Debug)]
pub(crate) struct PointKeyText {
    pub(crate) name: Placed<String>,
    /// A field and not a tag.
    pub(crate) is_field: bool,
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
    pub(crate) point_key: Option<PointKeyText>,
    pub(crate) fields: FieldsText,
    pub(crate) convert: Vec<ConvertText>,
    pub(crate) constant: ConstantText,
    pub(crate) when: Option<Placed<String>>,
    pub(crate) select: Placed<SelectBy>,
    /// Given with `select = "confluent"` only.
    pub(crate) schema_id: Option<u32>,
    /// Given with `select = "content-type"` only.
    pub(crate) content_type: Option<String>,
    pub(crate) repeated: RepeatedForm,
    pub(crate) bytes: BytesForm,
    pub(crate) duplicates: Option<Duplicates>,
    pub(crate) framing: Framing,
    /// `identity = "required"`.
    pub(crate) identity_required: bool,
}

/// How many TOML errors of one file are reported: later ones usually follow from earlier ones.
const ERRORS_MAX: usize = 100;

/// The keys of a mapping file.
const ROOT_KEYS: &[&str] = &["mapping", "command", "alarm", "query"];

/// What one file declares.
#[derive(Clone, Debug, Default)]
pub(crate) struct Texts {
    pub(crate) mappings: Vec<MappingText>,
    pub(crate) commands: Vec<CommandText>,
    pub(crate) alarms: Vec<AlarmText>,
    pub(crate) queries: Vec<QueryText>,
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
    "point-key",
    "value-types",
    "fields",
    "when",
    "select",
    "schema-id",
    "content-type",
    "repeated",
    "bytes",
    "duplicates",
    "convert",
    "constant",
    "framing",
    "identity",
];

/// Those of them that are for payloads with a schema.
const SCHEMA_KEYS: [&str; 10] = [
    "time",
    "points",
    "point-key",
    "value-types",
    "fields",
    "when",
    "repeated",
    "bytes",
    "framing",
    "convert",
];

/// Reads one mapping file. Errors are added to `problems`; a mapping without a required key is left
/// out of the result. A file of another kind (a `Cargo.toml` from a vendor's repository) is skipped
/// with a warning.
pub(crate) fn read(
    source: &Source,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) -> Texts {
    let mut found = Texts::default();
    if let Some(problem) = source.fault() {
        problems.push(problem);
        return found;
    }
    let (root, errors) = DeTable::parse_recoverable(&source.text);
    for error in errors.iter().take(ERRORS_MAX) {
        let at = error.span().map_or(0, |span| span.start);
        let what = error.message().replace('\n', ", ");
        problems.push(source.problem(at, what));
    }
    if !errors.is_empty() {
        return found;
    }
    let table = root.get_ref();
    let is_meant = |key: &str| nearest(key, ROOT_KEYS.iter().copied()).is_some();
    if !table.keys().any(|key| is_meant(key.get_ref())) {
        let what = "passed over: it has no [[mapping]], [[command]], [[alarm]] or [[query]], so it is no \
                    mapping file";
        warnings.push(Problem::of_file(&source.path, what));
        return found;
    }
    let mut root_table = Table::new(source, table, root.span().start, problems);
    let what = "a mapping file has only [[mapping]], [[command]], [[alarm]] and [[query]] tables";
    root_table.refuse_unknown(ROOT_KEYS, what);
    let mappings = root_table.array("mapping").unwrap_or_default();
    let commands = root_table.array("command").unwrap_or_default();
    let alarms = root_table.array("alarm").unwrap_or_default();
    let queries = root_table.array("query").unwrap_or_default();
    for entry in mappings {
        let Some(table) = table_of(entry, "mapping", source, problems) else { continue };
        let mut table = Table::new(source, table, entry.span().start, problems);
        table.refuse_unknown(MAPPING_KEYS, "a mapping has no such key");
        found.mappings.extend(read_mapping(&mut table));
    }
    for entry in commands {
        let Some(table) = table_of(entry, "command", source, problems) else { continue };
        let table = Table::new(source, table, entry.span().start, problems);
        let mut table = table.called("this command");
        table.refuse_unknown(COMMAND_KEYS, "a command has no such key");
        found.commands.extend(read_command(&mut table));
    }
    for entry in alarms {
        let Some(table) = table_of(entry, "alarm", source, problems) else { continue };
        let table = Table::new(source, table, entry.span().start, problems);
        let mut table = table.called("this alarm");
        table.refuse_unknown(ALARM_KEYS, "an alarm has no such key");
        found.alarms.extend(read_alarm(&mut table));
    }
    for entry in queries {
        let Some(table) = table_of(entry, "query", source, problems) else { continue };
        let table = Table::new(source, table, entry.span().start, problems);
        let mut table = table.called("this query");
        table.refuse_unknown(QUERY_KEYS, "a query has no such key");
        found.queries.extend(read_query(&mut table));
    }
    found
}

/// One of `[[name]]`.
fn table_of<'a>(
    entry: &'a Spanned<DeValue<'a>>,
    name: &str,
    source: &Source,
    problems: &mut Vec<Problem>,
) -> Option<&'a DeTable<'a>> {
    match entry.get_ref() {
        DeValue::Table(table) => Some(table),
        _ => {
            let what = format!("`{name}` must be tables; write [[{name}]]");
            problems.push(source.problem(entry.span().start, what));
            None
        }
    }
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
        for key in SCHEMA_KEYS {
            table.refuse(key, "has no meaning for line protocol, which is written as sent");
        }
    }
    // There is only one value, so that a mapping can state it explicitly.
    table.choice("value-types", &[("by-name", ())]);
    let select = table
        .choice("select", &SELECTS)
        .unwrap_or(Placed { value: SelectBy::Topic, line: table.line });
    let is_complete = (!has_schema || (schema.is_some() && measurement.is_some()))
        && (!has_message || message.is_some());
    let mut fields = read_fields(table);
    let convert = read_convert(table, &mut fields.rename);
    let text = MappingText {
        file: table.source.path.clone(),
        line: table.line,
        schema,
        message,
        measurement,
        tags: table.texts("tags"),
        time: if has_schema { read_time(table) } else { None },
        points: if has_schema { table.text("points") } else { None },
        point_key: if has_schema { read_point_key(table) } else { None },
        fields,
        convert,
        constant: read_constant(table, has_schema),
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
        framing: table.choice("framing", &FRAMINGS).map_or(Framing::None, |c| c.value),
        identity_required: table.choice("identity", &IDENTITIES).is_some_and(|c| c.value),
        select,
        format,
        name: name?,
        topic: topic?,
        vehicle: vehicle?,
    };
    is_complete.then_some(text)
}

/// `time = { field = "…", unit = "…", zone = "…", plus = { … }, unset = "received" }`; `None` if
/// part of it is wrong, so that one mistake is reported once.
fn read_time(table: &mut Table<'_, '_>) -> Option<TimeText> {
    const KEYS: [&str; 5] = ["field", "unit", "zone", "plus", "unset"];
    let mut time = table.table("time", &KEYS)?;
    let base = read_time_field(&mut time);
    let zone = time.text("zone");
    let unset = time.choice("unset", &[("received", ())]);
    let plus = match time.has("plus") {
        true => Some(read_time_field(&mut time.table("plus", &["field", "unit"])?)?),
        false => None,
    };
    let is_whole = time.has("zone") == zone.is_some() && time.has("unset") == unset.is_some();
    Some(TimeText { base: base.filter(|_| is_whole)?, zone, plus, unset })
}

/// `{ field = "…", unit = "…" }`.
fn read_time_field(table: &mut Table<'_, '_>) -> Option<TimeFieldText> {
    let unit = table.choice("unit", &UNITS);
    let field = table.required_text("field")?;
    (unit.is_some() || !table.has("unit")).then_some(TimeFieldText { field, unit })
}

pub(super) const FORMATS: [(&str, Format); 4] = [
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

const UNITS: [(&str, TimeUnit); 5] = [
    ("s", TimeUnit::Count(Unit::Seconds)),
    ("ms", TimeUnit::Count(Unit::Millis)),
    ("us", TimeUnit::Count(Unit::Micros)),
    ("ns", TimeUnit::Count(Unit::Nanos)),
    ("iso8601", TimeUnit::Iso8601),
];

const REPEATED: [(&str, RepeatedForm); 2] =
    [("spread", RepeatedForm::Spread), ("json", RepeatedForm::Json)];

const BYTES: [(&str, BytesForm); 2] = [("base64", BytesForm::Base64), ("skip", BytesForm::Skip)];

const DUPLICATES: [(&str, Duplicates); 3] = [
    ("merge", Duplicates::Merge),
    ("offset-ns", Duplicates::OffsetNs),
    ("keep-last", Duplicates::KeepLast),
];

const IDENTITIES: [(&str, bool); 2] = [("any", false), ("required", true)];

const FRAMINGS: [(&str, Framing); 3] =
    [("none", Framing::None), ("delimited", Framing::Delimited), ("grpc", Framing::Grpc)];
