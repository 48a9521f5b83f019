//! The paths and shapes of commands.

use serde_json::{Value, json};

use super::{
    paths::{AFTER, Operation, answer, in_path, number, query, string},
    shapes::{Named, after, described, object, reference, timestamp},
};
use crate::{
    downlink::{Note, State},
    http::commands,
};

pub(super) fn operation(
    path: &'static str,
    method: &'static str,
    id: &'static str,
    summary: &'static str,
    parameters: Vec<Value>,
    answers: Value,
) -> Operation {
    Operation { path, method, id, tag: "commands", summary, parameters, body: None, answers }
}

/// The 202 answer beside the 200.
pub(super) fn accepted(schema: &str, about: &str) -> Value {
    let mut answers = answer(schema);
    answers["202"] = answers["200"].clone();
    answers["202"]["description"] = json!(about);
    answers
}

pub(super) fn routes() -> Vec<Operation> {
    [sending(), following()].concat()
}

fn sending() -> Vec<Operation> {
    let on_its_way = "Durable; not yet at the end that the caller waits for.";
    let wait = format!(
        "How long to wait for the command's end, such as 5s; at most {}s.",
        commands::WAIT_MAX.as_secs()
    );
    let send = operation(
        "/api/v1/vehicles/{vin}/commands",
        "post",
        "sendCommand",
        "Sends a command to a vehicle. 202: it is durable, no more. 200: it has ended, or is \
         delivered if no receipt is declared, or its idempotency key was used before.",
        vec![in_path("vin", "The vehicle."), query("wait", &wait, &string())],
        accepted("Command", on_its_way),
    );
    let many = operation(
        "/api/v1/commands",
        "post",
        "sendCommands",
        "Sends a command to each of a list of vehicles. The answer keeps their order, with an \
         error object for each that failed.",
        vec![],
        accepted("CommandList", "All commands without an error are durable."),
    );
    vec![
        Operation { body: Some("CommandRequest"), ..send },
        Operation { body: Some("CommandsRequest"), ..many },
    ]
}

fn following() -> Vec<Operation> {
    let limit = |max| query("limit", "Entries of the page.", &number(commands::LIMIT, max));
    let after = || query("after", AFTER, &string());
    vec![
        operation(
            "/api/v1/commands",
            "get",
            "listCommands",
            "Commands, the newest first. A repeated filter matches any of its values.",
            vec![
                query("vehicle", "Commands to this vehicle.", &string()),
                query("state", "Commands in this state.", &reference("CommandState")),
                query("name", "Commands of this name.", &string()),
                query("push", "Commands of this push.", &string()),
                limit(commands::LIMIT_MAX),
                after(),
            ],
            answer("CommandPage"),
        ),
        operation(
            "/api/v1/commands/{id}",
            "get",
            "getCommand",
            "One command, with its history.",
            vec![in_path("id", "Its id.")],
            answer("Command"),
        ),
        operation(
            "/api/v1/commands/{id}",
            "delete",
            "cancelCommand",
            "Cancels a command. 200: it is cancelled. 202: it was sent, and its acknowledgement, \
             or the end of the session without one, decides. 409 `already-delivered`.",
            vec![in_path("id", "Its id.")],
            accepted("Command", "It was sent: `cancel-requested`."),
        ),
        operation(
            "/api/v1/commands/events",
            "get",
            "listCommandEvents",
            "Every change of every command after a cursor, once and in order: a page, or with \
             `Accept: text/event-stream` live server-sent events, whose ids are cursors \
             (`Last-Event-ID` resumes).",
            vec![
                query(
                    "after",
                    "A cursor; `now`: only later changes. Absent: from the oldest kept change.",
                    &string(),
                ),
                limit(commands::FEED_MAX),
            ],
            answer("CommandEvents"),
        ),
        operation(
            "/api/v1/audit",
            "get",
            "listAudit",
            "Who sent and cancelled what, oldest first.",
            vec![limit(commands::LIMIT_MAX), after()],
            answer("AuditPage"),
        ),
    ]
}

pub(super) fn text(about: &str) -> Value {
    json!({ "type": ["string", "null"], "description": about })
}

/// The members of a request for one command.
fn request() -> Vec<(&'static str, Value)> {
    vec![
        ("command", described("string", "The name of a declared command.")),
        ("fields", described("object", "Its fields, checked against the schema.")),
        ("topic", described("string", "Raw command, instead of `command`: its topic.")),
        ("payload", described("string", "Raw command: its payload in base64.")),
        (
            "qos",
            json!({ "type": "integer", "enum": [1, 2], "description": "Raw command: default 1." }),
        ),
        ("expires-in", described("string", "How long it waits for the vehicle, such as 1h.")),
        (
            "execute-within",
            described("string", "The longest time from delivery to a declared receipt."),
        ),
        (
            "idempotency-key",
            described(
                "string",
                "The same key for the same vehicle with the same content returns the first \
                 command (200), with other content 409 `idempotency-key-taken`.",
            ),
        ),
        ("supersede", described("string", "Replaces undelivered commands with this key.")),
        (
            "still",
            json!({
                "type": "object",
                "required": ["measurement", "when", "fresh"],
                "properties": {
                    "measurement": described("string", "The measurement of the values."),
                    "when": described("string", "The condition, in the language of mappings."),
                    "fresh": described("string", "How old the values may be, such as 5m."),
                },
                "additionalProperties": false,
                "description": "Checked again before the command is sent: if it is false the \
                                command is skipped; without fresh values the command waits.",
            }),
        ),
    ]
}

