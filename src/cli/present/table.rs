//! Columns and rows as a table.

use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

use super::text::{exact, rounded, shorten, visible, width};
use crate::model::{Column, Row, Value, ValueType};

/// The minimum columns of a string before whole columns are left out: identifiers of vehicles (17
/// characters of a VIN) often differ only at their end.
const TEXT_LEAST: usize = 20;
/// The minimum columns of a name.
const NAME_LEAST: usize = 8;
/// The maximum columns of a string without another bound.
const TEXT_MOST: usize = 1_000;

/// Blanks between two columns.
const GAP: usize = 2;
/// The character of the line below the names.
const RULE: char = '─';
/// The library puts one blank between two columns, and this behind each.
const PADDING: u16 = 1;
const _: () = assert!(GAP == 1 + PADDING as usize);

/// A table, and what it leaves out of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Drawn {
    /// Lines, each with its end.
    pub(in crate::cli) text: String,
    /// The names of columns that did not fit.
    pub(in crate::cli) hidden: Vec<String>,
    /// Whether a string or name was shortened.
    pub(in crate::cli) is_shortened: bool,
}

impl Drawn {
    /// What the reader of the table should know, in one line.
    pub(in crate::cli) fn note(&self) -> Option<String> {
        const REST: &str = "--csv and --json show everything";
        match (self.hidden.as_slice(), self.is_shortened) {
            ([], false) => None,
            ([], true) => Some(format!("long texts are shortened; {REST}")),
            (hidden, _) => {
                let (count, names) = (hidden.len(), hidden.join(", "));
                let (columns, do_not) = match count {
                    1 => ("column", "does not"),
                    _ => ("columns", "do not"),
                };
                Some(format!("{count} {columns} {do_not} fit: {names}; {REST}"))
            }
        }
    }
}

/// Draws a table of at most `width` terminal columns; without `width`, as wide as needed, with
/// every decimal.
pub(in crate::cli) fn table(columns: &[Column], rows: &[Row], width: Option<usize>) -> Drawn {
    if columns.is_empty() {
        return Drawn { text: String::new(), hidden: Vec::new(), is_shortened: false };
    }
    let names: Vec<String> = columns.iter().map(|column| visible(&column.name)).collect();
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|value| cell(value, width.is_some())).collect())
        .collect();
    let wants = wants(columns, &names, &cells);
    let widths = match width {
        Some(width) => fit(&wants, width),
        None => wants.iter().map(|want| want.natural.min(TEXT_MOST.max(want.least))).collect(),
    };
    let is_shortened = widths.iter().zip(&wants).any(|(width, want)| *width < want.natural);
    let mut drawn = frame();
    let aligned = |text: &str, at: usize| {
        let cell = Cell::new_owned(shorten(text, widths[at]));
        cell.set_alignment(if is_number(&columns[at]) {
            CellAlignment::Right
        } else {
            CellAlignment::Left
        })
    };
    let line = |texts: &[String]| -> Vec<Cell> {
        texts.iter().take(widths.len()).enumerate().map(|(at, text)| aligned(text, at)).collect()
    };
    drawn.set_header(line(&names));
    drawn.add_rows(cells.iter().map(|row| line(row)));
    for column in drawn.column_iter_mut() {
        column.set_padding((0, PADDING));
    }
    let mut text = String::new();
    for (at, line) in drawn.lines().enumerate() {
        // The last column's padding: blanks, or a part of the line below the names.
        let line = line.trim_end();
        text.push_str(if at == 1 { line.strip_suffix(RULE).unwrap_or(line) } else { line });
        text.push('\n');
    }
    Drawn { text, hidden: names[widths.len()..].to_vec(), is_shortened }
}

/// Only a line below the names; no other borders.
fn frame() -> Table {
    let style = TableStyle::new().header_separator(LineStyle::none().fill(RULE).junction(RULE));
    let mut table = Table::new();
    table.load_style(style).set_content_arrangement(ContentArrangement::Disabled);
    table
}

