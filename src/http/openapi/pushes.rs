//! The paths and shapes of pushes.

use serde_json::{Value, json};

use super::{
    commands::{accepted, operation, text},
    paths::{Operation, answer, in_path, number, query, string},
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
    let mut answers = accepted("Push", "Frozen: every row that is targeted is a durable command.");
    answers["200"]["description"] =
        json!("The idempotency key has made it before; or, of a dry run, what it would do.");
    answers["200"]["content"]["application/json"]["schema"] =
        json!({ "anyOf": [reference("Push"), reference("PushTrial")] });
    let send = operation(
        "/api/v1/pushes",
        "post",
        "sendPush",
        "Asks a question and sends a command to the vehicle of each row. With a `schedule` it does \
         so at each of its times, and is answered at once. 409 `guard-exceeded`: it would reach \
         more than its guard allows, and nothing was sent. A native question wants the role \
         `admin`.",
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
            "None of its commands leaves until it is resumed.",
            vec![id()],
            answer("Push"),
        ),
        operation(
            "/api/v1/pushes/{id}/resume",
            "post",
            "resumePush",
            "Lets it go on.",
            vec![id()],
            answer("Push"),
        ),
        operation(
            "/api/v1/pushes/{id}/abort",
            "post",
            "abortPush",
            "Stops it. What waits is cancelled; what is on its way is asked back, and its \
             acknowledgement decides.",
            vec![id()],
            answer("Push"),
        ),
        operation(
            "/api/v1/pushes/{id}",
            "delete",
            "forgetPush",
            "Forgets a push that has ended, or that stands and of which no command is open, with \
             its runs; its commands stay. 409 `push-open`: it goes on, or a command of it does.",
            vec![id()],
            answer("Push"),
        ),
    ]
}

fn following() -> Vec<Operation> {
    let limit = || query("limit", "Entries of the page.", &number(LIMIT, LIMIT_MAX));
    let after = || query("after", "As the previous page gave it.", &string());
    vec![
        operation(
            "/api/v1/pushes",
            "get",
            "listPushes",
            "Pushes, the newest first. A token that is limited to vehicles sees its own.",
            vec![limit(), after()],
            answer("PushPage"),
        ),
        operation(
            "/api/v1/pushes/{id}",
            "get",
            "getPush",
            "One push, with the report of its latest run and the sums of all.",
            vec![id()],
            answer("Push"),
        ),
        operation(
            "/api/v1/pushes/{id}/commands",
            "get",
            "listPushCommands",
            "Its commands, the newest first. Each filter may come several times.",
            vec![
                id(),
                query("vehicle", "Of this vehicle.", &string()),
                query("state", "In this state.", &reference("CommandState")),
                query("name", "Of this name.", &string()),
                limit(),
                after(),
            ],
            answer("CommandPage"),
        ),
        operation(
            "/api/v1/pushes/{id}/runs",
            "get",
            "listPushRuns",
            "Its runs, the newest first.",
            vec![id(), limit(), after()],
            answer("PushRunPage"),
        ),
    ]
}

fn question() -> Value {
    json!({
        "type": "object",
        "description": "Portable: `measurement` with `vehicles`, `tags`, `fields`, `from`, `to`, \
                        `every`, `fn`, `order`, as of `/telemetry`, every page of it. Native: \
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
            ("measurement", "string", "Where the values are."),
            ("when", "string", "The condition."),
            ("fresh", "string", "How old they may be, such as 5m."),
        ],
        &["measurement", "when", "fresh"],
        "As of a single command: asked again when each is about to leave.",
    );
    let verify = members(
        &[
            ("measurement", "string", "Where the vehicle's points are."),
            ("when", "string", "What one of them must say."),
            ("within", "string", "How long after the delivery, such as 10m."),
        ],
        &["measurement", "when", "within"],
        "What points later than the delivery must say for `verified` to become `yes`.",
    );
    [still, verify]
}

