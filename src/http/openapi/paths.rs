//! The paths, with their parameters.

use axum::http::Method;
use serde_json::{Map, Value, json};

use super::{commands, pushes, sessions};
use crate::{
    http::{dead_letters, routes, telemetry, vehicles},
    query::{Function, QueryRequest},
    telemetry::Exposition,
};

/// The parameter for the next page.
pub(super) const AFTER: &str = "The `after` of the previous page.";

/// One method of one path.
#[derive(Clone)]
pub(super) struct Operation {
    pub(super) path: &'static str,
    pub(super) method: &'static str,
    pub(super) id: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) parameters: Vec<Value>,
    pub(super) body: Option<&'static str>,
    pub(super) answers: Value,
}

pub(super) fn paths() -> Value {
    let mut paths = Map::new();
    let routes = [
        operation_routes(),
        vehicle_routes(),
        query_routes(),
        measurement_routes(),
        dead_letter_routes(),
        sessions::routes(),
        commands::routes(),
        pushes::routes(),
    ]
    .concat();
    for operation in routes {
        let Operation { path, method, id, tag, summary, parameters, body, answers } = operation;
        let mut description = json!({
            "operationId": id,
            "tags": [tag],
            "summary": summary,
            "parameters": parameters,
            "responses": answers,
        });
        for range in ["4XX", "5XX"] {
            description["responses"][range] = json!({ "$ref": "#/components/responses/Error" });
        }
        describe_role(path, method, &mut description);
        if let Some(schema) = body {
            description["requestBody"] = json!({ "required": true, "content": content(schema) });
        }
        let methods = paths.entry(path).or_insert_with(|| json!({}));
        methods[method] = description;
    }
    paths.into()
}

/// Adds the role that a request needs, as the router requires it.
fn describe_role(path: &str, method: &str, description: &mut Value) {
    let method = method.to_uppercase().parse().unwrap_or(Method::GET);
    let needs = routes::routes().into_iter().find(|(known, ..)| *known == path);
    let Some(needs) = needs.map(|(_, _, needs)| needs) else { return };
    match needs.role(&method) {
        Some(role) => description["x-role"] = json!(role),
        None => description["security"] = json!([]),
    }
    if needs.is_for_fleet() {
        description["x-fleet"] = json!(true);
    }
}

fn operation_routes() -> Vec<Operation> {
    let get = |path, id, summary, answers| Operation {
        path,
        method: "get",
        id,
        tag: "operation",
        summary,
        parameters: Vec::new(),
        body: None,
        answers,
    };
    let (plain, openmetrics) =
        (Exposition::Text.content_type(), Exposition::OpenMetrics.content_type());
    vec![
        get("/healthz", "healthz", "Alive: the process serves at all.", answer("Health")),
        get(
            "/readyz",
            "readyz",
            "Ready: every critical component is; each that is not has a reason.",
            {
                json!({
                    "200": { "description": "Ready.", "content": content("Readiness") },
                    "503": { "description": "Not ready.", "content": content("Readiness") },
                })
            },
        ),
        get(
            "/metrics",
            "metrics",
            "All metrics. Durations are in seconds, sizes in bytes; a label `cause` has a value of \
             `DeadLetterCause`; a vehicle is never a label.",
            json!({ "200": {
                "description": "Prometheus' text format, or OpenMetrics if `Accept` names it; all \
                                values of one moment.",
                "content": {
                    plain: { "schema": { "type": "string" } },
                    openmetrics: { "schema": { "type": "string" } },
                },
            } }),
        ),
        get("/openapi.json", "openapi", "This description.", {
            json!({ "200": {
                "description": "OpenAPI 3.1.",
                "content": { "application/json": { "schema": { "type": "object" } } },
            } })
        }),
        get(
            "/api/v1/stats",
            "stats",
            "The counters of the two equations, as of one moment: received = spooled + \
             dead_lettered + filtered + unmapped + refused + pending; recovered + spooled = stored \
             + dead_lettered + damaged + in_spool.",
            answer("Stats"),
        ),
    ]
}