fn wants(columns: &[Column], names: &[String], cells: &[Vec<String>]) -> Vec<Want> {
    let wanted = |(at, column): (usize, &Column)| {
        let widest = cells.iter().map(|row| row.get(at).map_or(0, |cell| width(cell))).max();
        let (name, content) = (width(&names[at]), widest.unwrap_or(0));
        let natural = name.max(content);
        let least = match column.kind {
            ValueType::String => content.min(TEXT_LEAST).max(name.min(NAME_LEAST)),
            _ => content.max(name.min(NAME_LEAST)),
        };
        Want { natural, least }
    };
    columns.iter().enumerate().map(wanted).collect()
}

const fn is_number(column: &Column) -> bool {
    matches!(column.kind, ValueType::Float | ValueType::Integer)
}

/// A null is an empty cell.
fn cell(value: &Value, is_bounded: bool) -> String {
    match value {
        Value::Null => String::new(),
        Value::Timestamp(at) => at.to_string(),
        Value::Float(value) if is_bounded => rounded(*value),
        Value::Float(value) => exact(*value),
        Value::Integer(value) => value.to_string(),
        Value::Unsigned(value) => value.to_string(),
        Value::Boolean(value) => value.to_string(),
        Value::String(text) => visible(text),
    }
}

/// The width that a column needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Want {
    /// The width for the full content.
    natural: usize,
    /// The minimum useful width.
    least: usize,
}

