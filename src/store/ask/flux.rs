//! InfluxDB 2: `POST /api/v2/query` in Flux, parameters as a syntax tree beside the text.
//!
//! `extern` is a parsed file that the server puts in front of the text's own: here one that says
//! `params = {…}`. So values never become text, and the text keeps its first line for its imports.
//! The `params` of the request itself are InfluxDB Cloud's and are ignored by the open server.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::{
    model::Value,
    store::{
        ask::{
            annotated::FluxRows,
            decode::Decoder,
            request::{Asking, Body, Request},
            terms::Ask,
        },
        options::InfluxDb2,
    },
};

pub(super) fn asking(options: &InfluxDb2, ask: &Ask) -> Asking {
    let mut body = json!({
        "query": ask.text,
        "type": "flux",
        // Without this the answer does not tell its types.
        "dialect": { "header": true, "annotations": ["datatype", "group", "default"] },
    });
    if !ask.params.is_empty() {
        body["extern"] = file(&ask.params);
    }
    let request = Request {
        path: &["api", "v2", "query"],
        database: None,
        query: vec![("org", options.org.clone())],
        accept: "application/csv",
        body: Some(Body::Json(body)),
    };
    Asking { request, decoder: Decoder::Flux(FluxRows::default()) }
}

/// `params = {…}` as the syntax tree of a file. A null is left out: `exists params.name` is false.
fn file(params: &[(String, Value)]) -> Json {
    let properties: Vec<Json> = params
        .iter()
        .filter_map(|(name, value)| {
            let key = json!({ "type": "StringLiteral", "value": name });
            Some(json!({ "type": "Property", "key": key, "value": literal(value)? }))
        })
        .collect();
    json!({
        "type": "File", "package": null, "imports": null,
        "body": [{
            "type": "VariableAssignment",
            "id": { "type": "Identifier", "name": "params" },
            "init": { "type": "ObjectExpression", "properties": properties },
        }],
    })
}

/// Integers go as text in the tree, so that none is rounded on its way.
fn literal(value: &Value) -> Option<Json> {
    let (kind, value) = match value {
        Value::Null => return None,
        Value::Timestamp(at) => {
            let at = Timestamp::from_nanosecond(i128::from(at.0)).ok()?;
            ("DateTimeLiteral", json!(at.to_string()))
        }
        Value::Float(value) => ("FloatLiteral", json!(value)),
        Value::Integer(value) => ("IntegerLiteral", json!(value.to_string())),
        Value::Unsigned(value) => ("UnsignedIntegerLiteral", json!(value.to_string())),
        Value::Boolean(value) => ("BooleanLiteral", json!(value)),
        Value::String(value) => ("StringLiteral", json!(value)),
    };
    Some(json!({ "type": kind, "value": value }))
}
