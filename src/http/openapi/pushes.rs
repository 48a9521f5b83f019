//! The paths and shapes of pushes.

use serde_json::{Value, json};

use super::{
    commands::{accepted, operation, text},
    paths::{AFTER, Operation, answer, in_path, number, query, string},
    shapes::{Named, after, described, object, reference, timestamp},
};
use crate::{
    downlink::{PushState, RunState, State, Verified},
    http::commands::{LIMIT, LIMIT_MAX},
};

pub(super) fn routes() -> Vec<Operation> {
    let all = [making(), steering(), following()].concat();
    all.into_iter().map(|it| Operation { tag: "pushes", ..it }).collect()
}

fn making() -> Vec<Operation> {
    let mut answers = accepted("Push", "Frozen: every targeted row is a durable command.");
    answers["200"]["description"] =
        json!("The push that this idempotency key made before; or the result of a dry run.");
    answers["200"]["content"]["application/json"]["schema"] =
        json!({ "anyOf": [reference("Push"), reference("PushTrial")] });
    let send = operation(
        "/api/v1/pushes",
        "post",
        "sendPush",
        "Runs a query and sends a command to the vehicle of each row; with a `schedule` at each of \
         its times, answered at once. 409 `guard-exceeded`: it would reach more vehicles than its \
         guard allows, and nothing was sent. A native query needs the role `admin`.",
        vec![],
        answers,
    );
    vec![Operation { body: Some("PushRequest"), ..send }]
}

fn id() -> Value {
    in_path("id", "Its id.")
}

fn steering() -> Vec<Operation> {
    vec![
        operation(
            "/api/v1/pushes/{id}/pause",
            "post",
            "pausePush",
            "Pauses a push: it sends no command until it is resumed.",
            vec![id()],
            answer("Push"),
        ),
        operation(
            "/api/v1/pushes/{id}/resume",
            "post",
            "resumePush",
            "Resumes a paused push.",
            vec![id()],
            answer("Push"),
        ),
        operation(
            "/api/v1/pushes/{id}/abort",
            "post",
            "abortPush",
            "Stops a push. Waiting commands are cancelled; for sent ones cancelling is requested, \
             and their acknowledgement decides.",
            vec![id()],
            answer("Push"),
        ),
        operation(
            "/api/v1/pushes/{id}",
            "delete",
            "forgetPush",
            "Deletes an ended push, or a scheduled one without open commands, with its runs; its \
             commands stay. 409 `push-open`: the push or one of its commands has not ended.",
            vec![id()],
            answer("Push"),
        ),
    ]
}

fn following() -> Vec<Operation> {
    let limit = || query("limit", "Entries of the page.", &number(LIMIT, LIMIT_MAX));
    let after = || query("after", AFTER, &string());
    vec![
        operation(
            "/api/v1/pushes",
            "get",
            "listPushes",
            "Pushes, the newest first. A token limited to vehicles sees only its own pushes.",
            vec![limit(), after()],
            answer("PushPage"),
        ),
        operation(
            "/api/v1/pushes/{id}",
            "get",
            "getPush",
            "One push, with the report of its latest run and the sums over all runs.",
            vec![id()],
            answer("Push"),
        ),
        operation(
            "/api/v1/pushes/{id}/commands",
            "get",
            "listPushCommands",
            "The commands of a push, the newest first. Each filter may repeat.",
            vec![
                id(),
                query("vehicle", "Commands to this vehicle.", &string()),
                query("state", "Commands in this state.", &reference("CommandState")),
                query("name", "Commands of this name.", &string()),
                limit(),
                after(),
            ],
            answer("CommandPage"),
        ),
        operation(
            "/api/v1/pushes/{id}/runs",
            "get",
            "listPushRuns",
            "The runs of a push, the newest first.",
            vec![id(), limit(), after()],
            answer("PushRunPage"),
        ),
    ]
}

fn question() -> Value {
    json!({
        "type": "object",
        "description": "Portable: `measurement` with `vehicles`, `tags`, `fields`, `from`, `to`, \
                        `every`, `fn`, `order`, as in `/telemetry`, over all pages. Native: \
                        `language`, `text`, `params`. Both: `having`, a condition over the \
                        answer's columns in the language of mappings' `when`.",
    })
}

