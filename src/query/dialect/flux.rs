//! Flux, for InfluxDB 2.
//!
//! Behaviour of 2.7.12 that determines the query text:
//! - A field is a series of its own; `pivot` before any `group` keeps their types apart.
//! - `sort` puts nulls first in both directions, so only time is sorted by, and rows of one moment
//!   are sorted here. `limit` after such a sort would cut among them. `limit` is applied before it,
//!   because only the first rows of each series can be among the first of all.
//! - `aggregateWindow` clips its first window's start to the range; the start is computed here.
//! - If the first text that differs from those before it is empty, the server loses it and assigns
//!   each later text to the point before its own. So empty and other texts are read separately, by
//!   conditions that the storage itself evaluates.
//! - Its CSV writes an empty string and null alike, writes LF as CR LF, and drops CR. So texts are
//!   read in the encoding [`coded`], which contains none of these.

use std::fmt::Write as _;

use crate::{
    model::FieldType,
    query::{
        dialect::{Layout, Translated, coded},
        question::{Field, Question},
        request::{Function, Order},
    },
    store::{Language, StoreQuery},
};

/// All of time.
const EVER: &str = "start: time(v: 0), stop: time(v: 9223372036854775806)";

/// The names of measurements.
pub(super) fn measurements(bucket: &str) -> String {
    let bucket = text(bucket);
    format!(
        "import \"influxdata/influxdb/schema\"\n\n\
         schema.measurements(bucket: {bucket}, start: time(v: 0))\n"
    )
}

/// The names of a measurement's fields, each with a value, by which its type is known.
pub(super) fn fields(bucket: &str, measurement: &str) -> String {
    format!(
        "from(bucket: {})\n  |> range({EVER})\n  |> filter(fn: (r) => r._measurement == {})\n  \
         |> last()\n  |> keep(columns: [\"_field\", \"_value\"])\n  |> limit(n: 1)\n",
        text(bucket),
        text(measurement)
    )
}

/// The names of a measurement's tags, and of the columns that all series have.
pub(super) fn tags(bucket: &str, measurement: &str) -> String {
    format!(
        "import \"influxdata/influxdb/schema\"\n\nschema.measurementTagKeys(bucket: {}, \
         measurement: {}, start: time(v: 0))\n",
        text(bucket),
        text(measurement)
    )
}

/// One query for the fields whose values are not encoded, and one for texts: `map` changes the
/// order of a table's columns, and no function accepts both orders.
pub(super) fn translate(question: &Question, bucket: &str) -> Vec<Translated> {
    let parts = [false, true].map(|coded| {
        let is_here = |field: &&Field| is_coded(question, field) == coded;
        let fields: Vec<&str> =
            question.fields.iter().filter(is_here).map(|field| field.name.as_str()).collect();
        (!fields.is_empty()).then(|| part(question, bucket, &fields, coded))
    });
    parts.into_iter().flatten().collect()
}

/// Whether the values of a field are read as encoded texts.
fn is_coded(question: &Question, field: &Field) -> bool {
    field.kind == FieldType::String && question.function != Some(Function::Count)
}

