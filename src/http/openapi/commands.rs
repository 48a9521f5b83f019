//! The paths and shapes of commands.

use serde_json::{Value, json};

use super::{
    paths::{Operation, answer, in_path, number, query, string},
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

/// 202 beside what is answered with 200.
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
    let on_its_way = "Durable, and not yet at the end that the caller waits for.";
    let wait = format!(
        "How long to wait for the command's end, such as 5s; at most {}s.",
        commands::WAIT_MAX.as_secs()
    );
    let send = operation(
        "/api/v1/vehicles/{vin}/commands",
        "post",
        "sendCommand",
        "Sends a command to a vehicle. 202: it is durable, no more. 200: it has ended, or is \
         delivered where no receipt is declared, or the idempotency key has made it before.",
        vec![in_path("vin", "The vehicle."), query("wait", &wait, &string())],
        accepted("Command", on_its_way),
    );
    let many = operation(
        "/api/v1/commands",
        "post",
        "sendCommands",
        "Sends a command to each of a list of vehicles. The answer has their order, with an error \
         object in the place of each that failed.",
        vec![],
        accepted("CommandList", "All that could be are durable."),
    );
    vec![
        Operation { body: Some("CommandRequest"), ..send },
        Operation { body: Some("CommandsRequest"), ..many },
    ]
}

