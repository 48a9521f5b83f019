//! The queries of the table.

use super::{
    asked::Asked,
    fleet::{SECOND, T},
};

const FUNCTIONS: [&str; 7] = ["mean", "min", "max", "sum", "count", "first", "last"];
const NUMBERS: [&str; 6] = ["speed", "odometer", "ticks", "table", "late", "never"];
const MINUTE: i64 = 60 * SECOND;

/// The whole time of the fleet, except the points relative to now.
fn all() -> Asked {
    Asked { from: T - SECOND, to: T + 7_200 * SECOND, ..Asked::default() }
}

/// The range in which every sum of integers fits an integer.
fn modest() -> Asked {
    Asked { to: T + 400 * SECOND, ..all() }
}

/// Queries before any point has `late`, and again afterwards.
pub(super) fn early() -> Vec<Asked> {
    let mut table = vec![
        all(),
        Asked { is_desc: true, ..all() },
        Asked { fields: vec!["late"], ..all() },
        Asked { fields: vec!["never", "late"], function: Some("mean"), ..all() },
        Asked { fields: vec!["late", "speed"], ..all() },
        Asked { fields: vec!["never"], function: Some("count"), every: Some(MINUTE), ..all() },
    ];
    for function in FUNCTIONS {
        for every in [None, Some(MINUTE)] {
            let fields = vec!["late", "speed", "odometer"];
            table.push(Asked { fields, function: Some(function), every, ..modest() });
        }
    }
    table
}

/// Queries of the whole fleet.
pub(super) fn whole() -> Vec<Asked> {
    let mut table = early();
    table.extend(ranges());
    table.extend(vehicles());
    table.extend(fields());
    table.extend(functions());
    table.extend(companies());
    let reverse = |asked: &Asked| Asked { is_desc: !asked.is_desc, ..asked.clone() };
    let reversed: Vec<Asked> = table.iter().step_by(2).map(reverse).collect();
    table.extend(reversed);
    table
}

/// Half open, to the nanosecond.
fn ranges() -> Vec<Asked> {
    let edge = T + 100 * SECOND;
    let mut table = Vec::new();
    for from in [-1, 0, 1, 2] {
        for to in [0, 1, 2, 60 * SECOND - 1, 60 * SECOND, 60 * SECOND + 1] {
            let range = Asked { from: edge + from, to: edge + to, ..Asked::default() };
            if from > to {
                continue;
            }
            table.push(range.clone());
            table.push(Asked { function: Some("count"), ..range.clone() });
            table.push(Asked { function: Some("last"), every: Some(7 * SECOND), ..range });
        }
    }
    let words = |from: &str, to: &str| Some((from.to_owned(), to.to_owned()));
    let range = Asked { from: edge - 1, to: edge + 1, ..Asked::default() };
    for words in [
        words("2025-06-01T00:01:39.999999999Z", "2025-06-01T00:01:40.000000001Z"),
        words("2025-06-01T02:01:39.999999999+02:00", "2025-06-01T00:01:40.000000001+00:00"),
    ] {
        table.push(Asked { words, ..range.clone() });
    }
    // Before everything, after everything, and over the whole range of time.
    table.push(Asked { from: 0, to: T - SECOND, ..Asked::default() });
    table.push(Asked { from: T + 86_400 * SECOND, to: T + 2 * 86_400 * SECOND, ..all() });
    table.push(Asked { from: 0, to: T + 86_400 * SECOND, function: Some("count"), ..all() });
    table
}

fn vehicles() -> Vec<Asked> {
    let mut table = Vec::new();
    for vehicles in [
        vec!["V1"],
        vec!["V2", "V1"],
        vec!["V1", "V1"],
        vec!["ties", "edge", "sparse", "extreme"],
        vec!["É", "V,1=2", "v 1"],
        vec!["nobody"],
        vec!["nobody", "V10"],
        vec!["v1 "],
    ] {
        table.push(Asked { vehicles: vehicles.clone(), ..all() });
        let function = Some("last");
        table.push(Asked { vehicles: vehicles.clone(), function, ..all() });
        table.push(Asked { vehicles, function, every: Some(30 * SECOND), ..all() });
    }
    table
}

/// Queries of two vehicles and of seven, in both orders: TDengine returned windows of several
/// vehicles in the wrong order, and in parts.
fn companies() -> Vec<Asked> {
    let seven = vec!["V1", "V2", "ties", "edge", "sparse", "V10", "é"];
    let mut table = Vec::new();
    for vehicles in [seven[..2].to_vec(), seven] {
        for is_desc in [false, true] {
            let base = Asked { vehicles: vehicles.clone(), is_desc, ..modest() };
            table.push(base.clone());
            for function in FUNCTIONS {
                for every in [None, Some(MINUTE), Some(7 * SECOND)] {
                    table.push(Asked { function: Some(function), every, ..base.clone() });
                }
            }
        }
    }
    table
}

fn fields() -> Vec<Asked> {
    let one = |field: &'static str| Asked { fields: vec![field], ..all() };
    let mut table: Vec<Asked> = ["speed", "odometer", "ticks", "charging", "note", "table"]
        .into_iter()
        .chain(["late", "never"])
        .map(one)
        .collect();
    for fields in [
        vec!["never", "table", "note", "charging", "odometer", "speed", "ticks", "late"],
        vec!["note", "speed"],
        vec!["table", "late"],
        vec!["never", "note"],
    ] {
        table.push(Asked { fields, ..all() });
    }
    table
}

fn functions() -> Vec<Asked> {
    let mut table = Vec::new();
    let widths = [
        None,
        Some(MINUTE),
        // Begins before `from`, and does not divide a minute.
        Some(7 * SECOND),
        // One window around everything, beginning long before `from`.
        Some(30 * 86_400 * SECOND),
        // Each point in its own window.
        Some(1),
        // Does not divide a second either.
        Some(1_000_003),
    ];
    for function in FUNCTIONS {
        let is_any = matches!(function, "count" | "first" | "last");
        for every in widths {
            let base = Asked { function: Some(function), every, ..modest() };
            table.push(base.clone());
            table.push(Asked { from: T + 33 * SECOND + 1, to: T + 201 * SECOND, ..base.clone() });
            for vehicle in ["ties", "sparse"] {
                table.push(Asked { vehicles: vec![vehicle], ..base.clone() });
            }
            if function != "sum" && function != "mean" {
                let vehicles = vec!["extreme"];
                table.push(Asked { vehicles, function: Some(function), every, ..all() });
            }
            // A single field is the same for any width.
            if !matches!(every, None | Some(7_000_000_000)) {
                continue;
            }
            for field in NUMBERS {
                table.push(Asked { fields: vec![field], ..base.clone() });
            }
            if is_any {
                for fields in [vec!["note"], vec!["charging"], vec!["note", "charging", "never"]] {
                    table.push(Asked { fields, ..base.clone() });
                }
            }
        }
    }
    table
}
