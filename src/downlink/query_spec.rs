//! The query of a push or saved query: portable, or in one of the store's languages; and `having`,
//! a condition on the answer's columns.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value as Json, json};

use super::prepare::{RequestError, wrong};
use crate::{
    mapping::Condition,
    model::{Column, Row, UnixNanos, Value},
    query::{
        self, Function, Language, Order, Part, QueryEngine, QueryError, QueryRequest,
        StoreQueryError as StoreError,
    },
};

/// How far back a range without `from` reaches.
const FROM: &str = "-1h";
/// An arbitrary time, at which relative ranges are checked.
pub(super) const CHECKED_AT: UnixNanos = UnixNanos(1_793_491_200_000_000_000);

/// A query.
#[derive(Clone, Debug)]
pub(super) enum QuerySpec {
    Portable(Box<Portable>),
    Native(query::StoreQuery),
}

/// A portable query whose range is relative to its run.
#[derive(Clone, Debug)]
pub(super) struct Portable {
    request: QueryRequest,
    from: String,
    to: String,
    /// The query as it was written.
    shown: Json,
}

impl Portable {
    /// The query of one run, and its JSON form.
    pub(super) fn at(&self, now: UnixNanos) -> Result<(QueryRequest, Json), RequestError> {
        let moment = |member: &str, text: &str| {
            query::moment(text, now, None)
                .map_err(|what| wrong("query", format!("`{member}`: `{text}` {what}")))
        };
        let (from, to) = (moment("from", &self.from)?, moment("to", &self.to)?);
        let mut shown = self.shown.clone();
        shown["from"] = json!(from.to_string());
        shown["to"] = json!(to.to_string());
        Ok((QueryRequest { from, to, ..self.request.clone() }, shown))
    }
}

impl QuerySpec {
    /// Parses a query and its `having`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(query: &Json) -> Result<(Self, Option<Condition>), RequestError> {
        let (question, having) =
            if query.get("language").is_some() { native(query)? } else { portable(query)? };
        let having = having.map(|text| {
            let read = Condition::parse(&text);
            let shown = |what: String| format!("`having`: {}", what.replace("`when`: ", ""));
            read.map_err(|what| wrong("query", shown(what)))
        });
        Ok((question, having.transpose()?))
    }

    pub(super) fn is_native(&self) -> bool {
        matches!(self, Self::Native(_))
    }

    /// Whether the time of its rows is only the beginning of its range.
    pub(super) fn is_of_its_range(&self) -> bool {
        match self {
            Self::Portable(portable) => {
                portable.request.function.is_some() && portable.request.every.is_none()
            }
            Self::Native(_) => false,
        }
    }

    /// Runs the query. `see` is called with the columns and each row; if there is no row, with the
    /// columns only. Returns the JSON form of the query that ran.
    pub(super) async fn run<E: From<RequestError> + From<QueryError>>(
        &self,
        queries: &QueryEngine,
        at: UnixNanos,
        mut see: impl FnMut(&[Column], Option<Row>),
    ) -> Result<Json, E> {
        match self {
            Self::Portable(portable) => {
                let (request, shown) = portable.at(at)?;
                let asked = queries.every_row(request, |columns, row| see(columns, Some(row)));
                let columns = asked.await?;
                see(&columns, None);
                Ok(shown)
            }
            Self::Native(ask) => {
                let shown = json!({ "language": ask.language.as_str(), "text": ask.text });
                let mut answer = queries.native(ask.clone()).await?;
                // Some stores send no columns if there is no row.
                if !answer.columns.is_empty() {
                    see(&answer.columns, None);
                }
                loop {
                    let Some(part) = answer.parts.recv().await else {
                        let reason = "the answer was cut off".to_owned();
                        return Err(QueryError::Store(StoreError::Broken { reason }).into());
                    };
                    match part.map_err(QueryError::Store)? {
                        Part::Rows(rows) => {
                            rows.into_iter().for_each(|row| see(&answer.columns, Some(row)));
                        }
                        Part::End { .. } => return Ok(shown),
                    }
                }
            }
        }
    }
}