fn following() -> Vec<Operation> {
    let limit = |max| query("limit", "Entries of the page.", &number(commands::LIMIT, max));
    let after = || query("after", "As the previous page gave it.", &string());
    vec![
        operation(
            "/api/v1/commands",
            "get",
            "listCommands",
            "Commands, the newest first. Each filter may come several times: any of its values.",
            vec![
                query("vehicle", "Of this vehicle.", &string()),
                query("state", "In this state.", &reference("CommandState")),
                query("name", "Of this name.", &string()),
                query("push", "Of this push.", &string()),
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
            "Takes a command back. 200: it is cancelled. 202: it is on its way, and its \
             acknowledgement decides, or the end of the session without one. 409 \
             `already-delivered`.",
            vec![in_path("id", "Its id.")],
            accepted("Command", "It is on its way: `cancel-requested`."),
        ),
        operation(
            "/api/v1/commands/events",
            "get",
            "listCommandEvents",
            "Every change of every command, once and in order, behind a cursor: a page, or with \
             `Accept: text/event-stream` server-sent events as they happen, whose ids are cursors \
             (`Last-Event-ID` resumes).",
            vec![
                query(
                    "after",
                    "A cursor; `now`: what comes from now on. Absent: from the oldest kept on.",
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
            "Who sent and took back what, oldest first.",
            vec![limit(commands::LIMIT_MAX), after()],
            answer("AuditPage"),
        ),
    ]
}

pub(super) fn text(about: &str) -> Value {
    json!({ "type": ["string", "null"], "description": about })
}

/// What a caller may say of one.
fn request() -> Vec<(&'static str, Value)> {
    vec![
        ("command", described("string", "The name of a declared one.")),
        ("fields", described("object", "Its fields, held against the schema.")),
        ("topic", described("string", "Raw, in place of `command`: where it leaves.")),
        ("payload", described("string", "Raw: what the vehicle reads, in base64.")),
        ("qos", json!({ "type": "integer", "enum": [1, 2], "description": "Raw: default 1." })),
        ("expires-in", described("string", "How long it waits for the vehicle, such as 1h.")),
        (
            "execute-within",
            described("string", "From its delivery to the receipt, where one is declared."),
        ),
        (
            "idempotency-key",
            described(
                "string",
                "The same key for the same vehicle with the same content answers the first \
                 command (200), with other content 409 `idempotency-key-taken`.",
            ),
        ),
        (
            "supersede",
            described("string", "Takes the place of those with this key that are not delivered."),
        ),
        (
            "still",
            json!({
                "type": "object",
                "required": ["measurement", "when", "fresh"],
                "properties": {
                    "measurement": described("string", "Where the values are."),
                    "when": described("string", "The condition, in the language of mappings."),
                    "fresh": described("string", "How old they may be, such as 5m."),
                },
                "additionalProperties": false,
                "description": "Asked again when the command is about to leave: where it does not \
                                hold it is skipped, where nothing young enough is known it waits.",
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

/// What every change says.
fn change() -> Vec<(&'static str, Value)> {
    let notes: Vec<&str> = Note::ALL.iter().map(|note| note.as_str()).collect();
    vec![
        ("state", reference("CommandState")),
        ("note", json!({ "type": "string", "enum": notes, "description": "In place of a state." })),
        ("at", timestamp("When.")),
        ("cause", described("string", "Why.")),
        ("detail", described("string", "What the vehicle said to it.")),
    ]
}

pub(super) fn shapes() -> Named {
    let states = State::ALL.iter();
    let states = states.map(|it| json!({ "const": it.as_str(), "description": it.explain() }));
    let mut history = object(&change());
    history["required"] = json!(["at"]);
    let told = [
        ("cursor", described("string", "Its place among all changes.")),
        ("id", described("string", "Of which command.")),
        ("vehicle", described("string", "Of which vehicle.")),
        ("command", text("Its name; null for a raw one.")),
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
        ("id", described("string", "Which command, or which push; of a publish its own.")),
        ("vehicle", text("To whom; null for a push.")),
        ("command", text("Its name, or the push's, or the alarm's; null for a raw one.")),
    ]);
    let last = described("string", "The cursor behind the page, also where it is empty.");
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

/// What a push or an alarm made a command of.
fn evidence() -> Value {
    let mut evidence = object(&[
        (
            "row",
            described(
                "object",
                "The row by its columns, or what the message said that raised an alarm.",
            ),
        ),
        (
            "query",
            json!({
                "type": ["object", "null"],
                "description": "The push's question as it was asked; null for an alarm.",
            }),
        ),
        ("at", timestamp("When it was asked, or the command made.")),
    ]);
    evidence["type"] = json!(["object", "null"]);
    evidence
}

fn command() -> Value {
    let flag = |about: &str| described("boolean", about);
    object(&[
        ("id", described("string", "A UUID of version 7.")),
        ("vehicle", described("string", "Who is to do it.")),
        ("command", text("Its declared name; null for a raw one.")),
        ("fields", json!({ "type": ["object", "null"], "description": "As they were asked for." })),
        ("topic", described("string", "Where it leaves.")),
        ("payload", described("string", "What the vehicle reads, in base64.")),
        ("raw", flag("Whether topic and payload are the caller's.")),
        ("qos", json!({ "type": "integer", "enum": [1, 2] })),
        ("state", reference("CommandState")),
        ("cause", text("Why it is where it is.")),
        (
            "history",
            json!({ "type": "array", "items": reference("CommandChange"), "description": "Oldest first." }),
        ),
        ("created", timestamp("When it was made durable.")),
        ("expires", timestamp("Until when it waits for the vehicle.")),
        ("execute-within", text("How long the receipt may take; null where none is expected.")),
        (
            "order",
            json!({
                "type": "string",
                "enum": ["at-once", "after-delivery", "after-receipt"],
                "description": "When the vehicle's next command may leave.",
            }),
        ),
        ("supersede", text("As it was asked for.")),
        ("still", json!({ "type": ["object", "null"], "description": "As it was asked for." })),
        ("idempotency-key", text("As it was asked for.")),
        ("cancel-requested", flag("An operator wants it back; its acknowledgement decides.")),
        ("maybe-received", flag("It has ended without an answer, and may have arrived.")),
        ("by", described("string", "Who asked for it; `alarm NAME` for an alarm.")),
        ("push", text("The push that made it, while that is remembered.")),
        ("evidence", evidence()),
        ("verified", text("Whether its effect was seen: open, yes or no; null: nobody looks.")),
    ])
}
