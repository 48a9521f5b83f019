//! The paths and shapes of `/api/v1/sessions`.

use serde_json::json;

use super::{
    paths::{Operation, answer, boolean, in_path, number, query, string},
    shapes::{Named, after, described, object, reference},
};
use crate::{http::sessions, model::SessionView};

pub(super) fn routes() -> Vec<Operation> {
    let operation = |path, method, id, summary, parameters, answers| Operation {
        path,
        method,
        id,
        tag: "sessions",
        summary,
        parameters,
        body: None,
        answers,
    };
    let least = json!({ "oneOf": [{ "type": "integer", "minimum": 0 }, { "type": "boolean" }] });
    let user = "Only of this user; empty: only of nobody who was verified.";
    let of_one =
        || vec![in_path("client-id", "As CONNECT gave it."), query("user", user, &string())];
    let one = "/api/v1/sessions/{client-id}";
    vec![
        operation(
            "/api/v1/sessions",
            "get",
            "listSessions",
            "MQTT sessions by client identifier and user: who, where, what waits for them, what \
             they did not get.",
            vec![
                query("vehicle", "Only those that speak for this vehicle, or carry it.", &string()),
                query("client", "Only this client identifier.", &string()),
                query("user", user, &string()),
                query("connected", "Only connected ones, or only those away.", &boolean()),
                query("backlog", "At least so many queued messages; `true`: one.", &least),
                query("drops", "At least so many dropped deliveries; `true`: one.", &least),
                query(
                    "search",
                    "A part of client identifier, user, vehicle or address; A and a are one.",
                    &string(),
                ),
                query(
                    "limit",
                    "Sessions of the page.",
                    &number(sessions::LIMIT, sessions::LIMIT_MAX),
                ),
                query("after", "As the previous page gave it.", &string()),
            ],
            answer("SessionPage"),
        ),
        operation(
            one,
            "get",
            "getSession",
            "One session, with its subscriptions; 404 `session-unknown` if there is none, 409 \
             `session-ambiguous` if several users have one of this client identifier.",
            of_one(),
            answer("SessionDetail"),
        ),
        operation(
            one,
            "delete",
            "endSession",
            "Ends a session and forgets it: its connection (0x98 in 5.0), its subscriptions, what \
             waits for it. Its will is published. Errors as for GET.",
            of_one(),
            answer("Count"),
        ),
    ]
}

pub(super) fn shapes() -> Named {
    let text = |about: &str| json!({ "type": ["string", "null"], "description": about });
    let time = |about: &str| json!({ "type": ["string", "null"], "format": "date-time", "description": about });
    let count = |about: &str| json!({ "type": "integer", "minimum": 0, "description": about });
    let members = [
        ("client_id", described("string", "As CONNECT gave it, or as it was assigned.")),
        ("user", text("Whose password, token or certificate was verified.")),
        ("vehicle", text("The vehicle that it speaks for.")),
        (
            "vehicles",
            json!({
                "type": "array",
                "items": { "type": "string" },
                "description": "Vehicles that its stored messages named.",
            }),
        ),
        ("protocol", json!({ "type": ["string", "null"], "enum": ["3.1", "3.1.1", "5.0", null] })),
        ("connected", described("boolean", "Whether it has a connection.")),
        ("address", text("IP address and port of its connection.")),
        ("connected_at", time("When its CONNECT was accepted; null while it is away.")),
        ("last_packet_at", time("When its last packet came, to about a second.")),
        (
            "keep_alive_seconds",
            json!({
                "type": ["integer", "null"],
                "description": "How long it may be silent; 0: as long as it likes.",
            }),
        ),
        ("paused", described("boolean", "Not read for now, because of what it has unfinished.")),
        ("away_since", time("When its last connection ended; null while it is connected.")),
        ("expiry_seconds", count("How long it outlives its connection; 4294967295: for ever.")),
        ("subscriptions", count("How many it has.")),
        ("queued", count("Messages that wait for it or are under way to it.")),
        ("queued_bytes", count("Memory that these take.")),
        ("in_flight", count("Of them, those that were sent and are not acknowledged.")),
        ("unacknowledged", count("Publishes of its own that are not acknowledged yet.")),
        ("dropped", count("Deliveries that did not reach it.")),
    ];
    let filters = json!({
        "type": "array",
        "items": reference("Subscription"),
        "description": format!("By filter; at most {}.", SessionView::FILTERS_MAX),
    });
    let subscription = object(&[
        ("filter", described("string", "As the client wrote it.")),
        ("qos", json!({ "type": "integer", "enum": [0, 1, 2] })),
        ("no_local", described("boolean", "Not its own publishes.")),
        ("retain_as_published", described("boolean", "With the retain flag as published.")),
        ("id", json!({ "type": ["integer", "null"], "description": "Its identifier in 5.0." })),
    ]);
    let page = object(&[
        ("sessions", json!({ "type": "array", "items": reference("SessionSummary") })),
        ("after", after()),
    ]);
    vec![
        ("SessionSummary", object(&members)),
        ("SessionDetail", object(&[&members[..], &[("filters", filters)]].concat())),
        ("Subscription", subscription),
        ("SessionPage", page),
    ]
}
