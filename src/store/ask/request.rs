//! The parts of a request that asks, as pure values.

use serde_json::json;

use crate::{
    model::Value,
    store::ask::{decode::Decoder, terms::Ask},
};

/// One request, below a store's base address.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) struct Request {
    pub(in crate::store) path: &'static [&'static str],
    /// One more segment, where a database is named by it.
    pub(in crate::store) database: Option<String>,
    /// Query parameters, unescaped, in order.
    pub(in crate::store) query: Vec<(&'static str, String)>,
    pub(in crate::store) accept: &'static str,
    /// Sent with POST; without one it is a GET.
    pub(in crate::store) body: Option<Body>,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) enum Body {
    Json(serde_json::Value),
    /// A statement, as it is.
    Text(String),
}

/// How one protocol is asked.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) struct Asking {
    pub(in crate::store) request: Request,
    pub(in crate::store) decoder: Decoder,
}

/// Parameters as InfluxDB 1 and 3 bind them. Moments and unsigned integers go as the integers that
/// the languages have for them.
pub(super) fn params(ask: &Ask) -> serde_json::Value {
    let pairs = ask.params.iter().map(|(name, value)| {
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