fn members(list: &[(&str, &str, &str)], required: &[&str], about: &str) -> Value {
    let properties =
        list.iter().map(|(name, kind, about)| ((*name).to_owned(), described(kind, about)));
    json!({
        "type": "object",
        "required": required,
        "properties": properties.collect::<serde_json::Map<_, _>>(),
        "additionalProperties": false,
        "description": about,
    })
}

/// `still` and `verify`.
fn conditions() -> [Value; 2] {
    let still = members(
        &[
            ("measurement", "string", "The measurement of the values."),
            ("when", "string", "The condition."),
            ("fresh", "string", "How old the values may be, such as 5m."),
        ],
        &["measurement", "when", "fresh"],
        "As for a single command: checked again before each is sent.",
    );
    let verify = members(
        &[
            ("measurement", "string", "The measurement of the vehicle's points."),
            ("when", "string", "The condition that one of them must fulfil."),
            ("within", "string", "How long after the delivery, such as 10m."),
        ],
        &["measurement", "when", "within"],
        "The condition on points after the delivery that makes `verified` `yes`.",
    );
    [still, verify]
}

/// `guard` and `waves`.
fn bounds() -> [Value; 2] {
    let guard = members(
        &[
            ("vehicles-max", "integer", "At most this many vehicles."),
            (
                "share-max",
                "number",
                "At most this share of the known vehicles: connected, remembered, or with a point \
                 of the last 7 days.",
            ),
        ],
        &[],
        "How many vehicles the push may reach.",
    );
    let waves = members(
        &[
            ("first", "integer", "Vehicles of the first wave."),
            ("factor", "number", "Each wave is this many times the previous one; default 1."),
            ("every", "string", "From the start of a wave to that of the next, such as 1m."),
            (
                "abort-above",
                "number",
                "The push stops if more than this share of its ended commands failed, were \
                 rejected, expired or timed out.",
            ),
        ],
        &["first", "every"],
        "A few vehicles first, then more.",
    );
    [guard, waves]
}

fn request() -> Value {
    let ([still, verify], [guard, waves]) = (conditions(), bounds());
    let mut request = object(&[
        ("name", described("string", "The name that `once-per` compares. Default: the command's.")),
        ("query", question()),
        ("vehicle", described("string", "The column of the vehicle; known for a portable query.")),
        ("command", described("string", "A declared command.")),
        (
            "fields",
            described(
                "object",
                "Its fields. `\"{column}\"` alone is the row's value with its type, within a text \
                 the value as text; `{{` and `}}` are braces.",
            ),
        ),
        ("expires-in", described("string", "How long each command waits for its vehicle.")),
        ("execute-within", described("string", "The longest time from delivery to receipt.")),
        (
            "once-per",
            described("string", "Leaves out vehicles that a push of this name reached since."),
        ),
        ("supersede", described("string", "Replaces undelivered commands with this key.")),
        ("still", still),
        ("verify", verify),
        ("guard", guard),
        ("waves", waves),
        ("rate", described("integer", "Commands a second, at most.")),
        (
            "schedule",
            described(
                "string",
                "A cron expression of 5 fields, or of 6 with seconds first: the push runs at each \
                 of its times. Runs never overlap.",
            ),
        ),
        ("time-zone", described("string", "Its time zone, such as Europe/Berlin. Default: UTC.")),
        (
            "missed",
            json!({
                "enum": ["skip", "once"],
                "description": "What happens to missed times: one `skipped` run lists them, or \
                                one run replaces them all. Default: skip.",
            }),
        ),
        (
            "idempotency-key",
            described("string", "The same key with the same content makes no second push."),
        ),
        ("dry-run", described("boolean", "Returns what the push would do, and sends nothing.")),
    ]);
    request["required"] = json!(["query", "command"]);
    request["additionalProperties"] = json!(false);
    request
}

