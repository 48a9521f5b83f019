//! InfluxQL, for InfluxDB 1.
//!
//! Behaviour of 1.6.7 that determines the query text:
//! - It orders by time only and cannot break ties. So points are read without `LIMIT` in the order
//!   of time, and sorted here among those of one moment. When there are enough, the connection is
//!   dropped; then the server stops.
//! - Windows are returned vehicle by vehicle. An outer query does not order them: if a field has no
//!   value in some window, it returns that window as several rows, in no order. So each vehicle's
//!   windows are limited to those that a page can need, and sorted here. `LIMIT` counts the windows
//!   of each field separately: up to the limit a row is complete.

use std::fmt::Write as _;

use crate::{
    model::Value,
    query::{
        dialect::{Layout, Translated},
        question::{Field, Question},
        request::Order,
    },
    store::{Language, StoreQuery},
};

pub(super) fn translate(question: &Question) -> Translated {
    let group: Vec<String> =
        std::iter::once(&question.lead_tag).chain(&question.tags).map(|tag| name(tag)).collect();
    let group = group.join(", ");
    // A tag in `GROUP BY` is returned under its own name, which no other column may have.
    let is_free = |letter: &char| {
        !std::iter::once(&question.lead_tag)
            .chain(&question.tags)
            .any(|tag| tag.starts_with(*letter))
    };
    let letter = ('f'..='z').find(is_free).map_or_else(|| "fleetline_".to_owned(), String::from);
    let mut layout = Layout {
        time: Some("time".to_owned()),
        vehicle: question.lead_tag.clone(),
        tags: (1..=question.tags.len()).map(|at| format!("t{at}")).collect(),
        fields: (0..question.fields.len()).map(|at| format!("{letter}{at}")).collect(),
        ..Layout::default()
    };
    let function = question.function.map_or("", |function| function.as_str());
    let mut columns = columns(question, &layout.fields, function);
    let from = format!("FROM {} {}", name(&question.measurement), condition(question));
    let order = match question.order {
        Order::Ascending => "ASC",
        Order::Descending => "DESC",
    };
    let text = match (question.function, question.every) {
        (None, _) => {
            layout.vehicle = "t0".to_owned();
            let tags = std::iter::once(&question.lead_tag).chain(&question.tags);
            for (at, tag) in tags.enumerate() {
                write!(columns, ", {} AS \"t{at}\"", name(tag)).expect("a string takes all");
            }
            format!("SELECT {columns} {from} ORDER BY time {order}")
        }
        (Some(_), Some(every)) => {
            layout.is_unordered = true;
            layout.tags.clone_from(&question.tags);
            // The page, one row that shows that there are more, and one that is at `after`.
            let rows = question.limit + 2;
            format!(
                "SELECT {columns} {from} GROUP BY time({every}ns), {group} fill(none) \
                 ORDER BY time {order} LIMIT {rows}"
            )
        }
        (Some(_), None) => {
            layout.time = None;
            layout.tags.clone_from(&question.tags);
            format!("SELECT {columns} {from} GROUP BY {group}")
        }
    };
    let mut ask = StoreQuery::new(Language::InfluxQl, text);
    let values = question.filters.iter().flat_map(|(_, values)| values).enumerate();
    ask.params =
        values.map(|(at, value)| (format!("v{at}"), Value::String(value.clone()))).collect();
    Translated { ask, layout }
}

fn columns(question: &Question, names: &[String], function: &str) -> String {
    let column = |(field, alias): (&Field, &String)| {
        let field = name(&field.name);
        match function {
            "" => format!("{field} AS \"{alias}\""),
            function if question.as_float => {
                format!("{function}({field}::float) AS \"{alias}\"")
            }
            function => format!("{function}({field}) AS \"{alias}\""),
        }
    };
    let columns: Vec<String> = question.fields.iter().zip(names).map(column).collect();
    columns.join(", ")
}

fn condition(question: &Question) -> String {
    let (from, to) = question.rest();
    let mut text = format!("WHERE time >= {} AND time < {}", from.0, to.0);
    let mut at = 0;
    for (tag, values) in &question.filters {
        let tag = name(tag);
        let any: Vec<String> =
            (at..at + values.len()).map(|at| format!("{tag} = $v{at}")).collect();
        at += values.len();
        write!(text, " AND ({})", any.join(" OR ")).expect("a string takes all");
    }
    text
}

/// A name in quotes. The type after it distinguishes a field from a tag of the same name.
pub(super) fn name(name: &str) -> String {
    let mut quoted = String::from("\"");
    for c in name.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
