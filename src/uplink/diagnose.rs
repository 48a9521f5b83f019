//! Hints about what the bytes of a failed payload look like, to help the operator find the reason.
//!
//! Hints are guesses, are worded as such, and decide nothing. They examine first bytes and lengths,
//! and make at most a few passes over the payload.

use prost_reflect::prost::encoding::{DecodeContext, decode_key, skip_field};

use crate::{
    mapping::{Decoder, Framing, Plan, Select},
    model::Cause,
    uplink::{Message, framing, trouble::shown},
};

/// What bytes look like, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hint {
    /// If the detail contains this word already, `text` adds nothing.
    pub(crate) key: &'static str,
    /// The sentence.
    pub(crate) text: String,
}

/// Makes a hint of its key and its sentence.
fn hint(key: &'static str, text: impl Into<String>) -> Hint {
    Hint { key, text: text.into() }
}

/// A hint about a failed payload, if the failure's cause may come from the wrong format.
pub(crate) fn failure(plan: &Plan, payload: &[u8], cause: Cause) -> Option<Hint> {
    let may = match cause {
        Cause::PayloadTruncated
        | Cause::PayloadMalformed
        | Cause::PayloadNotUtf8
        | Cause::PayloadMismatch
        | Cause::PayloadTooDeep
        | Cause::TooManyElements
        | Cause::TooManyPoints => true,
        // Bytes of another format sometimes decode as values of a binary format; text formats do
        // not.
        Cause::TimeInvalid | Cause::TimeOutOfBounds | Cause::VehicleInvalid => {
            !payload.is_empty() && matches!(plan.decoder, Decoder::Avro(_) | Decoder::Protobuf(_))
        }
        _ => false,
    };
    // A message whose only field is text is nearly all text.
    let is_read = matches!(cause, Cause::TimeInvalid | Cause::TimeOutOfBounds);
    let other = || as_other(plan, payload).filter(|hint| !is_read || hint.key != "text");
    may.then(|| other().or_else(|| length_prefix(plan, payload))).flatten()
}

/// A hint about a file that has no mapping yet and is not JSON.
pub(crate) fn unknown_file(file: &[u8]) -> Option<Hint> {
    if let Some(name) = compressed(file) {
        return Some(hint(name, format!("it looks like {name}")));
    }
    if file.starts_with(b"Obj\x01") {
        return Some(hint("Obj", "it begins with `Obj` 1: an Avro container file"));
    }
    as_binary_json(file).or_else(|| as_text(file).filter(|hint| hint.key != "JSON"))
}

/// A hint if the messages of a payload seem to have length prefixes. Also for a payload that was
/// decoded, because such a prefix sometimes decodes as a field.
pub(crate) fn length_prefix(plan: &Plan, payload: &[u8]) -> Option<Hint> {
    let is_bare = plan.framing == Framing::None && plan.select == Select::Topic;
    if !is_bare || !matches!(plan.decoder, Decoder::Protobuf(_)) {
        return None;
    }
    let framings = [(Framing::Grpc, "grpc"), (Framing::Delimited, "delimited")];
    framings.into_iter().find_map(|(one, name)| framed(one, name, payload))
}

/// The same for gRPC's header only.
fn grpc(plan: &Plan, payload: &[u8]) -> Option<Hint> {
    let is_bare = plan.framing == Framing::None && plan.select == Select::Topic;
    framed(Framing::Grpc, "grpc", payload).filter(|_| is_bare)
}

/// A hint if each message of a payload seems to have such a header.
fn framed(framing: Framing, name: &str, payload: &[u8]) -> Option<Hint> {
    let count = framing::count(framing, payload).filter(|_| are_messages(framing, payload))?;
    let what = match count {
        1 => "its length stood in front".to_owned(),
        _ => format!("the lengths of {count} messages stood in front of them"),
    };
    Some(hint("framing", format!("it looks as if {what}: `framing = \"{name}\"`")))
}

/// Whether each message after a header consists of fields up to its last byte, whatever their
/// types.
fn are_messages(framing: Framing, payload: &[u8]) -> bool {
    framing::Frames::new(framing, payload)
        .all(|frame| frame.is_ok_and(|it| is_message(it.of(payload))))
}

