//! One field over time, a panel a series.

use std::collections::BTreeSet;

use super::{
    canvas::Canvas,
    text::{rounded, shorten, visible, width},
};
use crate::model::{Column, Row, UnixNanos, Value, ValueType};

/// Series that are drawn; more would not fit a screen.
const SERIES_MAX: usize = 6;
/// Points that are held, about 16 MB.
const POINTS_MAX: usize = 1_000_000;
/// Neighbours are not joined if their distance is this multiple of the usual one in the series: the
/// vehicle was not connected between them.
const GAP_FACTOR: i64 = 5;
/// The minimum width of a plot, even on a narrower terminal.
const COLUMNS_MIN: usize = 20;
/// Rows of a panel, depending on the number of panels.
const fn panel_rows(panels: usize) -> usize {
    match panels {
        0 | 1 => 10,
        2 => 6,
        _ => 4,
    }
}

/// Why there is nothing to plot; the user names another field or requests the missing column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::cli) enum PlotError {
    /// The answer does not contain it.
    #[error("the answer has no column `{field}` to plot; it has {}", .columns.join(", "))]
    FieldUnknown {
        /// As requested.
        field: String,
        /// The columns of the answer.
        columns: Vec<String>,
    },
    /// Only numbers can be plotted.
    #[error("`{field}` is a {kind}; only numbers can be plotted")]
    FieldUnfit {
        /// As requested.
        field: String,
        /// Its type, as the API names it.
        kind: &'static str,
    },
    /// There is no time column.
    #[error("the answer has no column with a time, so nothing can be plotted over it")]
    NoTime,
}

/// The points of one field, collected row by row.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Plot {
    field: String,
    is_integer: bool,
    at: Places,
    series: Vec<Series>,
    /// The names of the series that are not drawn.
    left_out: BTreeSet<String>,
    points: usize,
    points_left_out: u64,
}

/// The indexes of the columns.
#[derive(Clone, Copy, Debug)]
struct Places {
    time: usize,
    field: usize,
    /// The first string column: the vehicle in every portable answer.
    series: Option<usize>,
}

#[derive(Clone, Debug)]
struct Series {
    name: String,
    points: Vec<(i64, f64)>,
}

impl Plot {
    /// A plot of a field of an answer with these columns.
    pub(in crate::cli) fn new(columns: &[Column], field: &str) -> Result<Self, PlotError> {
        let place = |wanted: &dyn Fn(&Column) -> bool| columns.iter().position(wanted);
        let Some(found) = place(&|column| column.name == field) else {
            let columns = columns.iter().map(|column| column.name.clone()).collect();
            return Err(PlotError::FieldUnknown { field: field.to_owned(), columns });
        };
        let kind = columns[found].kind;
        if !matches!(kind, ValueType::Float | ValueType::Integer) {
            return Err(PlotError::FieldUnfit { field: field.to_owned(), kind: kind.as_str() });
        }
        let time = place(&|column| column.kind == ValueType::Timestamp).ok_or(PlotError::NoTime)?;
        let series = place(&|column| column.kind == ValueType::String);
        Ok(Self {
            field: field.to_owned(),
            is_integer: kind == ValueType::Integer,
            at: Places { time, field: found, series },
            series: Vec::new(),
            left_out: BTreeSet::new(),
            points: 0,
            points_left_out: 0,
        })
    }

    /// Takes the row's point; ignores one without a time or a finite value.
    pub(in crate::cli) fn add(&mut self, row: &Row) {
        let (Some(Value::Timestamp(time)), Some(value)) =
            (row.get(self.at.time), row.get(self.at.field).and_then(number))
        else {
            return;
        };
        let name = match self.at.series.and_then(|at| row.get(at)) {
            Some(Value::String(name)) => name.as_str(),
            _ => "",
        };
        if self.points == POINTS_MAX {
            self.points_left_out += 1;
            return;
        }
        let series = match self.series.iter_mut().position(|series| series.name == name) {
            Some(at) => &mut self.series[at],
            None if self.series.len() < SERIES_MAX => {
                self.series.push(Series { name: name.to_owned(), points: Vec::new() });
                self.series.last_mut().expect("one was pushed")
            }
            None => {
                self.left_out.insert(name.to_owned());
                return;
            }
        };
        series.points.push((time.0, value));
        self.points += 1;
    }

