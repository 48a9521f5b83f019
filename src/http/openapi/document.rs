//! The whole document.

use axum::Json;
use serde_json::{Value, json};

use super::{paths::paths, shapes::schemas};

const ABOUT: &str = "\
Time-series ingestion for vehicle fleets: MQTT in, durable before acknowledged, into a database, \
and out again by query.

Times are RFC 3339 in UTC with as many decimals as they have, unless a parameter asks for numbers. \
Lists come in pages of `limit`; the opaque `after` of one answer asks for the next. Errors have \
one shape, `{\"error\":{\"code\",\"message\",\"details\"}}`, and codes are stable. An answer is \
either whole or an error; if it fails after its first bytes, the connection is closed in the \
middle of its body. An unknown parameter is refused.

If tokens are required, each has a role, and `x-role` of an operation names the lowest that \
suffices: `read` queries, `command` also sends commands, `admin` does everything. A token limited \
to vehicles sees and addresses only those, and is refused for operations with `x-fleet`. Requests \
that change something are sent as `application/json`.";

/// `GET /openapi.json`.
pub(in crate::http) async fn serve() -> Json<Value> {
    Json(document())
}

pub(super) fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Fleetline",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{ "url": "/" }],
        "tags": [
            { "name": "operation", "description": "Health and metrics." },
            { "name": "vehicles", "description": "Vehicles and their last points." },
            { "name": "sessions", "description": "MQTT sessions." },
            { "name": "commands", "description": "Commands to vehicles and their states." },
            { "name": "pushes", "description": "Commands to the vehicles of a query's rows." },
            { "name": "queries", "description": "Queries of stored points." },
            { "name": "dead-letters", "description": "Messages and points set aside." },
        ],
        "paths": paths(),
        "security": [{ "token": [] }],
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Required if `auth.tokens` names a file; `fleetline token \
                                    create` makes a token.",
                },
            },
            "schemas": schemas(),
            "responses": {
                "Error": {
                    "description": "The request failed; `code` says why.",
                    "content": { "application/json": { "schema": {
                        "$ref": "#/components/schemas/Error",
                    } } },
                },
            },
        },
    })
}
