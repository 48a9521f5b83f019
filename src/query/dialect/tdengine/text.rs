//! A query as text, with names quoted and values as parameters.

use std::fmt::Write as _;

use crate::{
    model::{UnixNanos, Value},
    query::{
        dialect::{Layout, Translated},
        question::{Field, Question},
        request::{Function, Order},
    },
    store::{Language, StoreQuery, StoreQueryError, Table},
};

/// The query for a table, up to the end of the page; `None` if no row can result.
pub(in crate::query) fn translate(
    question: &Question,
    table: &Table,
    end: Option<UnixNanos>,
) -> Result<Option<Translated>, StoreQueryError> {
    let Some(mut writer) = Writer::new(question, table)? else { return Ok(None) };
    let (mut from, mut to) = question.rest();
    match (end, question.order) {
        (None, _) => {}
        (Some(end), Order::Ascending) => to = to.min(end.saturating_add(1)),
        (Some(end), Order::Descending) => from = from.max(end),
    }
    let text = match (question.function, question.every) {
        (None, _) => writer.points(from, to)?,
        (Some(function), every) => writer.windows(function, every, from, to)?,
    };
    let has_time = question.function.is_none() || question.every.is_some();
    let mut ask = StoreQuery::new(Language::Sql, text);
    ask.params = writer.params;
    let layout = Layout {
        time: has_time.then(|| TIME.to_owned()),
        vehicle: tag_alias(0),
        tags: (1..=question.tags.len()).map(tag_alias).collect(),
        fields: (0..question.fields.len()).map(field_alias).collect(),
        ..Layout::default()
    };
    Ok(Some(Translated { ask, layout }))
}

/// The query for the last moment of the page and one row after it: later rows need not be read. Its
/// answer is empty if the whole range fits. There is none for windows, which must be computed to be
/// counted.
pub(in crate::query) fn page_end(
    question: &Question,
    table: &Table,
) -> Result<Option<StoreQuery>, StoreQueryError> {
    if question.function.is_some() {
        return Ok(None);
    }
    let Some(mut writer) = Writer::new(question, table)? else { return Ok(None) };
    let (mut from, mut to) = question.rest();
    // Rows at the moment of `after` may belong to the previous page, so none of them counts.
    match (&question.after, question.order) {
        (None, _) => {}
        (Some(after), Order::Ascending) => from = from.max(after.time.saturating_add(1)),
        (Some(after), Order::Descending) => to = to.min(after.time),
    }
    let (source, order) = (writer.source(from, to)?, writer.order());
    let (time, limit) = (&writer.time, question.limit);
    let text =
        format!("SELECT {time} AS {TIME} {source} ORDER BY {time} {order} LIMIT 1 OFFSET {limit}");
    let mut ask = StoreQuery::new(Language::Sql, text);
    ask.params = writer.params;
    Ok(Some(ask))
}

/// The alias of a row's time: like those of tags and fields none that anybody calls a field.
const TIME: &str = "q_time";

fn tag_alias(at: usize) -> String {
    format!("q_t{at}")
}

fn field_alias(at: usize) -> String {
    format!("q_f{at}")
}

/// The parts of a statement that all queries share.
struct Writer<'a> {
    question: &'a Question,
    table: &'a Table,
    /// The time's column, quoted.
    time: String,
    params: Vec<(String, Value)>,
}

impl<'a> Writer<'a> {
    /// `None` if the table has none of the fields, or none of the requested vehicles.
    fn new(question: &'a Question, table: &'a Table) -> Result<Option<Self>, StoreQueryError> {
        let Some(time) = table.columns.first() else { return Ok(None) };
        let writer = Self { question, table, time: name(time)?, params: Vec::new() };
        let has_some = question.fields.iter().any(|field| writer.has(&field.name));
        let can_match = |(tag, values): &(String, Vec<String>)| {
            writer.has(tag) || values.iter().any(String::is_empty)
        };
        let has_all = question.filters.iter().all(can_match);
        Ok((has_some && has_all).then_some(writer))
    }

    /// Whether it is a column of the table; the time column cannot be requested.
    fn has(&self, column: &str) -> bool {
        self.table.columns[1..].iter().any(|known| known == column)
    }