    /// What the reader of the plot should know, in one line.
    pub(in crate::cli) fn note(&self) -> Option<String> {
        let mut notes = Vec::new();
        if !self.left_out.is_empty() {
            let (drawn, more) = (self.series.len(), self.left_out.len());
            notes.push(format!("the first {drawn} series are drawn, {more} more are not"));
        }
        if self.points_left_out > 0 {
            let more = self.points_left_out;
            notes.push(format!("{more} points past the first {POINTS_MAX} are not drawn"));
        }
        (!notes.is_empty()).then(|| format!("{}; ask for fewer", notes.join(", and ")))
    }

    /// The plot in lines of at most `width` columns; nothing if there is no point.
    pub(in crate::cli) fn draw(&self, width: usize) -> String {
        let all = || self.series.iter().flat_map(|series| &series.points);
        let times = all().map(|point| point.0);
        let (Some(first), Some(last)) = (times.clone().min(), times.max()) else {
            return String::new();
        };
        let (low, high) = extent(all());
        let labels = [self.number(high), self.number(low)];
        let margin = labels.iter().map(|label| self::width(label)).max().unwrap_or(0);
        let columns = width.saturating_sub(margin + 2).max(COLUMNS_MIN);
        let rows = panel_rows(self.series.len());
        let scale = Scale { first, last, low, high, columns, rows };
        let mut lines = Vec::new();
        for series in &self.series {
            lines.push(shorten(&self.title(series), width.max(COLUMNS_MIN)));
            for (row, dots) in series.canvas(&scale).rows().enumerate() {
                let label = match row {
                    row if low == high => (row == rows / 2).then_some(&labels[0]),
                    0 => Some(&labels[0]),
                    row => (row + 1 == rows).then_some(&labels[1]),
                };
                let axis = if label.is_some() { '┤' } else { '│' };
                let label = label.map_or("", String::as_str);
                lines.push(format!("{label:>margin$} {axis}{dots}").trim_end().to_owned());
            }
        }
        lines.push(format!("{:margin$} └{}", "", "─".repeat(columns)));
        lines.extend(time_axis(first, last, margin + 2, columns));
        lines.push(String::new());
        lines.join("\n")
    }

    fn title(&self, series: &Series) -> String {
        let (low, high) = extent(series.points.iter());
        let (low, high, count) = (self.number(low), self.number(high), series.points.len());
        let points = if count == 1 { "point" } else { "points" };
        let told = format!("{}: {count} {points}, {low} to {high}", visible(&self.field));
        match series.name.as_str() {
            "" => told,
            name => format!("{}  {told}", visible(name)),
        }
    }

    /// A value in the format of the field's type.
    fn number(&self, value: f64) -> String {
        let text = rounded(value);
        let whole = text.strip_suffix(".0").filter(|_| self.is_integer);
        whole.map_or_else(|| text.clone(), str::to_owned)
    }
}

impl Series {
    fn canvas(&self, scale: &Scale) -> Canvas {
        let mut points = self.points.clone();
        points.sort_by_key(|point| point.0);
        let gap = self::gap(&points);
        let mut canvas = Canvas::new(scale.columns, scale.rows);
        let mut before: Option<(i64, (usize, usize))> = None;
        for (time, value) in points {
            let dot = scale.dot(time, value);
            let from = before.filter(|(earlier, _)| time.saturating_sub(*earlier) <= gap);
            canvas.line(from.map_or(dot, |(_, dot)| dot), dot);
            before = Some((time, dot));
        }
        canvas
    }
}

/// The longest time between two neighbours that are still joined.
fn gap(points: &[(i64, f64)]) -> i64 {
    let mut gaps: Vec<i64> =
        points.windows(2).map(|pair| pair[1].0.saturating_sub(pair[0].0)).collect();
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).map_or(0, |median| median.saturating_mul(GAP_FACTOR))
}

/// Converts times and values to positions.
#[derive(Clone, Copy, Debug)]
struct Scale {
    first: i64,
    last: i64,
    low: f64,
    high: f64,
    columns: usize,
    rows: usize,
}