/// Whether bytes are the fields of a message.
fn is_message(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        let passed = decode_key(&mut bytes).and_then(|(number, wire_type)| {
            skip_field(wire_type, number, &mut bytes, DecodeContext::default())
        });
        if passed.is_err() {
            return false;
        }
    }
    true
}

/// A hint if a payload looks like another format than the mapping's.
fn as_other(plan: &Plan, payload: &[u8]) -> Option<Hint> {
    if payload.is_empty() {
        return Some(hint("empty", "the payload is empty"));
    }
    if let Some(name) = compressed(payload) {
        return Some(hint(name, format!("it looks like {name}; send it uncompressed")));
    }
    match &plan.decoder {
        Decoder::Avro(_) => avro_header(payload, plan).or_else(|| as_text(payload)),
        // gRPC's header begins with the same byte as Confluent's.
        Decoder::Protobuf(_) => {
            grpc(plan, payload).or_else(|| confluent(payload, plan)).or_else(|| as_text(payload))
        }
        Decoder::Json(_) => confluent(payload, plan)
            .filter(|_| payload.get(5).is_some_and(|byte| matches!(byte, b'{' | b'[')))
            .or_else(|| as_binary_json(payload))
            .or_else(|| as_text(payload).filter(|hint| !matches!(hint.key, "JSON" | "text"))),
        Decoder::LineProtocol => as_text(payload).filter(|hint| matches!(hint.key, "JSON" | "XML")),
    }
}

/// The name of a compression.
fn compressed(payload: &[u8]) -> Option<&'static str> {
    Some(match payload {
        [0x1f, 0x8b, ..] => "gzip",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        [0x04, 0x22, 0x4d, 0x18, ..] => "lz4",
        [0xff, 0x06, 0x00, 0x00, b's', b'N', b'a', b'P', b'p', b'Y', ..] => "snappy",
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, ..] => "bzip2",
        [b'P', b'K', 3, 4, ..] => "a zip archive",
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] if !is_text(payload) => "zlib",
        _ => return None,
    })
}

/// A hint about a header that Avro data may have and this mapping does not expect.
fn avro_header(payload: &[u8], plan: &Plan) -> Option<Hint> {
    match payload {
        [b'O', b'b', b'j', 1, ..] => Some(hint(
            "Obj",
            "it begins with `Obj` 1: an Avro container file; send the datum alone",
        )),
        [0xc3, 0x01, rest @ ..] if !matches!(plan.select, Select::AvroSingleObject { .. }) => {
            let fingerprint = u64::from_le_bytes(*rest.first_chunk()?);
            Some(hint(
                "C3 01",
                format!(
                    "it begins with C3 01 and the fingerprint {fingerprint:016x}: Avro's \
                     single-object encoding; `select = \"avro-single-object\"`"
                ),
            ))
        }
        _ => confluent(payload, plan),
    }
}

/// A hint about Confluent's header, if the mapping does not expect it.
fn confluent(payload: &[u8], plan: &Plan) -> Option<Hint> {
    let is_framed =
        plan.framing == Framing::Grpc || matches!(plan.select, Select::Confluent { .. });
    if is_framed || payload.len() < 6 {
        return None;
    }
    let id = confluent_id(payload)?;
    Some(hint(
        "Confluent",
        format!(
            "it begins with 0 and the id {id}: Confluent's framing; `select = \"confluent\"` and \
             `schema-id = {id}`"
        ),
    ))
}

/// The schema id of a Confluent header. Registries count from 1, so a payload that begins with five
/// zero bytes most likely has none.
fn confluent_id(payload: &[u8]) -> Option<u32> {
    let id = u32::from_be_bytes(*payload.strip_prefix(&[0])?.first_chunk()?);
    (id != 0).then_some(id)
}

