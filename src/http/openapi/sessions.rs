//! The paths and shapes of `/api/v1/sessions`.

use serde_json::json;

use super::{
    paths::{AFTER, Operation, answer, boolean, in_path, number, query, string},
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
    let user = "Only of this user; empty: only anonymous clients.";
    let of_one =
        || vec![in_path("client-id", "As CONNECT gave it."), query("user", user, &string())];
    let one = "/api/v1/sessions/{client-id}";
    vec![
        operation(
            "/api/v1/sessions",
            "get",
            "listSessions",
            "MQTT sessions by client identifier and user: address, queued and dropped messages.",
            vec![
                query("vehicle", "Only sessions that publish for this vehicle.", &string()),
                query("client", "Only this client identifier.", &string()),
                query("user", user, &string()),
                query("connected", "Only connected, or only disconnected sessions.", &boolean()),
                query("backlog", "At least this many queued messages; `true`: one.", &least),
                query("drops", "At least this many dropped deliveries; `true`: one.", &least),
                query(
                    "search",
                    "A part of client identifier, user, vehicle or address, in any case.",
                    &string(),
                ),
                query(
                    "limit",
                    "Sessions of the page.",
                    &number(sessions::LIMIT, sessions::LIMIT_MAX),
                ),
                query("after", AFTER, &string()),
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
            "Ends and deletes a session: its connection (0x98 in 5.0), subscriptions and queue. \
             Its will is published. Errors as for GET.",
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
        ("client_id", described("string", "As in CONNECT, or as assigned.")),
        ("user", text("The name verified by password, token or certificate.")),
        ("vehicle", text("The vehicle that it represents.")),
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
        ("connected_at", time("When its CONNECT was accepted; null while disconnected.")),
        ("last_packet_at", time("When its last packet arrived, to about a second.")),
        (
            "keep_alive_seconds",
            json!({
                "type": ["integer", "null"],
                "description": "The keep alive in force; 0: none.",
            }),
        ),
        ("paused", described("boolean", "Whether reading pauses for unacknowledged messages.")),
        ("away_since", time("When its last connection ended; null while connected.")),
        ("expiry_seconds", count("The session expiry interval; 4294967295: never.")),
        ("subscriptions", count("The number of its subscriptions.")),
        ("queued", count("Messages queued for it or in flight to it.")),
        ("queued_bytes", count("The memory of these messages.")),
        ("in_flight", count("How many of them were sent and not acknowledged.")),
        ("unacknowledged", count("Its own PUBLISH packets not yet acknowledged.")),
        ("dropped", count("Deliveries dropped.")),
    ];
    let filters = json!({
        "type": "array",
        "items": reference("Subscription"),
        "description": format!("By filter; at most {}.", SessionView::FILTERS_MAX),
    });
    let subscription = object(&[
        ("filter", described("string", "The topic filter, as the client sent it.")),
        ("qos", json!({ "type": "integer", "enum": [0, 1, 2] })),
        ("no_local", described("boolean", "No Local: not the client's own messages.")),
        ("retain_as_published", described("boolean", "Retain As Published.")),
        (
            "id",
            json!({ "type": ["integer", "null"], "description": "Subscription Identifier (5.0)." }),
        ),
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
