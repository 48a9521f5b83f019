//! Runs a saved query once and writes its bounded answer as JSON.

use ring::digest::{Context, SHA256};
use serde_json::{Value as Json, json};

use crate::{
    downlink::{Downlink, prepare::RequestError, query_spec::QuerySpec},
    mapping::Condition,
    model::{Column, Row, UnixNanos, Value},
    query::{QueryError, push_json},
};

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(super) enum Failed {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error("it has more than {max} rows (query.topic-rows-max)")]
    Rows { max: usize },
    #[error("it has more than {max} bytes (query.topic-bytes-max)")]
    Bytes { max: usize },
}

impl Failed {
    /// The label for metrics and the payload.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Request(_) => "question",
            Self::Query(error) => error.reason(),
            Self::Rows { .. } => "rows",
            Self::Bytes { .. } => "bytes",
        }
    }
}

/// An answer as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    columns: String,
    rows: String,
    /// A digest of the content.
    digest: Vec<u8>,
}

impl Answer {
    /// Whether both have the same content.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        self.digest == other.digest
    }

    /// The payload to publish.
    pub(super) fn payload(&self, name: &str, at: Option<UnixNanos>, failing: &Json) -> String {
        let (name, at) = (json!(name), json!(at.map(|at| at.to_string())));
        let Self { columns, rows, .. } = self;
        format!(
            "{{\"name\":{name},\"at\":{at},\"columns\":[{columns}],\"rows\":[{rows}],\
             \"failing\":{failing}}}"
        )
    }
}

/// Builds an answer.
struct Writing<'q> {
    having: Option<&'q Condition>,
    /// The first column is the time of the query, which does not belong to the content.
    is_first_passed_over: bool,
    rows_max: usize,
    bytes_max: usize,
    answer: Answer,
    has_columns: bool,
    count: usize,
    digest: Context,
    failed: Option<Failed>,
}

impl Writing<'_> {
    fn columns(&mut self, columns: &[Column]) {
        if std::mem::replace(&mut self.has_columns, true) {
            return;
        }
        let told = columns
            .iter()
            .map(|column| json!({ "name": column.name, "type": column.kind.as_str() }).to_string());
        self.answer.columns = told.collect::<Vec<_>>().join(",");
        self.digest.update(self.answer.columns.as_bytes());
    }

    fn row(&mut self, columns: &[Column], row: &Row) {
        let value = |name: &str| {
            let at = columns.iter().position(|column| column.name == name)?;
            row.get(at).filter(|value| **value != Value::Null)
        };
        if self.failed.is_some() || self.having.is_some_and(|having| !having.holds(value)) {
            return;
        }
        self.count += 1;
        if self.count > self.rows_max {
            self.failed = Some(Failed::Rows { max: self.rows_max });
            return;
        }
        let rows = &mut self.answer.rows;
        rows.push_str(if rows.is_empty() { "[" } else { ",[" });
        for (at, value) in row.iter().enumerate() {
            if at > 0 {
                rows.push(',');
            }
            let from = rows.len();
            push_json(value, None, rows);
            if at > 0 || !self.is_first_passed_over {
                self.digest.update(&rows.as_bytes()[from..]);
            }
            self.digest.update(b",");
        }
        rows.push(']');
        if rows.len() > self.bytes_max {
            self.failed = Some(Failed::Bytes { max: self.bytes_max });
        }
    }
}

/// Runs a saved query once.
pub(super) async fn ask(
    downlink: &Downlink,
    question: &QuerySpec,
    having: Option<&Condition>,
    at: UnixNanos,
) -> Result<Answer, Failed> {
    let mut writing = Writing {
        having,
        is_first_passed_over: question.is_of_its_range(),
        rows_max: downlink.options.topic_rows_max,
        bytes_max: downlink.options.topic_bytes_max,
        answer: Answer::default(),
        has_columns: false,
        count: 0,
        digest: Context::new(&SHA256),
        failed: None,
    };
    let see = |columns: &[Column], row: Option<Row>| {
        writing.columns(columns);
        if let Some(row) = row {
            writing.row(columns, &row);
        }
    };
    let asked: Result<Json, Failed> = question.run(&downlink.queries, at, see).await;
    asked?;
    match writing.failed {
        Some(failed) => Err(failed),
        None => {
            let digest = writing.digest.finish().as_ref().to_vec();
            Ok(Answer { digest, ..writing.answer })
        }
    }
}
