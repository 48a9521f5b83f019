//! The recorded drives, queried through the API: counts, means, extremes and gaps of each, as a
//! whole and window by window, compared with the CSV files.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{
    Appliance,
    twizy::{Drive, Reading},
};

/// The allowed relative error of a mean or sum, because of the order of additions.
const SLACK: f64 = 1e-9;
const SECOND: i64 = 1_000_000_000;

/// A field of numbers: its name, whether it is an integer, and how it is read from a row.
type Number = (&'static str, bool, fn(&Reading) -> f64);
/// A field of texts.
type Text = (&'static str, fn(&Reading) -> &str);

const NUMBERS: [Number; 5] = [
    ("soc", false, |row| row.soc),
    ("speed_kmh", false, |row| row.speed_kmh),
    ("alt", false, |row| row.alt),
    ("ambient_temp", false, |row| row.ambient_temp),
    ("traffic", true, |row| f64::from(row.traffic)),
];
const TEXTS: [Text; 2] = [("mode", |row| &row.mode), ("weather", |row| &row.weather)];

/// Queries each drive, whose vehicle is its name with `suffix`.
pub(super) fn check(appliance: &Appliance, drives: &[Drive], suffix: &str) {
    let mut gaps = 0;
    for drive in drives {
        let vin = format!("{}{suffix}", drive.name);
        for every in [None, Some(60 * SECOND), Some(5 * SECOND)] {
            let windows = windows(drive, every);
            if let Some(every) = every {
                gaps += gaps_of(&windows, every);
            }
            for function in ["count", "mean", "min", "max", "sum", "first", "last"] {
                // The short windows are there for their gaps.
                if every == Some(5 * SECOND) && !matches!(function, "count" | "last") {
                    continue;
                }
                check_one(appliance, &vin, every, function, &windows);
            }
        }
    }
    assert!(gaps > 20, "only {gaps} windows without rows: there is nothing to leave out");
}

/// The rows of each window, in the order of time.
type Windows<'a> = BTreeMap<i64, Vec<&'a Reading>>;

fn windows(drive: &Drive, every: Option<i64>) -> Windows<'_> {
    let mut windows = Windows::new();
    let at = |row: &Reading| row.at_millis * 1_000_000;
    let mut rows: Vec<&Reading> = drive.readings.iter().collect();
    rows.sort_by_key(|row| row.at_millis);
    let first = at(rows[0]);
    for row in rows {
        let window = every.map_or(first, |every| at(row) - at(row).rem_euclid(every));
        windows.entry(window).or_default().push(row);
    }
    windows
}

/// How many windows between the first and the last have no rows.
fn gaps_of(windows: &Windows<'_>, every: i64) -> i64 {
    let (first, last) = (windows.first_key_value(), windows.last_key_value());
    let (Some((first, _)), Some((last, _))) = (first, last) else { return 0 };
    (last - first) / every + 1 - i64::try_from(windows.len()).unwrap()
}

fn check_one(
    appliance: &Appliance,
    vin: &str,
    every: Option<i64>,
    function: &str,
    windows: &Windows<'_>,
) {
    let has_texts = matches!(function, "count" | "first" | "last");
    let mut fields: Vec<&str> = NUMBERS.iter().map(|(name, ..)| *name).collect();
    if has_texts {
        fields.extend(TEXTS.iter().map(|(name, _)| *name));
    }
    let all = || windows.values().flatten().map(|row| row.at_millis * 1_000_000);
    let (from, to) = (all().min().unwrap().to_string(), (all().max().unwrap() + 1).to_string());
    let (fields, every_text) = (fields.join(","), every.map(|every| format!("{every}ns")));
    let mut parameters = vec![
        ("vehicle", vin),
        ("fields", fields.as_str()),
        ("from", from.as_str()),
        ("to", to.as_str()),
        ("fn", function),
        ("limit", "100000"),
        ("epoch", "ns"),
    ];
    parameters.extend(every_text.as_deref().map(|every| ("every", every)));
    let (status, body) = appliance.get_with("/api/v1/telemetry/telemetry", &parameters);
    let told = format!("{function} of {vin}, every {every:?}");
    assert_eq!(status, 200, "{told}: {body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    let rows = answer["rows"].as_array().unwrap();
    assert_eq!(rows.len(), windows.len(), "{told}: as many windows as have rows");
    for (row, (window, readings)) in rows.iter().zip(windows) {
        assert_eq!(row[0], *window, "{told}");
        assert_eq!(row[1], vin, "{told}");
        for (at, (name, is_integer, read)) in NUMBERS.iter().enumerate() {
            let values: Vec<f64> = readings.iter().map(|row| read(row)).collect();
            let found = &row[2 + at];
            let expected = number(function, &values);
            let (is, should) = (found.as_f64().unwrap(), expected);
            let slack = match function {
                "mean" | "sum" => SLACK * should.abs(),
                _ => 0.0,
            };
            assert!((is - should).abs() <= slack, "{told} at {window}: {name} {found}, {should}");
            let is_whole = function == "count" || *is_integer && function != "mean";
            assert_eq!(found.is_i64(), is_whole, "{told}: the type of {name}: {found}");
        }
        for (at, (name, read)) in TEXTS.iter().enumerate().filter(|_| has_texts) {
            let expected = match function {
                "count" => json!(readings.len()),
                "first" => json!(read(readings[0])),
                _ => json!(read(readings[readings.len() - 1])),
            };
            assert_eq!(row[2 + NUMBERS.len() + at], expected, "{told} at {window}: {name}");
        }
    }
}

fn number(function: &str, values: &[f64]) -> f64 {
    let count = f64::from(u32::try_from(values.len()).unwrap());
    match function {
        "count" => count,
        "sum" => values.iter().sum(),
        "mean" => values.iter().sum::<f64>() / count,
        "min" => values.iter().copied().fold(f64::INFINITY, f64::min),
        "max" => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        "first" => values[0],
        "last" => values[values.len() - 1],
        other => panic!("no function {other}"),
    }
}