fn vehicle_routes() -> Vec<Operation> {
    let get = |path, id, summary, parameters, answers| Operation {
        path,
        method: "get",
        id,
        tag: "vehicles",
        summary,
        parameters,
        body: None,
        answers,
    };
    let most = vehicles::LIMIT_MAX;
    vec![
        get(
            "/api/v1/vehicles",
            "listVehicles",
            "Connected and remembered vehicles, by name.",
            vec![
                query("connected", "Only connected, or only disconnected vehicles.", &boolean()),
                query("prefix", "Only vehicles whose name begins with this.", &string()),
                query("limit", "Vehicles of the page.", &number(vehicles::LIMIT, most)),
                query("after", AFTER, &string()),
            ],
            answer("VehiclePage"),
        ),
        get(
            "/api/v1/vehicles/{vin}",
            "getVehicle",
            "One vehicle, with the last point of each measurement: from its sessions while it is \
             connected, also while the store is unavailable; otherwise from the store. 404 \
             `vehicle-unknown` if neither knows it.",
            vec![
                in_path("vin", "The vehicle's name."),
                query(
                    "from",
                    "The start of the store's query: a time, nanoseconds since 1970, or relative.",
                    &json!({ "type": "string", "default": vehicles::FROM }),
                ),
            ],
            answer("VehicleDetail"),
        ),
    ]
}

fn query_routes() -> Vec<Operation> {
    let rows = json!({ "200": {
        "description": "The rows, streamed.",
        "content": {
            "application/json": { "schema": { "$ref": "#/components/schemas/Rows" } },
            "text/csv; charset=utf-8": { "schema": { "type": "string" } },
        },
    } });
    let operation = |path, method, id, summary, parameters, body| Operation {
        path,
        method,
        id,
        tag: "queries",
        summary,
        parameters,
        body,
        answers: rows.clone(),
    };
    vec![
        operation(
            "/api/v1/telemetry/{measurement}",
            "get",
            "getTelemetry",
            "A portable query with the same answer from every store: points of a measurement in \
             `[from, to)`, or a function over windows for each vehicle. Rows are ordered by time, \
             vehicle and remaining tags.",
            telemetry_parameters(),
            None,
        ),
        operation(
            "/api/v1/query",
            "post",
            "query",
            "A query in one of the store's own languages; only reading is allowed.",
            style_parameters(),
            Some("Question"),
        ),
    ]
}

fn dead_letter_routes() -> Vec<Operation> {
    let operation = |path, method, id, summary, parameters, answers| Operation {
        path,
        method,
        id,
        tag: "dead-letters",
        summary,
        parameters,
        body: None,
        answers,
    };
    let most = dead_letters::LIMIT_MAX;
    let page = [
        query("limit", "Letters of the page.", &number(dead_letters::LIMIT, most)),
        query("after", AFTER, &string()),
    ];
    let vehicles = number(dead_letters::VEHICLES, most);
    let vehicles = query("limit", "Vehicles named for each cause, at most.", &vehicles);
    let yes = json!({ "type": "string", "enum": ["true"] });
    let all = [query("all", "All letters; required without a filter.", &yes)];
    vec![
        operation(
            "/api/v1/dead-letters",
            "get",
            "listDeadLetters",
            "Dead letters (not decoded, not mapped or refused by the store), oldest first.",
            [letter_filter(), page.to_vec()].concat(),
            answer("DeadLetterPage"),
        ),
        operation(
            "/api/v1/dead-letters",
            "delete",
            "deleteDeadLetters",
            "Deletes matching letters durably and frees their room; letters set aside meanwhile \
             stay.",
            [letter_filter(), all.to_vec()].concat(),
            answer("Count"),
        ),
        Operation {
            body: Some("ReplayRequest"),
            ..operation(
                "/api/v1/dead-letters/replay",
                "post",
                "replayDeadLetters",
                "Replays matching letters through the schemas and mappings now in force, oldest \
                 first, with their time of receipt; points that the store refused are sent \
                 unchanged. A letter that succeeds leaves the log once it is durable; one that \
                 fails again stays with its new cause.",
                Vec::new(),
                answer("Replayed"),
            )
        },
        operation(
            "/api/v1/dead-letters/summary",
            "get",
            "summarizeDeadLetters",
            "The number of matching letters by cause and vehicle, and the remedy for each cause.",
            [letter_filter(), vec![vehicles]].concat(),
            answer("DeadLetterSummary"),
        ),
        operation(
            "/api/v1/dead-letters/{id}",
            "get",
            "getDeadLetter",
            "One letter; 404 `dead-letter-unknown` if there is none, or no longer.",
            vec![in_path("id", "The letter's id, from a list.")],
            answer("DeadLetter"),
        ),
    ]
}

