//! Flux, for InfluxDB 2.
//!
//! What shaped the text, as 2.7.12 behaves:
//! - A field is a series of its own; `pivot` before any `group` keeps their types apart.
//! - `sort` puts nulls first in both directions, so only time is sorted by, and rows of one moment
//!   are put in order here. `limit` behind such a sort would cut among them; before it, one series'
//!   first rows are all that can be among the first of all.
//! - `aggregateWindow` clips its first window's start to the range; the start is computed here.
//! - `map` with a text made from a nullable column gives other rows' texts; flags are right.
//! - An empty string and no string are one in CSV; a flag beside each text tells them apart.

use std::fmt::Write as _;

use crate::{
    model::FieldType,
    query::{
        dialect::{Layout, Translated},
        question::{Field, Function, Order, Question},
    },
    store::{Ask, Language},
};

pub(super) fn translate(question: &Question, bucket: &str) -> Translated {
    let (from, to) = question.rest();
    let is_desc = question.order == Order::Descending;
    let vehicle = text(&question.vehicle_tag);
    let mut flux = format!(
        "from(bucket: {})\n  |> range(start: time(v: {}), stop: time(v: {}))\n  \
         |> filter(fn: (r) => r._measurement == {})\n",
        text(bucket),
        from.0,
        to.0,
        text(&question.measurement)
    );
    any(&mut flux, "\"_field\"", question.fields.iter().map(|field| field.name.as_str()));
    any(&mut flux, &vehicle, question.vehicles.iter().map(String::as_str));
    let row_key = match question.function {
        None => {
            first_of_each(&mut flux, question);
            r#""_time""#.to_owned()
        }
        Some(function) => {
            windows(&mut flux, function, question);
            format!(r#""_time", {vehicle}"#)
        }
    };
    write!(
        flux,
        "  |> pivot(rowKey: [{row_key}], columnKey: [\"_field\"], valueColumn: \"_value\")\n  \
         |> group()\n  |> sort(columns: [\"_time\"], desc: {is_desc})\n"
    )
    .expect("a string takes all");
    let mut layout = Layout {
        time: (question.function.is_none() || question.every.is_some()).then(|| "_time".to_owned()),
        vehicle: question.vehicle_tag.clone(),
        tags: question.tags.clone(),
        fields: question.fields.iter().map(|field| field.name.clone()).collect(),
        present: Vec::new(),
    };
    flags(&mut flux, question, &mut layout);
    let columns: Vec<String> = ["_time", &layout.vehicle]
        .into_iter()
        .chain(layout.tags.iter().map(String::as_str))
        .chain(layout.fields.iter().map(String::as_str))
        .chain(layout.present.iter().flatten().map(String::as_str))
        .map(text)
        .collect();
    writeln!(flux, "  |> keep(columns: [{}])", columns.join(", ")).expect("a string takes all");
    Translated { ask: Ask::new(Language::Flux, flux), layout }
}

/// Points of which `column` has one of some values; all, if there are none to choose from.
fn any<'a>(flux: &mut String, column: &str, values: impl Iterator<Item = &'a str>) {
    let is_one: Vec<String> =
        values.map(|value| format!("r[{column}] == {}", text(value))).collect();
    if !is_one.is_empty() {
        writeln!(flux, "  |> filter(fn: (r) => {})", is_one.join(" or ")).expect("it fits");
    }
}

/// Of each series only what can be among the first rows of all: the page, one row that tells that
/// there are more, and one that lies at `after` or before it.
fn first_of_each(flux: &mut String, question: &Question) {
    let rows = question.limit + 2;
    let line = match question.order {
        Order::Ascending => format!("  |> limit(n: {rows})\n"),
        Order::Descending => format!("  |> tail(n: {rows})\n"),
    };
    flux.push_str(&line);
}

/// One value a window, vehicle and field.
fn windows(flux: &mut String, function: Function, question: &Question) {
    let vehicle = text(&question.vehicle_tag);
    if let Some(every) = question.every {
        writeln!(flux, "  |> window(every: {every}ns)").expect("it fits");
    }
    let group = format!("  |> group(columns: [\"_start\", {vehicle}, \"_field\"])\n");
    match function {
        // The first of each series, which the storage finds by itself; then of those the one with
        // the least time, the greatest value first among equals.
        Function::First | Function::Last => {
            let pick = if function == Function::First { "min" } else { "max" };
            write!(
                flux,
                "  |> {}()\n{group}  |> sort(columns: [\"_value\"], desc: true)\n  \
                 |> map(fn: (r) => ({{r with _at: int(v: r._time)}}))\n  |> {pick}(column: \"_at\")\n",
                function.as_str()
            )
        }
        function => writeln!(flux, "{group}  |> {}()", function.as_str()),
    }
    .expect("it fits");
    flux.push_str("  |> duplicate(column: \"_start\", as: \"_time\")\n");
}

/// A flag beside each text that says whether it is there.
fn flags(flux: &mut String, question: &Question, layout: &mut Layout) {
    let is_text = |field: &Field| {
        field.kind == FieldType::String && question.function != Some(Function::Count)
    };
    if !question.fields.iter().any(is_text) {
        return;
    }
    let flag = |(at, field): (usize, &Field)| is_text(field).then(|| format!("_has{at}"));
    layout.present = question.fields.iter().enumerate().map(flag).collect();
    let flags: Vec<String> = question
        .fields
        .iter()
        .zip(&layout.present)
        .filter_map(|(field, flag)| {
            Some(format!("{}: exists r[{}]", flag.as_ref()?, text(&field.name)))
        })
        .collect();
    writeln!(flux, "  |> map(fn: (r) => ({{r with {}}}))", flags.join(", ")).expect("it fits");
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
