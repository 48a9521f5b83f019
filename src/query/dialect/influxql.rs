//! InfluxQL, for InfluxDB 1.
//!
//! It orders by time only and cannot break ties, so there is no `LIMIT`: the rows are read in the
//! order of time, put in order among themselves, and the connection is dropped when there are
//! enough, on which the server stops. Windows are asked for in an inner question: grouped by
//! vehicle they would come one vehicle after the other.

use std::fmt::Write as _;

use crate::{
    model::Value,
    query::{
        dialect::{Layout, Translated},
        question::{Order, Question},
    },
    store::{Ask, Language},
};

pub(super) fn translate(question: &Question) -> Translated {
    let vehicle = name(&question.vehicle_tag);
    let mut layout = Layout {
        time: Some("time".to_owned()),
        vehicle: "t0".to_owned(),
        tags: (1..=question.tags.len()).map(|at| format!("t{at}")).collect(),
        fields: (0..question.fields.len()).map(|at| format!("f{at}")).collect(),
        present: Vec::new(),
    };
    let from = format!("FROM {} {}", name(&question.measurement), condition(question));
    let order = match question.order {
        Order::Ascending => "ASC",
        Order::Descending => "DESC",
    };
    let text = match (question.function, question.every) {
        (None, _) => {
            let mut columns = columns(question, &layout.fields, "");
            let tags = std::iter::once(&question.vehicle_tag).chain(&question.tags);
            for (at, tag) in tags.enumerate() {
                write!(columns, ", {} AS \"t{at}\"", name(tag)).expect("a string takes all");
            }
            format!("SELECT {columns} {from} ORDER BY time {order}")
        }
        (Some(function), Some(every)) => {
            let inner = columns(question, &layout.fields, function.as_str());
            let outer: Vec<String> =
                layout.fields.iter().map(|field| format!("\"{field}\"")).collect();
            let outer = outer.join(", ");
            format!(
                "SELECT {outer}, {vehicle} AS \"t0\" FROM (SELECT {inner} {from} \
                 GROUP BY time({every}ns), {vehicle} fill(none)) ORDER BY time {order}"
            )
        }
        (Some(function), None) => {
            // A tag that is grouped by comes under its own name.
            layout.vehicle.clone_from(&question.vehicle_tag);
            layout.time = None;
            let columns = columns(question, &layout.fields, function.as_str());
            format!("SELECT {columns} {from} GROUP BY {vehicle}")
        }
    };
    let mut ask = Ask::new(Language::InfluxQl, text);
    let value =
        |(at, vehicle): (usize, &String)| (format!("v{at}"), Value::String(vehicle.clone()));
    ask.params = question.vehicles.iter().enumerate().map(value).collect();
    Translated { ask, layout }
}

fn columns(question: &Question, names: &[String], function: &str) -> String {
    let column = |(field, alias): (&_, &String)| {
        let crate::query::question::Field { name: field, .. } = field;
        let field = name(field);
        match function {
            "" => format!("{field} AS \"{alias}\""),
            function => format!("{function}({field}) AS \"{alias}\""),
        }
    };
    let columns: Vec<String> = question.fields.iter().zip(names).map(column).collect();
    columns.join(", ")
}

fn condition(question: &Question) -> String {
    let (from, to) = question.rest();
    let mut text = format!("WHERE time >= {} AND time < {}", from.0, to.0);
    if !question.vehicles.is_empty() {
        let tag = name(&question.vehicle_tag);
        let is_one = |at: usize| format!("{tag} = $v{at}");
        let any: Vec<String> = (0..question.vehicles.len()).map(is_one).collect();
        write!(text, " AND ({})", any.join(" OR ")).expect("a string takes all");
    }
    text
}

/// A name in quotes. A type behind it keeps a tag from being taken for a field of its name.
fn name(name: &str) -> String {
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