    fn order(&self) -> &'static str {
        match self.question.order {
            Order::Ascending => "ASC",
            Order::Descending => "DESC",
        }
    }

    /// The fields that the table has, with their indexes in the query.
    fn fields(&self) -> impl Iterator<Item = (usize, &'a Field)> {
        let fields = self.question.fields.iter().enumerate();
        fields.filter(|(_, field)| self.has(&field.name))
    }

    fn source(&mut self, from: UnixNanos, to: UnixNanos) -> Result<String, StoreQueryError> {
        let question = self.question;
        let time = self.time.clone();
        let table = name(&self.table.name)?;
        let mut text = format!("FROM {table} WHERE {time} >= {} AND {time} < {}", from.0, to.0);
        self.params.clear();
        for (tag, values) in &question.filters {
            if !self.has(tag) {
                continue;
            }
            let mut placeholders = Vec::new();
            for value in values {
                let placeholder = format!("p{}", self.params.len());
                placeholders.push(format!("${placeholder}"));
                self.params.push((placeholder, Value::String(value.clone())));
            }
            let tag = name(tag)?;
            // An absent tag is empty, and has no value there.
            let has_empty = values.iter().any(String::is_empty);
            let absent = if has_empty { format!(" OR {tag} IS NULL") } else { String::new() };
            let placeholders = placeholders.join(", ");
            write!(text, " AND ({tag} IN ({placeholders}){absent})").expect("it fits");
        }
        let some: Result<Vec<String>, StoreQueryError> = self
            .fields()
            .map(|(_, field)| Ok(format!("{} IS NOT NULL", name(&field.name)?)))
            .collect();
        write!(text, " AND ({})", some?.join(" OR ")).expect("it fits");
        Ok(text)
    }

    fn points(&mut self, from: UnixNanos, to: UnixNanos) -> Result<String, StoreQueryError> {
        let question = self.question;
        let source = self.source(from, to)?;
        let mut columns = format!("{} AS {TIME}", self.time);
        let tags = std::iter::once(&question.lead_tag).chain(&question.tags);
        for (at, tag) in tags.enumerate().filter(|(_, tag)| self.has(tag)) {
            write!(columns, ", {} AS {}", name(tag)?, tag_alias(at)).expect("it fits");
        }
        for (at, field) in self.fields() {
            write!(columns, ", {} AS {}", name(&field.name)?, field_alias(at)).expect("it fits");
        }
        let (time, order) = (&self.time, self.order());
        Ok(format!("SELECT {columns} {source} ORDER BY {time} {order}"))
    }

    fn windows(
        &mut self,
        function: Function,
        every: Option<i64>,
        from: UnixNanos,
        to: UnixNanos,
    ) -> Result<String, StoreQueryError> {
        let function = match function {
            Function::Mean => "AVG",
            Function::Min => "MIN",
            Function::Max => "MAX",
            Function::Sum => "SUM",
            Function::Count => "COUNT",
            Function::First => "FIRST",
            Function::Last => "LAST",
        };
        let source = self.source(from, to)?;
        let mut columns = Vec::new();
        if every.is_some() {
            columns.push(format!("_wstart AS {TIME}"));
        }
        let tags = std::iter::once(&self.question.lead_tag).chain(&self.question.tags).enumerate();
        let mut partition = Vec::new();
        for (at, tag) in tags.filter(|(_, tag)| self.has(tag)) {
            columns.push(format!("{} AS {}", name(tag)?, tag_alias(at)));
            partition.push(name(tag)?);
        }
        for (at, field) in self.fields() {
            let field = name(&field.name)?;
            let field = if self.question.as_float { format!("{field} * 1.0") } else { field };
            columns.push(format!("{function}({field}) AS {}", field_alias(at)));
        }
        let columns = columns.join(", ");
        let partition = match partition.is_empty() {
            true => String::new(),
            false => format!(" PARTITION BY {}", partition.join(", ")),
        };
        let order = self.order();
        Ok(match every {
            None => format!("SELECT {columns} {source}{partition}"),
            Some(every) => format!(
                "SELECT {columns} {source}{partition} INTERVAL({every}b) ORDER BY {TIME} {order}"
            ),
        })
    }
}

/// A name in backticks, inside which nothing can be escaped.
pub(in crate::query) fn name(name: &str) -> Result<String, StoreQueryError> {
    if name.contains(['`', '\0']) {
        let message = format!("TDengine's SQL cannot name `{name}`; ask for other fields");
        return Err(StoreQueryError::Refused { message });
    }
    Ok(format!("`{name}`"))
}