/// A hint about text where a binary format is expected.
fn as_text(payload: &[u8]) -> Option<Hint> {
    if !is_text(payload) {
        return None;
    }
    let text = payload.strip_prefix(b"\xef\xbb\xbf").unwrap_or(payload).trim_ascii();
    let ends = |open: u8, close: u8| text.first() == Some(&open) && text.last() == Some(&close);
    if ends(b'{', b'}') || ends(b'[', b']') {
        return Some(hint("JSON", "it looks like JSON text"));
    }
    if ends(b'<', b'>') {
        return Some(hint("XML", "it looks like XML"));
    }
    if text.len() >= 8 && text.len().is_multiple_of(2) && text.iter().all(u8::is_ascii_hexdigit) {
        return Some(hint("hexadecimal", "it looks like hexadecimal digits; send the bytes"));
    }
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    let digits = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    if text.len() >= 8 && text.len().is_multiple_of(4) && digits.iter().all(is_base64) {
        return Some(hint("base64", "it looks like base64; send the bytes"));
    }
    (text.len() >= 8).then(|| hint("text", "it looks like plain text"))
}

/// Whether all characters are printable.
fn is_text(payload: &[u8]) -> bool {
    str::from_utf8(payload)
        .is_ok_and(|text| !text.chars().any(|one| one.is_control() && !one.is_ascii_whitespace()))
}

/// A hint about binary formats that are often called JSON.
fn as_binary_json(payload: &[u8]) -> Option<Hint> {
    if is_text(payload) {
        return None;
    }
    Some(match payload.first()? {
        0x80..=0x8f | 0xde | 0xdf => hint("MessagePack", "it looks like MessagePack"),
        0xa0..=0xbf => hint("CBOR", "it looks like CBOR"),
        _ => return None,
    })
}

/// Describes a message that no mapping of its topic selects, and what those mappings select.
#[cold]
pub(crate) fn unselected<'p>(
    plans: impl Iterator<Item = &'p Plan> + Clone,
    message: &Message<'_>,
) -> String {
    let all = |pick: fn(&Select) -> Option<String>| {
        let mut all: Vec<String> = plans.clone().filter_map(|plan| pick(&plan.select)).collect();
        all.sort();
        all.dedup();
        all
    };
    let ids = all(|select| match select {
        Select::Confluent { schema_id, .. } => Some(schema_id.to_string()),
        _ => None,
    });
    let fingerprints = all(|select| match select {
        Select::AvroSingleObject { fingerprint } => Some(format!("{fingerprint:016x}")),
        _ => None,
    });
    let types = all(|select| match select {
        Select::ContentType(wanted) => Some(format!("`{wanted}`")),
        _ => None,
    });
    let (asks_id, asks_type) = (!ids.is_empty(), !types.is_empty());
    let single_object = message.payload.strip_prefix(&[0xc3, 0x01]);
    let fingerprint = single_object.and_then(|rest| rest.first_chunk()).copied();
    let found = [
        (ids, confluent_id(message.payload).map(|id| id.to_string()), "schema id", NO_CONFLUENT),
        (
            fingerprints,
            fingerprint.map(|bytes| format!("{:016x}", u64::from_le_bytes(bytes))),
            "fingerprint",
            "no single-object header (C3 01 and a fingerprint)",
        ),
        (
            types,
            message.content_type.map(|found| format!("`{}`", shown(found.as_bytes()))),
            "content type",
            "no content type",
        ),
    ];
    let mut told = String::new();
    for (taken, found, what, absent) in found.into_iter().filter(|found| !found.0.is_empty()) {
        told.push_str(if told.is_empty() { ": " } else { "; " });
        let list = taken.join(", ");
        told.push_str(&match found {
            Some(found) if taken.contains(&found) => {
                format!("{what} {found} of another message (its indexes differ)")
            }
            Some(found) => format!("{what} {found}; the mappings of this topic take {list}"),
            None => format!("{absent}; the mappings of this topic take {what} {list}"),
        });
    }
    // A header that no mapping selects by may still say what the payload is.
    let id = confluent_id(message.payload).filter(|_| !asks_id);
    if let Some(id) = id {
        told.push_str(&format!("; it begins with 0 and the schema id {id}"));
    }
    if let Some(found) = message.content_type.filter(|_| !asks_type) {
        told.push_str(&format!("; its content type is `{}`", shown(found.as_bytes())));
    }
    told
}

/// The text for a payload without Confluent's header.
const NO_CONFLUENT: &str = "no Confluent header (0 and an id)";
