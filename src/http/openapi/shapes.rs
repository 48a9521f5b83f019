//! The schemas of requests and answers.

use serde_json::{Map, Value, json};

use super::{commands, pushes, sessions};
use crate::{
    http::Code,
    model::{Cause, ValueType},
    query::Language,
};

pub(super) fn schemas() -> Value {
    let mut schemas = Map::new();
    let shapes =
        [errors(), operation(), vehicles(), rows(), dead_letters(), sessions::shapes()].concat();
    let shapes = [shapes, commands::shapes(), pushes::shapes()].concat();
    for (name, schema) in shapes {
        schemas.insert(name.to_owned(), schema);
    }
    schemas.into()
}

pub(super) type Named = Vec<(&'static str, Value)>;

fn errors() -> Named {
    let codes = Code::ALL.iter().map(|code| constant(code.as_str(), code.explain()));
    let causes = Cause::ALL.iter().map(|cause| constant(cause.as_str(), cause.explain()));
    vec![
        ("ErrorCode", json!({ "type": "string", "oneOf": codes.collect::<Vec<_>>() })),
        (
            "Error",
            object(&[(
                "error",
                object(&[
                    ("code", reference("ErrorCode")),
                    ("message", described("string", "For people; its text may change.")),
                    (
                        "details",
                        json!({
                            "type": "object",
                            "description": "Details of the code: the parameter, the bound, the \
                                nearest known name.",
                        }),
                    ),
                ]),
            )]),
        ),
        ("DeadLetterCause", json!({ "type": "string", "oneOf": causes.collect::<Vec<_>>() })),
    ]
}

fn operation() -> Named {
    let count = |about: &str| json!({ "type": "integer", "minimum": 0, "description": about });
    let component = object(&[
        ("name", described("string", "The component.")),
        ("critical", described("boolean", "Whether readiness depends on it.")),
        ("state", described("string", "In a word.")),
        ("reason", json!({ "type": ["string", "null"], "description": "Why it is not ready." })),
    ]);
    let messages = object(&[
        ("received", count("Messages read from vehicles, replays included.")),
        ("spooled", count("Messages with points in the spool, durable.")),
        ("dead_lettered", count("Messages with a dead letter, durable.")),
        ("filtered", count("Messages that a filter excluded, or without any field.")),
        ("unmapped", count("Messages on a topic without a mapping.")),
        ("refused", count("Messages refused before decoding.")),
        ("pending", count("Messages received and not finished yet.")),
    ]);
    let points = object(&[
        ("recovered", count("Points past the cursors at the start.")),
        ("spooled", count("Points made durable since.")),
        ("stored", count("Points accepted by the store.")),
        ("dead_lettered", count("Points refused by the store and kept.")),
        ("damaged", count("Points lost to a failed checksum.")),
        ("in_spool", count("Points durable and not yet confirmed by the store.")),
        ("merged", count("Points merged into others of their message before the spool.")),
    ]);
    let deliveries = object(&[
        ("recovered", count("Deliveries in the queues of sessions at the start.")),
        ("routed", count("Deliveries routed to a subscriber, one for each.")),
        ("delivered", count("Deliveries acknowledged; at QoS 0 written.")),
        ("queued", count("Deliveries queued or in flight.")),
        ("dropped", count("Deliveries that the subscriber did not get.")),
        ("expired", count("Deliveries past their message expiry interval.")),
    ]);
    vec![
        ("Health", object(&[("alive", described("boolean", "True."))])),
        (
            "Readiness",
            object(&[
                ("ready", described("boolean", "Whether every critical component is.")),
                ("components", json!({ "type": "array", "items": component })),
            ]),
        ),
        (
            "Stats",
            object(&[("messages", messages), ("points", points), ("deliveries", deliveries)]),
        ),
    ]
}

fn dead_letter_summary() -> Value {
    let count = |about: &str| json!({ "type": "integer", "minimum": 0, "description": about });
    let text = |about| described("string", about);
    let vehicle = object(&[
        ("vehicle", text("The vehicle.")),
        ("letters", count("Its letters; a lower bound if very many vehicles have some.")),
    ]);
    let cause = object(&[
        ("cause", reference("DeadLetterCause")),
        ("means", text("What the cause means.")),
        ("letters", count("The sum of `vehicles`, `other_vehicles` and `without_vehicle`.")),
        ("first", timestamp("When the first of them was set aside.")),
        ("last", timestamp("When the last of them was set aside.")),
        ("vehicles", json!({ "type": "array", "items": vehicle })),
        ("other_vehicles", count("Letters of vehicles not named here.")),
        ("without_vehicle", count("Letters without a known vehicle.")),
        ("mend", text("What to correct.")),
        ("show", text("The command that shows the letters.")),
        ("heal", text("The command to run after the correction.")),
    ]);
    object(&[
        ("letters", count("The number of letters.")),
        ("unread", count("Further letters of a newer version that this one cannot read.")),
        ("causes", json!({ "type": "array", "items": cause, "description": "Most first." })),
    ])
}

fn dead_letters() -> Named {
    let text = |about: &str| json!({ "type": ["string", "null"], "description": about });
    let mut letter = object(&[
        ("id", described("string", "Its id, for as long as it exists.")),
        ("time", timestamp("When the message arrived, or the store refused the point.")),
        ("vehicle", text("The vehicle, if known.")),
        ("topic", text("A message's topic.")),
        ("mapping", text("The mapping of a message that failed.")),
        ("cause", reference("DeadLetterCause")),
        ("detail", described("string", "The exact error.")),
        ("payload", text("A message's payload in base64.")),
        ("line", text("A point in line protocol.")),
        ("answer", text("The store's answer to a point.")),
    ]);
    letter["properties"]["content_type"] = described("string", "A message's content type, if any.");
    letter["properties"]["line_bytes"] =
        described("string", "The line in base64, if it is not UTF-8.");
    let page = object(&[
        ("dead_letters", json!({ "type": "array", "items": reference("DeadLetter") })),
        ("after", json!({ "type": ["string", "null"], "description": "For the next page." })),
    ]);
    let count = json!({ "type": "integer", "minimum": 0, "description": "How many." });
    let failed =
        json!({ "type": "integer", "minimum": 0, "description": "Letters that failed again." });
    let replayed = object(&[
        ("count", count.clone()),
        ("failed", failed),
        ("after", json!({ "type": ["string", "null"], "description": "Where to go on." })),
    ]);
    vec![
        ("DeadLetter", letter),
        ("DeadLetterPage", page),
        ("DeadLetterSummary", dead_letter_summary()),
        ("Count", object(&[("count", count)])),
        ("Replayed", replayed),
        ("ReplayRequest", replay_request()),
    ]
}

fn vehicles() -> Named {
    let members = [
        ("vin", described("string", "As its mapping names it.")),
        ("connected", described("boolean", "Whether a live session publishes for it.")),
        (
            "last_seen",
            timestamp(
                "When its last message became durable, to half a second; if not seen since the \
                 start, the time of its latest point.",
            ),
        ),
        (
            "sessions",
            json!({
                "type": "array",
                "items": reference("Session"),
                "description": "The live sessions that publish for it, the latest last; at most 8.",
            }),
        ),
    ];
    let measurements = json!({
        "type": "object",
        "additionalProperties": reference("LastPoint"),
        "description": "The latest point of each measurement.",
    });
    let detail = [&members[..], &[("measurements", measurements)]].concat();
    let session = object(&[
        ("client_id", described("string", "As in CONNECT, or as assigned.")),
        ("protocol", json!({ "type": "string", "enum": ["3.1.1", "5.0"] })),
        ("address", json!({ "type": ["string", "null"], "description": "IP address and port." })),
        ("connected_at", timestamp("When its CONNECT was accepted.")),
        ("last_packet_at", timestamp("When its last packet arrived, to about a second.")),
        ("keep_alive_seconds", described("integer", "The keep alive in its CONNECT; 0: none.")),
    ]);
    let point = object(&[
        ("time", timestamp("The point's own time.")),
        ("source", json!({ "type": "string", "enum": ["session", "store"] })),
        (
            "fields",
            json!({
                "type": "object",
                "additionalProperties": { "type": ["number", "boolean", "string"] },
                "description": "Values in the units that the vehicle sends.",
            }),
        ),
    ]);
    vec![
        ("Vehicle", object(&members)),
        ("VehicleDetail", object(&detail)),
        ("Session", session),
        ("LastPoint", point),
        (
            "VehiclePage",
            object(&[
                ("vehicles", json!({ "type": "array", "items": reference("Vehicle") })),
                ("after", after()),
            ]),
        ),
    ]
}

fn rows() -> Named {
    let types = [
        ValueType::Timestamp,
        ValueType::Float,
        ValueType::Integer,
        ValueType::Boolean,
        ValueType::String,
    ];
    let column = object(&[
        ("name", described("string", "As asked for.")),
        ("type", json!({ "type": "string", "enum": types.map(ValueType::as_str) })),
    ]);
    let languages: Vec<&str> = Language::ALL.iter().map(|language| language.as_str()).collect();
    let params = json!({
        "type": ["object", "null"],
        "additionalProperties": { "type": ["number", "boolean", "string", "null"] },
        "description": "Values by name, bound or quoted as data: `$name` in the text.",
    });
    let question = json!({
        "type": "object",
        "required": ["language", "text"],
        "properties": {
            "language": { "type": "string", "enum": languages },
            "text": { "type": "string" },
            "params": params,
        },
        "additionalProperties": false,
    });
    let named = |more: &[(&str, Value)]| {
        let name = [("name", described("string", "As it is asked for."))];
        let mapped = [("mapped", described("boolean", "Whether a mapping writes it."))];
        json!({ "type": "array", "items": object(&[&name[..], more, &mapped[..]].concat()) })
    };
    let moment = |what: &str| {
        json!({
            "type": ["string", "null"],
            "format": "date-time",
            "description": format!(
                "The time of the {what} point in the store; null if there is none, if the \
                 vehicle's tag is unknown, or if the list took longer than query.time-max."
            ),
        })
    };
    let seen = [("first_seen", moment("first")), ("last_seen", moment("last"))];
    let kind = json!({ "type": "string", "enum": types.map(ValueType::as_str) });
    let of_field = [&[("type", kind)][..], &seen[..]].concat();
    let is_vehicle = described("boolean", "Whether `vehicle=` filters by it.");
    vec![
        ("Measurements", object(&[("measurements", named(&seen))])),
        ("Fields", object(&[("fields", named(&of_field))])),
        ("Tags", object(&[("tags", named(&[("vehicle", is_vehicle)]))])),
        (
            "Rows",
            object(&[
                ("columns", json!({ "type": "array", "items": column })),
                (
                    "rows",
                    json!({
                        "type": "array",
                        "items": { "type": "array", "items": {
                            "type": ["number", "boolean", "string", "null"],
                        } },
                        "description": "One value a column; an integer is exact, also past 2^53.",
                    }),
                ),
                ("after", after()),
            ]),
        ),
        ("Question", question),
    ]
}

/// An object with exactly these members.
pub(super) fn object(members: &[(&str, Value)]) -> Value {
    let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    let properties = members.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone()));
    json!({
        "type": "object",
        "required": names,
        "properties": properties.collect::<Map<_, _>>(),
    })
}