/// `guard` and `waves`.
fn bounds() -> [Value; 2] {
    let guard = members(
        &[
            ("vehicles-max", "integer", "At most so many."),
            (
                "share-max",
                "number",
                "At most this share of the vehicles that are known: connected, remembered, or \
                 with a point of the last 7 days.",
            ),
        ],
        &[],
        "How many vehicles it may reach.",
    );
    let waves = members(
        &[
            ("first", "integer", "Vehicles of the first."),
            ("factor", "number", "Each is so many times the one before; default 1."),
            ("every", "string", "From the beginning of one to that of the next, such as 1m."),
            (
                "abort-above",
                "number",
                "It stops when more than this share of those that have ended failed, were \
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
        ("name", described("string", "What `once-per` goes by. Default: the command's name.")),
        ("query", question()),
        (
            "vehicle",
            described("string", "The column of the vehicle; of a portable question its own."),
        ),
        ("command", described("string", "A declared one.")),
        (
            "fields",
            described(
                "object",
                "Its fields. `\"{column}\"` alone is the row's value with its type, within a text \
                 it is written into it; `{{` and `}}` are braces.",
            ),
        ),
        ("expires-in", described("string", "How long each waits for its vehicle once let go.")),
        ("execute-within", described("string", "From its delivery to the receipt.")),
        ("once-per", described("string", "A vehicle that was told so lately is left out.")),
        ("supersede", described("string", "Takes the place of those with this key.")),
        ("still", still),
        ("verify", verify),
        ("guard", guard),
        ("waves", waves),
        ("rate", described("integer", "Commands a second that are let go.")),
        (
            "schedule",
            described(
                "string",
                "A cron expression of 5 fields, or of 6 with seconds first: the push stands, and \
                 runs at each of its times. Runs do not pile up.",
            ),
        ),
        ("time-zone", described("string", "Whose clock it means, such as Europe/Berlin. UTC.")),
        (
            "missed",
            json!({
                "enum": ["skip", "once"],
                "description": "What becomes of times that were missed: they are told as one \
                                `skipped` run, or one run is made for all of them. Default: skip.",
            }),
        ),
        (
            "idempotency-key",
            described("string", "The same key with the same content makes no second push."),
        ),
        ("dry-run", described("boolean", "Says what it would do, and does nothing.")),
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
    verified["description"] = json!("Delivered ones by whether their effect was seen.");
    object(&[
        ("rows", count("Rows for which `having` holds.")),
        ("unknown", count("Of no vehicle that is known.")),
        ("left-out", words(vec!["duplicate", "once-per", "open-max", "not-allowed"])),
        ("targeted", count("Each made a command. With the ones above they sum to `rows`.")),
        ("states", states),
        ("verified", verified),
    ])
}

/// What a dry run answers, and a row of it.
fn trial() -> [Value; 2] {
    let list = |of: &str| json!({ "type": "array", "items": reference(of) });
    let trial = object(&[
        ("query", described("object", "The question as it was asked.")),
        ("report", reference("PushReport")),
        ("rows", list("PushTrialRow")),
        ("more", described("integer", "Vehicles that are not shown.")),
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
        ("payload", text("What the vehicle would read, in base64; null where it cannot be made.")),
        ("error", text("Why it cannot be made.")),
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
    let open = || described("integer", "Its commands that have not ended.");
    let when = |about: &str| text(about);
    let list = |of: &str| json!({ "type": "array", "items": reference(of) });
    let push = object(&[
        ("id", described("string", "A UUID of version 7.")),
        ("name", described("string", "What operators call it.")),
        ("state", json!({ "oneOf": push_states })),
        ("cause", text("Why its latest run ended as it did.")),
        ("created", timestamp("When it was asked for.")),
        ("by", described("string", "Who asked for it.")),
        ("request", described("object", "As it was asked for.")),
        ("run", when("The time of its latest run.")),
        ("report", reference("PushReport")),
        ("sums", reference("PushReport")),
        ("next", when("When its next run is due, where it stands and is not paused.")),
        ("open", open()),
        ("ended", when("When it ended.")),
    ]);
    let run = object(&[
        ("at", timestamp("The time of its question.")),
        ("state", json!({ "oneOf": run_states })),
        ("cause", text("Why it ended as it did, or is made later than it was due.")),
        (
            "query",
            json!({ "type": ["object", "null"], "description": "The question as it was asked." }),
        ),
        ("waves", described("integer", "Waves that have begun.")),
        ("report", reference("PushReport")),
        ("open", open()),
        ("ended", when("When its last command was let go, or it was stopped.")),
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