/// The widths of the shown columns: as many of the first ones as fit with their minimum, but at
/// least one; then the widest ones are narrowed until all of them fit.
fn fit(wants: &[Want], width: usize) -> Vec<usize> {
    let gaps = |n: usize| GAP * n.saturating_sub(1);
    let shown = (1..=wants.len())
        .rev()
        .find(|n| wants[..*n].iter().map(|want| want.least).sum::<usize>() + gaps(*n) <= width)
        .unwrap_or(wants.len().min(1));
    let wants = &wants[..shown];
    let mut widths: Vec<usize> = wants.iter().map(|want| want.natural).collect();
    while widths.iter().sum::<usize>() + gaps(shown) > width {
        let yielding = (0..shown).filter(|at| widths[*at] > wants[*at].least);
        let Some(widest) = yielding.max_by_key(|at| widths[*at]) else { break };
        widths[widest] -= 1;
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UnixNanos;

    fn answer() -> (Vec<Column>, Vec<Row>) {
        let columns = vec![
            Column::new("time", ValueType::Timestamp),
            Column::new("vin", ValueType::String),
            Column::new("speed_kmh", ValueType::Float),
            Column::new("odometer_m", ValueType::Integer),
            Column::new("is_locked", ValueType::Boolean),
            Column::new("mode", ValueType::String),
        ];
        let at = |nanos| Value::Timestamp(UnixNanos(nanos));
        let rows = vec![
            vec![
                at(1_619_448_248_000_000_000),
                Value::String("https://fleet.example/v/000001".into()),
                Value::Float(0.1 + 0.2),
                Value::Integer(-7),
                Value::Boolean(true),
                Value::String("charging at a station".into()),
            ],
            vec![
                at(1_619_448_249_500_000_000),
                Value::String("V2".into()),
                Value::Null,
                Value::Unsigned(u64::MAX),
                Value::Boolean(false),
                Value::String("東京\u{1b}[2J".into()),
            ],
        ];
        (columns, rows)
    }

    #[track_caller]
    fn check(width: Option<usize>, expect: &str, hidden: &[&str], is_shortened: bool) {
        let (columns, rows) = answer();
        let drawn = table(&columns, &rows, width);
        assert_eq!(drawn.text, expect, "\n{}", drawn.text);
        assert_eq!(drawn.hidden, hidden);
        assert_eq!(drawn.is_shortened, is_shortened);
        if let Some(width) = width.filter(|width| *width > 22) {
            assert!(drawn.text.lines().all(|line| super::width(line) <= width));
        }
    }

    #[test]
    fn without_a_width_everything_is_shown_exactly() {
        let lines = [
            "time                    vin                                       speed_kmh            odometer_m  is_locked  mode",
            "───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────",
            "2021-04-26T14:44:08Z    https://fleet.example/v/000001  0.30000000000000004                    -7  true       charging at a station",
            "2021-04-26T14:44:09.5Z  V2                                                   18446744073709551615  false      東京\\u{1b}[2J",
            "",
        ];
        check(None, &lines.join("\n"), &[], false);
    }

    #[test]
    fn texts_are_shortened_where_that_is_enough() {
        let lines = [
            "time                    vin                    speed_kmh            odometer_m  is_locked  mode",
            "────────────────────────────────────────────────────────────────────────────────────────────────────────────────",
            "2021-04-26T14:44:08Z    https://fleet.exampl…        0.3                    -7  true       charging at a station",
            "2021-04-26T14:44:09.5Z  V2                                18446744073709551615  false      東京\\u{1b}[2J",
            "",
        ];
        check(Some(112), &lines.join("\n"), &[], true);
    }

    #[test]
    fn columns_leave_from_the_right_and_are_told() {
        let hidden = ["odometer_m", "is_locked", "mode"];
        check(
            Some(65),
            "\
time                    vin                             speed_kmh
─────────────────────────────────────────────────────────────────
2021-04-26T14:44:08Z    https://fleet.example/v/000001        0.3
2021-04-26T14:44:09.5Z  V2
",
            &hidden,
            false,
        );
        check(
            Some(56),
            "\
time                    vin                    speed_kmh
────────────────────────────────────────────────────────
2021-04-26T14:44:08Z    https://fleet.exampl…        0.3
2021-04-26T14:44:09.5Z  V2
",
            &hidden,
            true,
        );
        let hidden = ["speed_kmh", "odometer_m", "is_locked", "mode"];
        check(
            Some(53),
            "\
time                    vin
─────────────────────────────────────────────────────
2021-04-26T14:44:08Z    https://fleet.example/v/0000…
2021-04-26T14:44:09.5Z  V2
",
            &hidden,
            true,
        );
        // One column is always shown.
        let hidden = ["vin", "speed_kmh", "odometer_m", "is_locked", "mode"];
        check(
            Some(20),
            "\
time
──────────────────────
2021-04-26T14:44:08Z
2021-04-26T14:44:09.5Z
",
            &hidden,
            false,
        );
    }

    #[test]
    fn no_rows_have_their_columns_still() {
        let columns =
            [Column::new("time", ValueType::Timestamp), Column::new("n", ValueType::Float)];
        let drawn = table(&columns, &[], Some(80));
        assert_eq!(drawn.text, "time  n\n───────\n");
        assert_eq!(drawn.note(), None);
        assert_eq!(table(&[], &[], None).text, "");
    }

    #[test]
    fn what_is_not_shown_is_told_with_the_way_to_it() {
        let note = |hidden: &[&str], is_shortened| {
            let hidden = hidden.iter().map(|name| (*name).to_owned()).collect();
            Drawn { text: String::new(), hidden, is_shortened }.note().unwrap_or_default()
        };
        assert_eq!(note(&[], true), "long texts are shortened; --csv and --json show everything");
        assert_eq!(
            note(&["soc"], false),
            "1 column does not fit: soc; --csv and --json show everything"
        );
        assert_eq!(
            note(&["soc", "mode"], true),
            "2 columns do not fit: soc, mode; --csv and --json show everything"
        );
    }

    #[test]
    fn the_widest_text_gives_way_first_and_columns_leave_from_the_right() {
        let fixed = |natural| Want { natural, least: natural };
        let text = |natural| Want { natural, least: 8 };
        let check = |wants: &[Want], width: usize, expect: &[usize]| {
            assert_eq!(fit(wants, width), expect, "{width}");
        };
        let wants = [fixed(20), text(17), fixed(5), text(30)];
        check(&wants, 78, &[20, 17, 5, 30]);
        check(&wants, 77, &[20, 17, 5, 29]);
        check(&wants, 61, &[20, 15, 5, 15]);
        check(&wants, 47, &[20, 8, 5, 8]);
        // The fourth does not fit with its minimum, so the others have more room.
        check(&wants, 46, &[20, 17, 5]);
        check(&wants, 37, &[20, 8, 5]);
        check(&wants, 36, &[20, 14]);
        check(&wants, 20, &[20]);
        check(&wants, 3, &[20]);
        check(&[], 10, &[]);
    }
}
