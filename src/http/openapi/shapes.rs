//! What answers and bodies are made of.

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
                            "description": "What the code is about: the parameter, the bound, \
                                the nearest known name.",
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
        ("name", described("string", "The part.")),
        ("critical", described("boolean", "Whether it keeps the whole from being ready.")),
        ("state", described("string", "In a word.")),
        ("reason", json!({ "type": ["string", "null"], "description": "Why it is not ready." })),
    ]);
    let messages = object(&[
        ("received", count("Publishes read from vehicles, replays included.")),
        ("spooled", count("With points in the spool, durable.")),
        ("dead_lettered", count("With a dead letter, durable.")),
        ("filtered", count("That a filter said not to store, or without any field.")),
        ("unmapped", count("Whose topic no mapping has.")),
        ("refused", count("Turned away before decoding.")),
        ("pending", count("Received and not finished yet.")),
    ]);
    let points = object(&[
        ("recovered", count("Past the cursors at the start.")),
        ("spooled", count("Made durable since.")),
        ("stored", count("Accepted by the store.")),
        ("dead_lettered", count("Refused by the store and kept.")),
        ("damaged", count("Refused by a checksum.")),
        ("in_spool", count("Durable and not yet confirmed by the store.")),
        ("merged", count("Merged into others of their message before the spool.")),
    ]);
    let deliveries = object(&[
        ("recovered", count("That lay in the queues of sessions at start.")),
        ("routed", count("That were to go to a subscriber, once for each.")),
        ("delivered", count("Acknowledged by it; at QoS 0 written.")),
        ("queued", count("Waiting for it, or on their way.")),
        ("dropped", count("That it did not get.")),
        ("expired", count("Too old by what their publisher said.")),
    ]);
    vec![
        ("Health", object(&[("alive", described("boolean", "True."))])),
        (
            "Readiness",
            object(&[
                ("ready", described("boolean", "Whether every critical part is.")),
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
        ("vehicle", text("Which.")),
        ("letters", count("How many; at least so many where very many vehicles have some.")),
    ]);
    let cause = object(&[
        ("cause", reference("DeadLetterCause")),
        ("means", text("What the cause means.")),
        ("letters", count("The sum of `vehicles`, `other_vehicles` and `without_vehicle`.")),
        ("first", timestamp("When the first of them was set aside.")),
        ("last", timestamp("When the last was.")),
        ("vehicles", json!({ "type": "array", "items": vehicle })),
        ("other_vehicles", count("Letters of vehicles that are not named here.")),
        ("without_vehicle", count("Letters whose vehicle is not known.")),
        ("mend", text("What to mend.")),
        ("show", text("The command that shows the letters.")),
        ("heal", text("The command that heals them, once that is mended.")),
    ]);
    object(&[
        ("letters", count("How many there are.")),
        ("unread", count("How many more a newer version wrote, which this one cannot read.")),
        ("causes", json!({ "type": "array", "items": cause, "description": "Most first." })),
    ])
}

fn dead_letters() -> Named {
    let text = |about: &str| json!({ "type": ["string", "null"], "description": about });
    let mut letter = object(&[
        ("id", described("string", "Its name, for as long as it exists.")),
        ("time", timestamp("When the message came, or the store refused the point.")),
        ("vehicle", text("Where it is known.")),
        ("topic", text("Of a message.")),
        ("mapping", text("Of a message: the one that failed.")),
        ("cause", reference("DeadLetterCause")),
        ("detail", described("string", "What exactly.")),
        ("payload", text("Of a message, in base64.")),
        ("line", text("Of a point, in line protocol.")),
        ("answer", text("Of a point: what the store said.")),
    ]);
    letter["properties"]["content_type"] = described("string", "Of a message, where it had one.");
    letter["properties"]["line_bytes"] =
        described("string", "The line in base64, where it is not all UTF-8.");
    let page = object(&[
        ("dead_letters", json!({ "type": "array", "items": reference("DeadLetter") })),
        ("after", json!({ "type": ["string", "null"], "description": "For the next page." })),
    ]);
    let count = json!({ "type": "integer", "minimum": 0, "description": "How many." });
    let failed = json!({ "type": "integer", "minimum": 0, "description": "How many stay." });
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
        ("connected", described("boolean", "Whether a live session carries it.")),
        (
            "last_seen",
            timestamp(
                "When its last message became durable, to half a second; of one not seen since \
                 the start, the time of its latest point.",
            ),
        ),
        (
            "sessions",
            json!({
                "type": "array",
                "items": reference("Session"),
                "description": "The live sessions that carry it, the latest last; at most 8.",
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
        ("client_id", described("string", "As CONNECT gave it, or as it was assigned.")),
        ("protocol", json!({ "type": "string", "enum": ["3.1.1", "5.0"] })),
        ("address", json!({ "type": ["string", "null"], "description": "IP address and port." })),
        ("connected_at", timestamp("When its CONNECT was accepted.")),
        ("last_packet_at", timestamp("When its last packet came, to about a second.")),
        (
            "keep_alive_seconds",
            described(
                "integer",
                "How long it may be silent by its own word; 0: as long as it likes.",
            ),
        ),
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
        let mapped = [("mapped", described("boolean", "Whether a mapping names it."))];
        json!({ "type": "array", "items": object(&[&name[..], more, &mapped[..]].concat()) })
    };
    let moment = |what: &str| {
        json!({
            "type": ["string", "null"],
            "format": "date-time",
            "description": format!(
                "The time of the {what} point in the store; null where there is none, where nothing \
                 says which tag is the vehicle's, or where the list took longer than \
                 query.time-max."
            ),
        })
    };
    let seen = [("first_seen", moment("first")), ("last_seen", moment("last"))];
    let kind = json!({ "type": "string", "enum": types.map(ValueType::as_str) });
    let of_field = [&[("type", kind)][..], &seen[..]].concat();
    let is_vehicle = described("boolean", "Whether `vehicle=` asks by it.");
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
        "description": "Asks for the next page; null: this was the last.",
    })
}

/// One of a closed list.
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
            "all": described("boolean", "Wanted, and true, where no filter is given."),
            "limit": json!({ "type": "integer", "minimum": 1, "description": "Letters at most." }),
            "after": described("string", "Where the previous answer said to go on."),
        },
    })
}
