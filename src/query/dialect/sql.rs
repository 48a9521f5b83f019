//! SQL: InfluxDB 3's (DataFusion) and the embedded store's (SQLite).
//!
//! The store applies order, limit and `after`. `first` and `last` are window functions, because
//! there is no such aggregate that both stores have.

use std::fmt::Write as _;

use crate::{
    model::{UnixNanos, Value, ValueType},
    query::{
        dialect::{Layout, Translated},
        question::{Field, Question},
        request::{Function, Order},
    },
    store::{Language, StoreQuery},
};

/// The differences between the two.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialect {
    /// A moment.
    moment: fn(i64) -> String,
    /// The start of the window, of this many nanoseconds, that contains a point.
    window: fn(i64) -> String,
    /// The sum of a column of integers; past 64 bits it wraps, as the overflow check expects.
    sum: fn(&str) -> String,
}

/// InfluxDB 3: time is a timestamp of nanoseconds.
pub(super) const INFLUXDB3: Dialect = Dialect {
    moment: |nanos| format!("to_timestamp_nanos({nanos})"),
    window: |every| {
        format!("date_bin(INTERVAL '{every} nanoseconds', \"time\", to_timestamp_nanos(0))")
    },
    sum: |column| format!("sum({column})"),
};

/// The embedded store: time is an integer of nanoseconds.
pub(super) const SQLITE: Dialect = Dialect {
    moment: |nanos| nanos.to_string(),
    // The remainder of a negative number is negative, but its window must begin before it.
    window: |every| format!("(\"time\" - ((\"time\" % {every}) + {every}) % {every})"),
    // SQLite's own `SUM` fails on overflow. Upper and lower halves are added separately; no number
    // of rows that fits on a disk brings these sums past 64 bits. The shift drops the overflow.
    sum: |column| {
        let low = format!("sum({column} & 4294967295)");
        format!("(((sum({column} >> 32) + ({low} >> 32)) << 32) | ({low} & 4294967295))")
    },
};

/// The measurements of InfluxDB 3.
pub(super) const MEASUREMENTS: &str =
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'iox'";

/// The columns of one of them, with their types.
pub(super) fn typed_columns(measurement: &str) -> StoreQuery {
    let mut ask = StoreQuery::new(
        Language::Sql,
        "SELECT column_name, data_type FROM information_schema.columns \
         WHERE table_name = $measurement",
    );
    ask.params = vec![("measurement".to_owned(), Value::String(measurement.to_owned()))];
    ask
}

pub(super) fn known_columns(question: &Question) -> StoreQuery {
    let mut ask = StoreQuery::new(
        Language::Sql,
        "SELECT column_name FROM information_schema.columns WHERE table_name = $measurement",
    );
    ask.params = vec![("measurement".to_owned(), Value::String(question.measurement.clone()))];
    ask
}

/// The parts of a statement that all queries share.
struct Writer<'a> {
    question: &'a Question,
    dialect: Dialect,
    known: Option<&'a [String]>,
    params: Vec<(String, Value)>,
}

/// `None` if the store has none of the fields.
pub(super) fn translate(
    question: &Question,
    dialect: Dialect,
    known: Option<&[String]>,
) -> Option<Translated> {
    let mut writer = Writer { question, dialect, known, params: Vec::new() };
    if !question.fields.iter().any(|field| writer.has(&field.name)) {
        return None;
    }
    let layout = Layout {
        time: question_has_time(question).then(|| "t".to_owned()),
        vehicle: "t0".to_owned(),
        tags: (1..=question.tags.len()).map(|at| format!("t{at}")).collect(),
        fields: (0..question.fields.len()).map(|at| format!("f{at}")).collect(),
        ..Layout::default()
    };
    let inner = match question.function {
        None => writer.points(),
        Some(Function::First | Function::Last) => writer.edges(),
        Some(function) => writer.windows(function),
    };
    let text = writer.page(&inner);
    let mut ask = StoreQuery::new(Language::Sql, text);
    ask.params = writer.params;
    Some(Translated { ask, layout })
}

fn question_has_time(question: &Question) -> bool {
    question.function.is_none() || question.every.is_some()
}