fn requests() -> Named {
    let body = |required: &[&str], members: Vec<(&'static str, Value)>| {
        let mut body = object(&members);
        body["required"] = json!(required);
        body["additionalProperties"] = json!(false);
        body
    };
    let vehicles = json!({
        "type": "array",
        "items": { "type": "string" },
        "minItems": 1,
        "maxItems": commands::VEHICLES_MAX,
    });
    let many = [vec![("vehicles", vehicles)], request()].concat();
    vec![("CommandRequest", body(&[], request())), ("CommandsRequest", body(&["vehicles"], many))]
}

/// The members of a change.
fn change() -> Vec<(&'static str, Value)> {
    let notes: Vec<&str> = Note::ALL.iter().map(|note| note.as_str()).collect();
    vec![
        ("state", reference("CommandState")),
        ("note", json!({ "type": "string", "enum": notes, "description": "Instead of a state." })),
        ("at", timestamp("When.")),
        ("cause", described("string", "Why.")),
        ("detail", described("string", "The vehicle's own words.")),
    ]
}

pub(super) fn shapes() -> Named {
    let states = State::ALL.iter();
    let states = states.map(|it| json!({ "const": it.as_str(), "description": it.explain() }));
    let mut history = object(&change());
    history["required"] = json!(["at"]);
    let told = [
        ("cursor", described("string", "Its place among all changes.")),
        ("id", described("string", "The command's id.")),
        ("vehicle", described("string", "The command's vehicle.")),
        ("command", text("The command's name; null for a raw one.")),
    ];
    let mut event = object(&[&change()[..], &told[..]].concat());
    event["required"] = json!(["at", "cursor", "id", "vehicle", "command"]);
    let list = |of: &str| json!({ "type": "array", "items": reference(of) });
    let either = json!({ "type": "array", "items": {
        "oneOf": [reference("Command"), reference("Error")],
    } });
    let audit = object(&[
        ("at", timestamp("When.")),
        ("by", described("string", "Who; `alarm NAME` for an alarm of a mapping file.")),
        (
            "action",
            json!({
                "type": "string",
                "enum": ["send", "cancel", "push", "pause", "resume", "abort", "forget", "publish"],
            }),
        ),
        ("id", described("string", "The id of the command, the push, or the alarm's publish.")),
        ("vehicle", text("The vehicle; null for a push.")),
        ("command", text("The name of the command, push or alarm; null for a raw command.")),
    ]);
    let last = described("string", "The cursor at the end of the page, also of an empty one.");
    let mut named = vec![
        ("CommandState", json!({ "oneOf": states.collect::<Vec<_>>() })),
        ("CommandChange", history),
        ("Command", command()),
        ("CommandPage", object(&[("commands", list("Command")), ("after", after())])),
        ("CommandList", object(&[("commands", either)])),
        ("CommandEvent", event),
        ("CommandEvents", object(&[("events", list("CommandEvent")), ("after", last)])),
        ("AuditEntry", audit),
        ("AuditPage", object(&[("audit", list("AuditEntry")), ("after", after())])),
    ];
    named.extend(requests());
    named
}

/// The row or message from which a push or an alarm made a command.
fn evidence() -> Value {
    let mut evidence = object(&[
        (
            "row",
            described(
                "object",
                "The row by its columns, or the values of the message that raised an alarm.",
            ),
        ),
        (
            "query",
            json!({
                "type": ["object", "null"],
                "description": "The push's query as it ran; null for an alarm.",
            }),
        ),
        ("at", timestamp("When the query ran, or the alarm made the command.")),
    ]);
    evidence["type"] = json!(["object", "null"]);
    evidence
}

fn command() -> Value {
    let flag = |about: &str| described("boolean", about);
    object(&[
        ("id", described("string", "A UUID of version 7.")),
        ("vehicle", described("string", "Its vehicle.")),
        ("command", text("Its declared name; null for a raw one.")),
        ("fields", json!({ "type": ["object", "null"], "description": "As requested." })),
        ("topic", described("string", "Its topic.")),
        ("payload", described("string", "Its payload in base64.")),
        ("raw", flag("Whether the caller gave topic and payload.")),
        ("qos", json!({ "type": "integer", "enum": [1, 2] })),
        ("state", reference("CommandState")),
        ("cause", text("Why it is in this state.")),
        (
            "history",
            json!({ "type": "array", "items": reference("CommandChange"), "description": "Oldest first." }),
        ),
        ("created", timestamp("When it was made durable.")),
        ("expires", timestamp("Until when it waits for the vehicle.")),
        ("execute-within", text("How long the receipt may take; null if none is expected.")),
        (
            "order",
            json!({
                "type": "string",
                "enum": ["at-once", "after-delivery", "after-receipt"],
                "description": "When the vehicle's next command may be sent.",
            }),
        ),
        ("supersede", text("As requested.")),
        ("still", json!({ "type": ["object", "null"], "description": "As requested." })),
        ("idempotency-key", text("As requested.")),
        ("cancel-requested", flag("An operator cancelled it; its acknowledgement decides.")),
        ("maybe-received", flag("It ended without an answer, and may have arrived.")),
        ("by", described("string", "Who sent it; `alarm NAME` for an alarm.")),
        ("push", text("The push that made it, while that push is kept.")),
        ("evidence", evidence()),
        ("verified", text("Whether its effect was seen: open, yes or no; null: not verified.")),
    ])
}