impl Scale {
    fn dot(&self, time: i64, value: f64) -> (usize, usize) {
        let across = i128::try_from(self.columns * Canvas::DOTS_WIDE - 1).unwrap_or(i128::MAX);
        let since = |time: i64| i128::from(time) - i128::from(self.first);
        let span = since(self.last).max(1);
        let x = (2 * since(time) * across + span) / (2 * span);
        let x = usize::try_from(x).unwrap_or(0);
        if self.low == self.high {
            // A constant has no extent, so it is drawn in the middle.
            return (x, self.rows / 2 * Canvas::DOTS_HIGH + 1);
        }
        // Halved first, so that the extent stays finite for the largest floats.
        let height = (value / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0);
        let down = self.rows * Canvas::DOTS_HIGH - 1;
        (x, down - nearest(height, down))
    }
}

/// `share`, from 0 to 1, of `whole`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of some dozen dots, clamped to them"
)]
fn nearest(share: f64, whole: usize) -> usize {
    (share.clamp(0.0, 1.0) * whole as f64).round() as usize
}

/// The minimum and the maximum; without points, an empty range.
fn extent<'a>(points: impl Iterator<Item = &'a (i64, f64)>) -> (f64, f64) {
    points.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (_, value)| {
        (low.min(*value), high.max(*value))
    })
}

/// The first time at the left, the last at the right; one below the other if both do not fit.
fn time_axis(first: i64, last: i64, margin: usize, columns: usize) -> Vec<String> {
    let [first, last] = [first, last].map(|nanos| UnixNanos(nanos).to_string());
    if first == last {
        return vec![format!("{:margin$}{first}", "")];
    }
    match columns.checked_sub(first.len() + last.len()) {
        Some(blanks) if blanks > 0 => vec![format!("{:margin$}{first}{:blanks$}{last}", "", "")],
        _ => vec![format!("{:margin$}{first}", ""), format!("{:margin$}{last:>columns$}", "")],
    }
}