impl Writer<'_> {
    fn has(&self, column: &str) -> bool {
        self.known.is_none_or(|known| known.iter().any(|known| known == column))
    }

    /// A column, or null if the store has no column of that name yet.
    fn column(&self, column: &str) -> String {
        if self.has(column) { name(column) } else { "NULL".to_owned() }
    }

    /// A tag; an absent tag is an empty text.
    fn tag(&self, tag: &str) -> String {
        if self.has(tag) { format!("coalesce({}, '')", name(tag)) } else { "''".to_owned() }
    }

    fn time(&self) -> String {
        match self.question.every {
            Some(every) if self.question.function.is_some() => (self.dialect.window)(every),
            _ if self.question.function.is_none() => "\"time\"".to_owned(),
            _ => (self.dialect.moment)(self.question.from.0),
        }
    }

    fn bind(&mut self, value: &str) -> String {
        let name = format!("p{}", self.params.len());
        self.params.push((name.clone(), Value::String(value.to_owned())));
        format!("${name}")
    }

    fn source(&mut self) -> String {
        let (from, to) = self.question.rest();
        let moment = |at: UnixNanos| (self.dialect.moment)(at.0);
        let mut text = format!(
            "FROM {} WHERE \"time\" >= {} AND \"time\" < {}",
            name(&self.question.measurement),
            moment(from),
            moment(to)
        );
        let question = self.question;
        for (tag, values) in &question.filters {
            let bound: Vec<String> = values.iter().map(|value| self.bind(value)).collect();
            // The column itself, so that the store can use its index; an absent tag counts as
            // empty.
            let column = self.column(tag);
            let absent = match values.iter().any(String::is_empty) {
                true => format!(" OR {column} IS NULL"),
                false => String::new(),
            };
            let bound = bound.join(", ");
            write!(text, " AND ({column} IN ({bound}){absent})").expect("it fits");
        }
        let there = |field: &&Field| self.has(&field.name);
        let some: Vec<String> = self
            .question
            .fields
            .iter()
            .filter(there)
            .map(|field| format!("{} IS NOT NULL", name(&field.name)))
            .collect();
        write!(text, " AND ({})", some.join(" OR ")).expect("it fits");
        text
    }

    fn points(&mut self) -> String {
        let mut columns = format!("{} AS t, {} AS t0", self.time(), self.vehicle());
        for (at, tag) in self.question.tags.iter().enumerate() {
            write!(columns, ", {} AS t{}", self.tag(tag), at + 1).expect("it fits");
        }
        for (at, field) in self.question.fields.iter().enumerate() {
            write!(columns, ", {} AS f{at}", self.column(&field.name)).expect("it fits");
        }
        format!("SELECT {columns} {}", self.source())
    }

    fn vehicle(&self) -> String {
        self.tag(&self.question.lead_tag)
    }

    /// The tags of a row's key.
    fn key_tags(&self) -> Vec<String> {
        let tags = std::iter::once(&self.question.lead_tag).chain(&self.question.tags);
        tags.map(|tag| self.tag(tag)).collect()
    }

    fn windows(&mut self, function: Function) -> String {
        let mut columns = format!("{} AS t, {} AS t0", self.time(), self.vehicle());
        for (at, field) in self.question.fields.iter().enumerate() {
            let column = match function {
                _ if !self.has(&field.name) => "NULL".to_owned(),
                Function::Mean => format!("avg({})", name(&field.name)),
                Function::Sum if self.question.as_float => {
                    format!("sum(CAST({} AS DOUBLE))", name(&field.name))
                }
                Function::Sum if field.answers == ValueType::Integer => {
                    (self.dialect.sum)(&name(&field.name))
                }
                function => format!("{}({})", function.as_str(), name(&field.name)),
            };
            write!(columns, ", {column} AS f{at}").expect("it fits");
        }
        let (time, tags) = (self.time(), self.key_tags());
        for (at, tag) in tags.iter().enumerate().skip(1) {
            write!(columns, ", {tag} AS t{at}").expect("it fits");
        }
        let group = match self.question.every {
            Some(_) => format!("{time}, {}", tags.join(", ")),
            None => tags.join(", "),
        };
        format!("SELECT {columns} {} GROUP BY {group}", self.source())
    }

    /// The first or last value of each field in each window.
    fn edges(&mut self) -> String {
        let is_last = self.question.function == Some(Function::Last);
        let direction = if is_last { "DESC" } else { "ASC" };
        let (time, tags) = (self.time(), self.key_tags());
        let mut columns = format!("{time} AS t");
        let mut picked = String::from("t");
        for (at, tag) in tags.iter().enumerate() {
            write!(columns, ", {tag} AS t{at}").expect("it fits");
            write!(picked, ", t{at}").expect("it fits");
        }
        let vehicle = tags.join(", ");
        for (at, field) in self.question.fields.iter().enumerate() {
            let column = match self.has(&field.name) {
                true => {
                    let field = name(&field.name);
                    format!(
                        "first_value({field}) OVER (PARTITION BY {time}, {vehicle} ORDER BY \
                         CASE WHEN {field} IS NULL THEN 1 ELSE 0 END, \"time\" {direction}, \
                         {field} DESC)"
                    )
                }
                false => "NULL".to_owned(),
            };
            write!(columns, ", {column} AS f{at}").expect("it fits");
            write!(picked, ", f{at}").expect("it fits");
        }
        format!("SELECT DISTINCT {picked} FROM (SELECT {columns} {})", self.source())
    }

    /// The rows after `after`, in order: as many as the page has, and one more.
    fn page(&mut self, inner: &str) -> String {
        let question = self.question;
        let (direction, beyond) = match question.order {
            Order::Ascending => ("ASC", ">"),
            Order::Descending => ("DESC", "<"),
        };
        let columns: Vec<String> = (0..=question.tags.len()).map(|at| format!("t{at}")).collect();
        let mut text = format!("SELECT * FROM ({inner}) AS q");
        if let Some(after) = &question.after {
            let moment = (self.dialect.moment)(after.time.0);
            let values = std::iter::once(&after.vehicle).chain(&after.tags);
            let mut behind = String::new();
            let mut equal = format!("t = {moment}");
            write!(behind, "t {beyond} {moment}").expect("it fits");
            for (column, value) in columns.iter().zip(values) {
                let value = self.bind(value);
                write!(behind, " OR {equal} AND {column} {beyond} {value}").expect("it fits");
                write!(equal, " AND {column} = {value}").expect("it fits");
            }
            write!(text, " WHERE {behind}").expect("it fits");
        }
        write!(text, " ORDER BY t {direction}").expect("it fits");
        for column in &columns {
            write!(text, ", {column} {direction}").expect("it fits");
        }
        write!(text, " LIMIT {}", question.limit + 1).expect("it fits");
        text
    }
}

/// A name in quotes.
fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