fn part(question: &Question, bucket: &str, fields: &[&str], coded: bool) -> Translated {
    let is_desc = question.order == Order::Descending;
    let group = key_tags(question).join(", ");
    let row_key = match question.function {
        None => r#""_time""#.to_owned(),
        Some(_) => format!(r#""_time", {group}"#),
    };
    let name = |field: &Field| match fields.contains(&field.name.as_str()) {
        true => field.name.clone(),
        // No column has this name.
        false => String::new(),
    };
    let layout = Layout {
        time: (question.function.is_none() || question.every.is_some()).then(|| "_time".to_owned()),
        vehicle: question.lead_tag.clone(),
        tags: question.tags.clone(),
        fields: question.fields.iter().map(name).collect(),
        has_coded_texts: coded,
        ..Layout::default()
    };
    let source = source(question, bucket, fields);
    let mut flux = match coded {
        false if question.as_float => format!("{source}  |> toFloat()\n{}", stage(question)),
        false => format!("{source}{}", stage(question)),
        true => texts(&source, &stage(question)),
    };
    if let Some(function) = question.function {
        together(&mut flux, function, question);
    }
    let columns: Vec<String> = ["_time", &layout.vehicle]
        .into_iter()
        .chain(layout.tags.iter().map(String::as_str))
        .chain(fields.iter().copied())
        .map(text)
        .collect();
    write!(
        flux,
        "  |> pivot(rowKey: [{row_key}], columnKey: [\"_field\"], valueColumn: \"_value\")\n  \
         |> group()\n  |> sort(columns: [\"_time\"], desc: {is_desc})\n  |> keep(columns: [{}])\n",
        columns.join(", ")
    )
    .expect("a string takes all");
    Translated { ask: StoreQuery::new(Language::Flux, flux), layout }
}

/// Empty and other texts, encoded.
fn texts(source: &str, stage: &str) -> String {
    let some = |condition: &str, value: &str| {
        format!(
            "{source}  |> filter(fn: (r) => r._value {condition} \"\")\n{stage}  \
             |> map(fn: (r) => ({{r with _value: {value}}}))\n"
        )
    };
    format!(
        "import \"strings\"\n\nunion(tables: [\n{},\n{}])\n",
        some("!=", coded::FLUX),
        some("==", coded::FLUX_EMPTY)
    )
}

/// The points of some fields.
fn source(question: &Question, bucket: &str, fields: &[&str]) -> String {
    let (from, to) = question.rest();
    let mut flux = format!(
        "from(bucket: {})\n  |> range(start: time(v: {}), stop: time(v: {}))\n  \
         |> filter(fn: (r) => r._measurement == {})\n",
        text(bucket),
        from.0,
        to.0,
        text(&question.measurement)
    );
    any(&mut flux, "\"_field\"", fields.iter().copied());
    for (tag, values) in &question.filters {
        any(&mut flux, &text(tag), values.iter().map(String::as_str));
    }
    flux
}

/// Selects points whose `column` has one of these values; all points if no values are given.
fn any<'a>(flux: &mut String, column: &str, values: impl Iterator<Item = &'a str>) {
    let is_one: Vec<String> = values
        .map(|value| match value {
            // An absent tag counts as empty.
            "" => format!("not exists r[{column}]"),
            value => format!("r[{column}] == {}", text(value)),
        })
        .collect();
    if !is_one.is_empty() {
        writeln!(flux, "  |> filter(fn: (r) => {})", is_one.join(" or ")).expect("it fits");
    }
}

/// The stage that is applied to each series separately.
///
/// Without a function it keeps only the rows that can be among the first of all: the page, one row
/// that shows that there are more, and one that is at `after` or before it. For the first or last
/// of each window the storage finds that of each series.
fn stage(question: &Question) -> String {
    let rows = question.limit + 2;
    let windows = match question.every {
        Some(every) => format!("  |> window(every: {every}ns)\n"),
        None => String::new(),
    };
    match (question.function, question.order) {
        (None, Order::Ascending) => format!("  |> limit(n: {rows})\n"),
        (None, Order::Descending) => format!("  |> tail(n: {rows})\n"),
        (Some(function @ (Function::First | Function::Last)), _) => {
            format!("{windows}  |> {}()\n", function.as_str())
        }
        (Some(_), _) => windows,
    }
}

/// One value per window, vehicle and field.
fn together(flux: &mut String, function: Function, question: &Question) {
    let tags = key_tags(question);
    if question.is_grouped {
        // A series that lacks a tag would be grouped, and pivoted, without it.
        let filled: Vec<String> = tags
            .iter()
            .map(|tag| format!("{tag}: if exists r[{tag}] then r[{tag}] else \"\""))
            .collect();
        writeln!(flux, "  |> map(fn: (r) => ({{r with {}}}))", filled.join(", ")).expect("it fits");
    }
    let group = tags.join(", ");
    let group = format!("  |> group(columns: [\"_start\", {group}, \"_field\"])\n");
    flux.push_str(&group);
    match function {
        // Among the first points of all series, that with the least time; the greatest value if
        // times are equal.
        Function::First | Function::Last => {
            let pick = if function == Function::First { "min" } else { "max" };
            write!(
                flux,
                "  |> sort(columns: [\"_value\"], desc: true)\n  \
                 |> map(fn: (r) => ({{r with _at: int(v: r._time)}}))\n  |> {pick}(column: \"_at\")\n"
            )
        }
        function => writeln!(flux, "  |> {}()", function.as_str()),
    }
    .expect("it fits");
    flux.push_str("  |> duplicate(column: \"_start\", as: \"_time\")\n");
}

/// The tags of a row's key, as literals.
fn key_tags(question: &Question) -> Vec<String> {
    std::iter::once(&question.lead_tag).chain(&question.tags).map(|tag| text(tag)).collect()
}

/// A string literal.
fn text(value: &str) -> String {
    let mut quoted = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            // `${` would open an expression.
            '$' => quoted.push_str("\\x24"),
            c if c.is_control() && c.is_ascii() => {
                write!(quoted, "\\x{:02x}", u32::from(c)).expect("it fits");
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