#[expect(clippy::cast_precision_loss, reason = "a dot is far wider than what is lost")]
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Float(value) => Some(*value),
        Value::Integer(value) => Some(*value as f64),
        Value::Unsigned(value) => Some(*value as f64),
        _ => None,
    }
    .filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const START: i64 = 1_619_448_248 * SECOND;

    fn columns() -> Vec<Column> {
        vec![
            Column::new("time", ValueType::Timestamp),
            Column::new("vin", ValueType::String),
            Column::new("speed_kmh", ValueType::Float),
            Column::new("mode", ValueType::String),
        ]
    }

    fn row(second: i64, vin: &str, value: Value) -> Row {
        let time = Value::Timestamp(UnixNanos(START + second * SECOND));
        vec![time, Value::String(vin.to_owned()), value, Value::Null]
    }

    fn plot(rows: &[Row]) -> Plot {
        let mut columns = columns();
        columns[2].kind = rows.iter().find_map(|row| row[2].kind()).unwrap_or(ValueType::Float);
        let mut plot = Plot::new(&columns, "speed_kmh").expect("a field");
        rows.iter().for_each(|row| plot.add(row));
        plot
    }

    #[track_caller]
    fn check(rows: &[Row], width: usize, expect: &str) {
        let drawn = plot(rows).draw(width);
        assert_eq!(drawn, expect, "\n{drawn}");
    }

    #[test]
    fn a_drive_goes_up_and_down_and_a_gap_stays_open() {
        let speeds = [0.0, 10.0, 20.0, 40.0, 50.0, 50.0, 30.0, 10.0];
        let mut rows: Vec<Row> = (0..)
            .zip(speeds)
            .map(|(second, speed)| row(second, "V1", Value::Float(speed)))
            .collect();
        rows.push(row(20, "V1", Value::Float(10.0)));
        rows.push(row(21, "V1", Value::Float(0.5)));
        // Neither row is a point.
        rows.push(row(22, "V1", Value::Null));
        rows.push(row(22, "V1", Value::Float(f64::NAN)));
        let expect = "\
V1  speed_kmh: 10 points, 0.0 to 50.0
50.0 ┤       ⢀⠎⠉⠙⡄
     │      ⢠⠊   ⢣
     │     ⢠⠃    ⠘⡄
     │     ⡜      ⢣
     │    ⢠⠃      ⠘⡄
     │    ⡜        ⢣
     │   ⡰⠁        ⠘⡄
     │  ⡰⠁          ⢣                          ⢀
     │ ⡰⠁                                       ⢣
 0.0 ┤⡰⠁                                         ⢣
     └────────────────────────────────────────────
      2021-04-26T14:44:08Z    2021-04-26T14:44:29Z
";
        check(&rows, 50, expect);
        rows.reverse();
        check(&rows, 50, expect);
    }

    #[test]
    fn vehicles_share_both_axes() {
        let rows: Vec<Row> = (0..30)
            .flat_map(|second| {
                let high = Value::Integer(second % 10);
                [row(second, "V1", Value::Integer(second)), row(second, "V\u{1b}2", high)]
            })
            .collect();
        check(
            &rows,
            60,
            "\
V1  speed_kmh: 30 points, 0 to 29
29 ┤                                               ⣀⣀⠤⠤⠤⠔⠒⠊⠉
   │                                     ⢀⣀⡠⠤⠤⠤⠒⠒⠉⠉
   │                            ⣀⡠⠤⠤⠤⠔⠒⠊⠉⠁
   │                  ⣀⣀⠤⠤⠒⠒⠒⠒⠉⠉
   │        ⢀⣀⡠⠤⠔⠒⠒⠒⠊⠉
 0 ┤⣀⠤⠤⠒⠒⠒⠊⠉⠁
V\\u{1b}2  speed_kmh: 30 points, 0 to 9
29 ┤
   │
   │
   │
   │        ⢀⣀⡠⠤⠔⠒⠒⠒⠊⠱⡀         ⣀⡠⠤⠔⠒⠒⠒⠊⠉⢆         ⣀⣀⠤⠤⠒⠒⠒⠊⠉
 0 ┤⣀⠤⠤⠒⠒⠒⠊⠉⠁         ⠱⣀⠤⠤⠒⠒⠒⠒⠉⠉         ⠈⢆⡠⠤⠒⠒⠒⠒⠉⠉
   └────────────────────────────────────────────────────────
    2021-04-26T14:44:08Z                2021-04-26T14:44:37Z
",
        );
    }

    #[test]
    fn one_point_and_a_constant_have_their_place() {
        check(
            &[row(0, "V1", Value::Float(3.5))],
            40,
            "\
V1  speed_kmh: 1 point, 3.5 to 3.5
    │
    │
    │
    │
    │
3.5 ┤⠂
    │
    │
    │
    │
    └───────────────────────────────────
     2021-04-26T14:44:08Z
",
        );
        check(
            &[row(0, "", Value::Float(-1.0)), row(5, "", Value::Float(-1.0))],
            10,
            "\
speed_kmh: 2 points…
     │
     │
     │
     │
     │
-1.0 ┤⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒
     │
     │
     │
     │
     └────────────────────
      2021-04-26T14:44:08Z
      2021-04-26T14:44:13Z
",
        );
        check(&[], 80, "");
    }

    #[test]
    fn the_greatest_floats_have_a_height() {
        let rows = [row(0, "", Value::Float(f64::MIN)), row(1, "", Value::Float(f64::MAX))];
        let drawn = plot(&rows).draw(60);
        assert!(
            drawn.starts_with("speed_kmh: 2 points, -1.797693e308 to 1.797693e308\n"),
            "{drawn}"
        );
    }

    #[test]
    fn more_series_than_fit_are_told() {
        let rows: Vec<Row> = (0..9).map(|n| row(n, &format!("V{n}"), Value::Integer(n))).collect();
        let plot = plot(&rows);
        let note = "the first 6 series are drawn, 3 more are not; ask for fewer";
        assert_eq!(plot.note().as_deref(), Some(note));
        let drawn = plot.draw(80);
        assert!(drawn.contains("V5  ") && !drawn.contains("V6"), "{drawn}");
    }

    #[test]
    fn what_cannot_be_plotted_is_told() {
        let told = |columns: &[Column], field| Plot::new(columns, field).map(drop).unwrap_err();
        assert_eq!(
            told(&columns(), "sped").to_string(),
            "the answer has no column `sped` to plot; it has time, vin, speed_kmh, mode"
        );
        assert_eq!(
            told(&columns(), "mode").to_string(),
            "`mode` is a string; only numbers can be plotted"
        );
        assert_eq!(told(&columns()[1..], "speed_kmh"), PlotError::NoTime);
    }
}