pub(super) fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

pub(super) fn described(kind: &str, about: &str) -> Value {
    json!({ "type": kind, "description": about })
}

pub(super) fn timestamp(about: &str) -> Value {
    json!({ "type": "string", "format": "date-time", "description": about })
}

pub(super) fn after() -> Value {
    json!({
        "type": ["string", "null"],
        "description": "The token of the next page; null: this was the last.",
    })
}

/// A value of a closed list.
fn constant(name: &str, about: &str) -> Value {
    json!({ "const": name, "description": about })
}

/// The filter of a list, as the members of an object.
fn replay_request() -> Value {
    let texts = |description: &str| {
        let text = json!({ "type": "string" });
        let texts = json!({ "type": "array", "items": text });
        json!({ "description": description, "oneOf": [text, texts] })
    };
    let time = |description: &str| described("string", description);
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "cause": texts("Any of these causes."),
            "vehicle": texts("Any of these vehicles."),
            "mapping": texts("Any of these mappings."),
            "id": texts("Any of these letters."),
            "from": time("Set aside at or after this time, as in a list."),
            "to": time("Set aside before this time."),
            "all": described("boolean", "All letters; required without a filter."),
            "limit": json!({ "type": "integer", "minimum": 1, "description": "Letters at most." }),
            "after": described("string", "The `after` of the previous answer."),
        },
    })
}