fn report() -> Value {
    let count = |about: &str| described("integer", about);
    let words = |words: Vec<&str>| {
        let members = words.iter().map(|word| ((*word).to_owned(), json!({ "type": "integer" })));
        json!({
            "type": "object",
            "properties": members.collect::<serde_json::Map<_, _>>(),
            "required": words,
        })
    };
    let mut states = words(State::ALL.iter().map(|it| it.as_str()).collect());
    states["description"] = json!("Its commands by state; they sum to `targeted`.");
    let mut verified = words(Verified::ALL.iter().map(|it| it.as_str()).collect());
    verified["description"] = json!("Delivered commands by whether their effect was seen.");
    object(&[
        ("rows", count("Rows for which `having` holds.")),
        ("unknown", count("Rows without a known vehicle.")),
        ("left-out", words(vec!["duplicate", "once-per", "open-max", "not-allowed"])),
        ("targeted", count("Rows that made a command. With the ones above they sum to `rows`.")),
        ("states", states),
        ("verified", verified),
    ])
}

/// The answer of a dry run, and a row of it.
fn trial() -> [Value; 2] {
    let list = |of: &str| json!({ "type": "array", "items": reference(of) });
    let trial = object(&[
        ("query", described("object", "The query as it ran.")),
        ("report", reference("PushReport")),
        ("rows", list("PushTrialRow")),
        ("more", described("integer", "Vehicles not shown.")),
        (
            "next",
            json!({
                "type": ["array", "null"],
                "items": { "type": "string", "format": "date-time" },
                "description": "The first times of its schedule.",
            }),
        ),
    ]);
    let row = object(&[
        ("vehicle", described("string", "As the row names it.")),
        ("row", described("object", "The row, by its columns.")),
        ("fields", described("object", "The command's fields.")),
        ("payload", text("The vehicle's payload in base64; null if it cannot be encoded.")),
        ("error", text("Why it cannot be encoded.")),
        ("online", described("boolean", "Whether it has a session now.")),
        ("known", described("boolean", "Whether it has a session, was seen, or has a point.")),
        ("left-out", text("Why it would be left out.")),
    ]);
    [trial, row]
}

pub(super) fn shapes() -> Named {
    let push_states: Vec<Value> = PushState::ALL
        .iter()
        .map(|it| json!({ "const": it.as_str(), "description": it.explain() }))
        .collect();
    let run_states: Vec<Value> = RunState::ALL
        .iter()
        .map(|it| json!({ "const": it.as_str(), "description": it.explain() }))
        .collect();
    let open = || described("integer", "Its open commands.");
    let when = |about: &str| text(about);
    let list = |of: &str| json!({ "type": "array", "items": reference(of) });
    let push = object(&[
        ("id", described("string", "A UUID of version 7.")),
        ("name", described("string", "What operators call it.")),
        ("state", json!({ "oneOf": push_states })),
        ("cause", text("Why its latest run ended as it did.")),
        ("created", timestamp("When it was created.")),
        ("by", described("string", "Who created it.")),
        ("request", described("object", "The request.")),
        ("run", when("The time of its latest run.")),
        ("report", reference("PushReport")),
        ("sums", reference("PushReport")),
        ("next", when("When its next run is due, if it has a schedule and is not paused.")),
        ("open", open()),
        ("ended", when("When it ended.")),
    ]);
    let run = object(&[
        ("at", timestamp("The time of its query.")),
        ("state", json!({ "oneOf": run_states })),
        ("cause", text("Why it ended as it did, or ran late.")),
        ("query", json!({ "type": ["object", "null"], "description": "The query as it ran." })),
        ("waves", described("integer", "Waves that have begun.")),
        ("report", reference("PushReport")),
        ("open", open()),
        ("ended", when("When its last command was released, or it was stopped.")),
    ]);
    let [trial, row] = trial();
    vec![
        ("PushRequest", request()),
        ("PushReport", report()),
        ("Push", push),
        ("PushPage", object(&[("pushes", list("Push")), ("after", after())])),
        ("PushRun", run),
        ("PushRunPage", object(&[("runs", list("PushRun")), ("after", after())])),
        ("PushTrial", trial),
        ("PushTrialRow", row),
    ]
}