fn letter_filter() -> Vec<Value> {
    let any = |name, description, items: Value| {
        query(name, description, &json!({ "type": "array", "items": items }))
    };
    vec![
        any(
            "cause",
            "Only this cause; may repeat.",
            json!({ "$ref": "#/components/schemas/DeadLetterCause" }),
        ),
        any("vehicle", "Only this vehicle; may repeat.", string()),
        any("mapping", "Only this mapping; may repeat.", string()),
        query("from", "Only letters set aside at or after: a time or relative.", &string()),
        query("to", "Only letters set aside before.", &string()),
        any("id", "Only the letter with this id; may repeat.", string()),
    ]
}

fn measurement_routes() -> Vec<Operation> {
    let get = |path, id, summary, parameters, schema| Operation {
        path,
        method: "get",
        id,
        tag: "queries",
        summary,
        parameters,
        body: None,
        answers: answer(schema),
    };
    let one = || vec![in_path("measurement", "A measurement of the list.")];
    vec![
        get(
            "/api/v1/measurements",
            "listMeasurements",
            "The measurements that mappings write, and others that the store has.",
            Vec::new(),
            "Measurements",
        ),
        get(
            "/api/v1/measurements/{measurement}/fields",
            "listFields",
            "The fields of a measurement: those of the mappings in their order, then others of the \
             store, such as members of maps and lists.",
            one(),
            "Fields",
        ),
        get(
            "/api/v1/measurements/{measurement}/tags",
            "listTags",
            "The tags of a measurement, for `tag.NAME=` and `group-by=`.",
            one(),
            "Tags",
        ),
    ]
}

fn telemetry_parameters() -> Vec<Value> {
    let functions: Vec<&str> = Function::ALL.iter().map(|function| function.as_str()).collect();
    let moment = |default: &str| json!({ "type": "string", "default": default });
    let mut parameters = vec![
        in_path("measurement", "A measurement that a mapping writes."),
        query(
            "vehicle",
            "Only this vehicle; may repeat. A comma is part of the name.",
            &json!({ "type": "array", "items": { "type": "string" } }),
        ),
        query(
            "fields",
            "Field names, separated by commas, in the order of the columns; absent: all, in the \
             mapping's order.",
            &string(),
        ),
        query(
            "from",
            "Start, inclusive: a time, relative (`-1h`, `-2d`, `-1mo`), or a number since 1970 in \
             the unit of `epoch`, by default nanoseconds.",
            &moment(telemetry::FROM),
        ),
        query("to", "End, exclusive.", &moment("now")),
        query("every", "The length of a window, such as `1m`; needs `fn`.", &string()),
        query(
            "fn",
            "The function over the values of a vehicle and window.",
            &json!({ "type": "string", "enum": functions }),
        ),
        query(
            "group-by",
            "Tags, separated by commas. With a function: one row for each window and combination \
             of these tags, instead of each vehicle. Without: columns beside the vehicle's.",
            &string(),
        ),
        query(
            "tag.NAME",
            "Only points whose tag NAME has this value; may repeat, for one tag and for several. \
             Empty: points without the tag.",
            &json!({ "type": "array", "items": { "type": "string" } }),
        ),
        query(
            "order",
            "The order of time, vehicle and tags.",
            &json!({ "type": "string", "enum": ["asc", "desc"], "default": "asc" }),
        ),
        query(
            "limit",
            "Rows, over all vehicles.",
            &number(QueryRequest::LIMIT, QueryRequest::LIMIT_MAX),
        ),
        query("after", AFTER, &string()),
    ];
    parameters.extend(style_parameters());
    parameters
}

fn style_parameters() -> Vec<Value> {
    vec![
        query(
            "format",
            "The format of the rows.",
            &json!({ "type": "string", "enum": ["json", "csv"], "default": "json" }),
        ),
        query(
            "epoch",
            "Times are integers of this unit since 1970, in the answer and in `from` and `to`.",
            &json!({ "type": "string", "enum": ["ns", "us", "ms", "s"] }),
        ),
    ]
}

pub(super) fn query(name: &str, description: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "query", "description": description, "schema": schema })
}

pub(super) fn in_path(name: &str, description: &str) -> Value {
    json!({
        "name": name,
        "in": "path",
        "required": true,
        "description": description,
        "schema": { "type": "string" },
    })
}

pub(super) fn string() -> Value {
    json!({ "type": "string" })
}

pub(super) fn boolean() -> Value {
    json!({ "type": "boolean" })
}

pub(super) fn number(default: usize, maximum: usize) -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": maximum, "default": default })
}

pub(super) fn answer(schema: &str) -> Value {
    json!({ "200": { "description": "Success.", "content": content(schema) } })
}

fn content(schema: &str) -> Value {
    let schema = format!("#/components/schemas/{schema}");
    json!({ "application/json": { "schema": { "$ref": schema } } })
}
