//! The parts of a query request, as pure values.

use serde_json::json;

use crate::{
    model::Value,
    store::query::{decode::Decoder, terms::StoreQuery},
};

/// One request, below a store's base address.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) struct Request {
    pub(in crate::store) path: &'static [&'static str],
    /// One more path segment, if the path names a database.
    pub(in crate::store) database: Option<String>,
    /// Query parameters, unescaped, in order.
    pub(in crate::store) query: Vec<(&'static str, String)>,
    pub(in crate::store) accept: &'static str,
    /// Sent with POST; without one it is a GET.
    pub(in crate::store) body: Option<Body>,
}

/// The body of a request.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) enum Body {
    Json(serde_json::Value),
    /// A statement, as text.
    Text(String),
}

/// The query side of one protocol.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) struct QueryProtocol {
    pub(in crate::store) request: Request,
    pub(in crate::store) decoder: Decoder,
}

/// Parameters as InfluxDB 1 and 3 bind them. Timestamps and unsigned integers are sent as integers
/// of the language.
pub(super) fn params(query: &StoreQuery) -> serde_json::Value {
    let pairs = query.params.iter().map(|(name, value)| {
        let value = match value {
            Value::Null => serde_json::Value::Null,
            Value::Timestamp(at) => json!(at.0),
            Value::Float(value) => json!(value),
            Value::Integer(value) => json!(value),
            Value::Unsigned(value) => json!(value),
            Value::Boolean(value) => json!(value),
            Value::String(value) => json!(value),
        };
        (name.clone(), value)
    });
    serde_json::Value::Object(pairs.collect())
}
