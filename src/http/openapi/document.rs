//! The whole document.

use axum::Json;
use serde_json::{Value, json};

use super::{paths::paths, shapes::schemas};

const ABOUT: &str = "\
Time-series ingestion for vehicle fleets: MQTT in, durable before acknowledged, into a database, \
and out again by query.

Times are RFC 3339 in UTC with as many decimals as they have, where no parameter asks for numbers. \
Lists come in pages of `limit`; `after` of one answer asks for the next and is opaque. Errors have \
one shape, `{\"error\":{\"code\",\"message\",\"details\"}}`, and codes are stable. An answer is \
either whole or an error; one that fails after its first bytes ends by closing the connection in \
the middle of its body. An unknown parameter is refused.

Where tokens are asked for, each has a role, of which `x-role` of an operation names the least: \
`read` asks, `command` also sends commands, `admin` does everything. A token that is limited to \
vehicles sees and addresses those only; operations with `x-fleet` are not for it. What changes \
something is sent as `application/json`.";

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
            { "name": "operation", "description": "How the appliance is." },
            { "name": "vehicles", "description": "Who is there, and what was last heard." },
            { "name": "sessions", "description": "MQTT sessions." },
            { "name": "commands", "description": "What vehicles are told, and what became of it." },
            { "name": "pushes", "description": "What a question's rows told vehicles." },
            { "name": "queries", "description": "What the store has." },
            { "name": "dead-letters", "description": "What was set aside." },
        ],
        "paths": paths(),
        "security": [{ "token": [] }],
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Asked for where `auth.tokens` names a file; `fleetline token \
                                    create` makes one.",
                },
            },
            "schemas": schemas(),
            "responses": {
                "Error": {
                    "description": "It was not answered; `code` says why.",
                    "content": { "application/json": { "schema": {
                        "$ref": "#/components/schemas/Error",
                    } } },
                },
            },
        },
    })
}