/// The members of a portable query.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct PortableRequest {
    measurement: String,
    /// Only these vehicles.
    #[serde(default)]
    vehicles: Vec<String>,
    /// Only these values of tags.
    #[serde(default)]
    tags: Map<String, Json>,
    #[serde(default)]
    fields: Vec<String>,
    from: Option<String>,
    to: Option<String>,
    every: Option<String>,
    #[serde(rename = "fn")]
    function: Option<String>,
    order: Option<String>,
    having: Option<String>,
}

/// The members of a query in one of the store's languages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct NativeRequest {
    language: String,
    text: String,
    #[serde(default)]
    params: Map<String, Json>,
    having: Option<String>,
}

/// The members of `query`.
fn read<T: DeserializeOwned>(query: &Json) -> Result<T, RequestError> {
    serde_json::from_value(query.clone())
        .map_err(|error| wrong("query", format!("`query`: {error}")))
}

fn native(query: &Json) -> Result<(QuerySpec, Option<String>), RequestError> {
    let NativeRequest { language, text, params, having } = read(query)?;
    let spoken: Language = language.parse().map_err(|()| {
        let words: Vec<&str> = Language::ALL.iter().map(|it| it.as_str()).collect();
        wrong("query", format!("`language` is `{language}`; expected {}", words.join(", ")))
    })?;
    let mut ask = query::StoreQuery::new(spoken, text);
    for (name, value) in params {
        let value = match value {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Boolean(value),
            Json::String(text) => Value::String(text),
            Json::Number(ref number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(number), ..) => Value::Integer(number),
                (_, Some(number), _) => Value::Unsigned(number),
                (.., Some(number)) => Value::Float(number),
                _ => return Err(wrong("query", format!("parameter `{name}` is no number"))),
            },
            Json::Array(_) | Json::Object(_) => {
                return Err(wrong("query", format!("parameter `{name}` is no single value")));
            }
        };
        ask.params.push((name, value));
    }
    Ok((QuerySpec::Native(ask), having))
}

fn portable(query: &Json) -> Result<(QuerySpec, Option<String>), RequestError> {
    let asked: PortableRequest = read(query)?;
    let shown = |member: &str, text: &str, expected: &str| {
        wrong("query", format!("`{member}` is `{text}`; expected {expected}"))
    };
    let function = asked.function.as_deref().map(|word| {
        let known = Function::ALL.iter().copied().find(|it| it.as_str() == word);
        let words: Vec<&str> = Function::ALL.iter().map(|it| it.as_str()).collect();
        known.ok_or_else(|| shown("fn", word, &words.join(", ")))
    });
    let order = match asked.order.as_deref() {
        None | Some("asc") => Order::Ascending,
        Some("desc") => Order::Descending,
        Some(other) => return Err(shown("order", other, "asc or desc")),
    };
    let every = asked.every.as_deref().map(|text| {
        query::every(text).map_err(|what| wrong("query", format!("`every`: `{text}` {what}")))
    });
    let request = QueryRequest {
        measurement: asked.measurement,
        vehicles: asked.vehicles,
        tags: tags(asked.tags)?,
        fields: asked.fields,
        every: every.transpose()?,
        function: function.transpose()?,
        order,
        limit: QueryRequest::LIMIT_MAX,
        ..QueryRequest::default()
    };
    let portable = Portable {
        request,
        from: asked.from.unwrap_or_else(|| FROM.to_owned()),
        to: asked.to.unwrap_or_else(|| "now".to_owned()),
        shown: query.clone(),
    };
    // An invalid time is reported before anything is queried.
    portable.at(CHECKED_AT)?;
    Ok((QuerySpec::Portable(Box::new(portable)), asked.having))
}

fn tags(tags: Map<String, Json>) -> Result<Vec<(String, Vec<String>)>, RequestError> {
    let mut read = Vec::new();
    for (tag, values) in tags {
        let values = match values {
            Json::String(value) => vec![value],
            values => serde_json::from_value(values).map_err(|_no_texts| {
                wrong("query", format!("`tags`: `{tag}` is neither a text nor a list of texts"))
            })?,
        };
        read.push((tag, values));
    }
    Ok(read)
}
