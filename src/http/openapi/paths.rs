//! What is at which path, and with which parameters.

use axum::http::Method;
use serde_json::{Map, Value, json};

use super::{commands, pushes, sessions};
use crate::{
    http::{dead_letters, routes, telemetry, vehicles},
    query::{Function, QueryRequest},
    telemetry::Exposition,
};

/// One way to ask one path.
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

/// Says which role a request wants, as the router asks for it.
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
        get("/readyz", "readyz", "Ready: every critical part is, each with its reason.", {
            json!({
                "200": { "description": "Ready.", "content": content("Readiness") },
                "503": { "description": "Not ready.", "content": content("Readiness") },
            })
        }),
        get(
            "/metrics",
            "metrics",
            "All metrics. Durations are in seconds, sizes in bytes; a label `cause` is one of \
             `DeadLetterCause`; a vehicle is never a label.",
            json!({ "200": {
                "description": "Prometheus' text format, or OpenMetrics where `Accept` names it; \
                                as of one moment.",
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
            "Vehicles by name: those seen since the start that are connected or remembered.",
            vec![
                query("connected", "Only connected ones, or only those away.", &boolean()),
                query("prefix", "Only those whose name begins so.", &string()),
                query("limit", "Vehicles of the page.", &number(vehicles::LIMIT, most)),
                query("after", "As the previous page gave it.", &string()),
            ],
            answer("VehiclePage"),
        ),
        get(
            "/api/v1/vehicles/{vin}",
            "getVehicle",
            "One vehicle, with the last point of each measurement: as its sessions keep them, also \
             while the store is away; of one that is away, as the store has them. 404 \
             `vehicle-unknown` if neither knows it.",
            vec![
                in_path("vin", "The vehicle's name."),
                query(
                    "from",
                    "How far back the store is asked: a time, nanoseconds since 1970, or relative.",
                    &json!({ "type": "string", "default": vehicles::FROM }),
                ),
            ],
            answer("VehicleDetail"),
        ),
    ]
}

fn query_routes() -> Vec<Operation> {
    let rows = json!({ "200": {
        "description": "Rows as they come.",
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
            "A portable question, answered alike from every store: points of a measurement in \
             `[from, to)`, or a function over windows, a vehicle at a time. Rows are ordered by \
             time, vehicle and remaining tags.",
            telemetry_parameters(),
            None,
        ),
        operation(
            "/api/v1/query",
            "post",
            "query",
            "A question in one of the store's own languages; only reading is let through.",
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
        query("after", "As the previous page gave it.", &string()),
    ];
    let vehicles = number(dead_letters::VEHICLES, most);
    let vehicles = query("limit", "Vehicles of a cause that are named, at most.", &vehicles);
    let yes = json!({ "type": "string", "enum": ["true"] });
    let all = [query("all", "Wanted where no filter is given: every letter.", &yes)];
    vec![
        operation(
            "/api/v1/dead-letters",
            "get",
            "listDeadLetters",
            "What could not be decoded, mapped or accepted by the store, oldest first.",
            [letter_filter(), page.to_vec()].concat(),
            answer("DeadLetterPage"),
        ),
        operation(
            "/api/v1/dead-letters",
            "delete",
            "deleteDeadLetters",
            "Removes the letters that match, durably, and gives their room back; what is set aside \
             meanwhile stays.",
            [letter_filter(), all.to_vec()].concat(),
            answer("Count"),
        ),
        Operation {
            body: Some("ReplayRequest"),
            ..operation(
                "/api/v1/dead-letters/replay",
                "post",
                "replayDeadLetters",
                "Sends the letters that match through today's schemas and mappings, oldest first, as \
                 of when they were received; points that the store refused go as they are. What \
                 succeeds leaves the log once it is durable, what fails again stays under its new \
                 cause.",
                Vec::new(),
                answer("Replayed"),
            )
        },
        operation(
            "/api/v1/dead-letters/summary",
            "get",
            "summarizeDeadLetters",
            "How many letters match, by cause and vehicle, and what to do about each cause.",
            [letter_filter(), vec![vehicles]].concat(),
            answer("DeadLetterSummary"),
        ),
        operation(
            "/api/v1/dead-letters/{id}",
            "get",
            "getDeadLetter",
            "One letter; 404 `dead-letter-unknown` if there is none, or not any more.",
            vec![in_path("id", "As a list gives it.")],
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
            "Only this cause; may come several times.",
            json!({ "$ref": "#/components/schemas/DeadLetterCause" }),
        ),
        any("vehicle", "Only this vehicle; may come several times.", string()),
        any("mapping", "Only this mapping; may come several times.", string()),
        query("from", "Only those set aside at or after: a time or relative.", &string()),
        query("to", "Only those set aside before.", &string()),
        any("id", "Only this one; may come several times.", string()),
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
    let one = || vec![in_path("measurement", "One of the list.")];
    vec![
        get(
            "/api/v1/measurements",
            "listMeasurements",
            "What can be asked: the measurements that mappings write, and those that the store has \
             beside them.",
            Vec::new(),
            "Measurements",
        ),
        get(
            "/api/v1/measurements/{measurement}/fields",
            "listFields",
            "Its fields: those of the mappings in their order, then those that only the store knows, \
             such as members of maps and lists.",
            one(),
            "Fields",
        ),
        get(
            "/api/v1/measurements/{measurement}/tags",
            "listTags",
            "Its tags, for `tag.NAME=` and `group-by=`.",
            one(),
            "Tags",
        ),
    ]
}

fn telemetry_parameters() -> Vec<Value> {
    let functions: Vec<&str> = Function::ALL.iter().map(|function| function.as_str()).collect();
    let moment = |default: &str| json!({ "type": "string", "default": default });
    let mut parameters = vec![
        in_path("measurement", "One that a mapping writes."),
        query(
            "vehicle",
            "Only this vehicle; may come several times. A comma is part of the name.",
            &json!({ "type": "array", "items": { "type": "string" } }),
        ),
        query(
            "fields",
            "Names with commas between them, in the order of the columns; absent: all, in the \
             mapping's order.",
            &string(),
        ),
        query(
            "from",
            "The first moment: a time, relative (`-1h`, `-2d`, `-1mo`), or a number since 1970 in \
             the unit of `epoch`, by default nanoseconds.",
            &moment(telemetry::FROM),
        ),
        query("to", "The first moment that is too late.", &moment("now")),
        query("every", "The length of a window, such as `1m`; needs `fn`.", &string()),
        query(
            "fn",
            "What is done to the values of a vehicle and window.",
            &json!({ "type": "string", "enum": functions }),
        ),
        query(
            "group-by",
            "Tags with commas between them. With a function: a row a window and values of these, in \
             place of the vehicle. Without: they have columns beside the vehicle's.",
            &string(),
        ),
        query(
            "tag.NAME",
            "Only points whose tag NAME has this value; may come several times, for one tag and for \
             several. Empty: points without the tag.",
            &json!({ "type": "array", "items": { "type": "string" } }),
        ),
        query(
            "order",
            "Of time, vehicle and tags alike.",
            &json!({ "type": "string", "enum": ["asc", "desc"], "default": "asc" }),
        ),
        query(
            "limit",
            "Rows, over all vehicles.",
            &number(QueryRequest::LIMIT, QueryRequest::LIMIT_MAX),
        ),
        query("after", "As the previous page gave it.", &string()),
    ];
    parameters.extend(style_parameters());
    parameters
}

fn style_parameters() -> Vec<Value> {
    vec![
        query(
            "format",
            "How rows are written.",
            &json!({ "type": "string", "enum": ["json", "csv"], "default": "json" }),
        ),
        query(
            "epoch",
            "Times as integers of this unit since 1970, in the answer and in `from` and `to`.",
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
    json!({ "200": { "description": "As asked.", "content": content(schema) } })
}

fn content(schema: &str) -> Value {
    let schema = format!("#/components/schemas/{schema}");
    json!({ "application/json": { "schema": { "$ref": schema } } })
}
