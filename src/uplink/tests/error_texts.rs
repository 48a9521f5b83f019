//! The text of a dead letter: which value is wrong, what was expected, what was found, and where.

use super::{
    harness::{Harness, mapping, proto3},
    json::{SCALARS, set},
};
use crate::model::Cause;

/// `j4-words-for-bad-json`: each mistake has its own error text.
#[test]
fn bad_json_gets_an_error_that_names_the_mistake() {
    for (payload, cause, detail) in BAD_JSON {
        let found = set(SCALARS, "", "").failure(payload);
        assert_eq!(found, (*cause, (*detail).to_owned()), "{}", String::from_utf8_lossy(payload));
    }
}

const BAD_JSON: &[(&[u8], Cause, &str)] = &[
    (b"{\"s\":\"a\"}\0", Cause::PayloadMalformed, "a NUL byte follows the JSON text at byte 9"),
    (
        b"\xef\xbb\xbf{\"s\":\"a\"}",
        Cause::PayloadMalformed,
        "begins with a byte order mark (send the text without it) at byte 0",
    ),
    (b"{\"n\":1e400}", Cause::PayloadMismatch, "field `n`: 1e400 is past the doubles at byte 5"),
    (b"{\"s\":\"\\ud83d\"}", Cause::PayloadMalformed, "field `s`: half a surrogate pair at byte 6"),
    (b"{\"i\":NaN}", Cause::PayloadMalformed, "field `i`: `NaN` is no JSON value at byte 5"),
    (
        b"{\"n\":-Infinity}",
        Cause::PayloadMalformed,
        "field `n`: `Infinity` is no JSON value at byte 6",
    ),
    (b"{\"b\":True}", Cause::PayloadMalformed, "field `b`: `True` is no JSON value at byte 5"),
    (
        b"{\"i\":1}\n{\"i\":2}",
        Cause::PayloadMalformed,
        "a second value follows the JSON text (a message is one) at byte 8",
    ),
    (b"{\"i\":1,}", Cause::PayloadMalformed, "a comma stands before the closing bracket at byte 7"),
    (b"\xff\xfe{\0}\0", Cause::PayloadNotUtf8, "is UTF-16 (JSON payloads are UTF-8) at byte 0"),
    (b"{\0\"\0i\0\"\0", Cause::PayloadMalformed, "is UTF-16 (JSON payloads are UTF-8) at byte 1"),
    (b"{'i':1}", Cause::PayloadMalformed, "a single quote: JSON has double ones at byte 1"),
    (b"{\"i\":01}", Cause::PayloadMalformed, "field `i`: a number begins with a zero at byte 6"),
    (b"{\"i\":+1}", Cause::PayloadMalformed, "field `i`: a number begins with a plus at byte 5"),
    (b"{\"n\":.5}", Cause::PayloadMalformed, "field `n`: a number begins with its point at byte 5"),
    (
        b"{\"i\":0x1f}",
        Cause::PayloadMalformed,
        "field `i`: a number that JSON has not: only decimal digits, one point, one exponent at byte 6",
    ),
    (
        b"{\"s\":\"a\nb\"}",
        Cause::PayloadMalformed,
        "field `s`: a line break or a TAB stands unescaped in a text, or its closing quote is missing at byte 7",
    ),
    (b"{\"i\":1 \"n\":2}", Cause::PayloadMalformed, "a comma is missing at byte 7"),
    (b"{i:1}", Cause::PayloadMalformed, "a word without quotes at byte 1"),
    (
        b"{\"i\":,}",
        Cause::PayloadMalformed,
        "field `i`: a comma stands where a value is expected at byte 5",
    ),
    (
        b"{\"s\":\"\\x41\"}",
        Cause::PayloadMalformed,
        "field `s`: an escape that JSON has not at byte 6",
    ),
    (b"{\"n\":5.}", Cause::PayloadMalformed, "field `n`: a number ends in its middle at byte 7"),
    (b"{\"n\":1e,}", Cause::PayloadMalformed, "field `n`: a number ends in its middle at byte 7"),
    (b"{\"n\":--1}", Cause::PayloadMalformed, "field `n`: a number has two signs at byte 6"),
    (
        b"{\"n\":1,5}",
        Cause::PayloadMalformed,
        "a comma in a number: JSON has a point (or a name is missing) at byte 7",
    ),
    (b"{\"n\" 1}", Cause::PayloadMalformed, "a colon is missing at byte 5"),
    (
        b"{\"n\":1;\"i\":2}",
        Cause::PayloadMalformed,
        "a semicolon where a comma is expected at byte 6",
    ),
    (
        b"{\xe2\x80\x9cn\xe2\x80\x9d:1}",
        Cause::PayloadMalformed,
        "a typographic quote: JSON has straight ones at byte 1",
    ),
    (b"?", Cause::PayloadMalformed, "the payload is not JSON at byte 0"),
];

/// `d1-dead-letter-names-the-field`: which field, what was expected, what was found, where.
#[test]
fn a_value_that_does_not_fit_is_reported_with_its_field() {
    let properties = r#"{"serial":{"type":"string"},"speed":{"type":"number"},
        "cells":{"type":"array","items":{"type":"number"}},
        "fix":{"type":"object","properties":{"lat":{"type":"number"}},"required":["lat"]},
        "map":{"type":"object","additionalProperties":{"type":"integer"}}}"#;
    let table = [
        (
            r#"{"serial":"s","cells":3.9}"#,
            "field `cells`: a number where the schema has a list at byte 22: 3.9",
        ),
        (
            r#"{"serial":"s","fix":[13.25,52.5]}"#,
            "field `fix`: a list where the schema has an object at byte 20: [13.25,52.5]",
        ),
        (r#"{"speed":1}"#, "field `serial` is required and absent at byte 10"),
        (
            r#"{"serial":"s","fix":{"lat":"52.5"}}"#,
            "field `fix.lat`: a string where the schema has a number at byte 27: \"52.5\"",
        ),
        (r#"{"serial":"s","fix":{}}"#, "field `fix.lat` is required and absent at byte 21"),
        (
            r#"{"serial":"s","cells":[1,{}]}"#,
            "field `cells.1`: an object where the schema has a number at byte 25: {}",
        ),
        (
            r#"{"serial":"s","map":{"a":1,"b":1.5}}"#,
            "field `map.b`: 1.5 is not whole and the schema has an integer at byte 31",
        ),
    ];
    for (payload, detail) in table {
        let rest = "fields = { exclude = [\"serial\"] }";
        let mut set = set(properties, ",\"required\":[\"serial\"]", rest);
        let found = set.failure(payload.as_bytes());
        assert_eq!(found, (Cause::PayloadMismatch, detail.to_owned()), "{payload}");
    }
}

/// `d1-dead-letter-names-the-field` in protobuf: name, number, what the wire has, what the schema
/// has, and the byte of the field's tag.
#[test]
fn a_protobuf_field_of_another_wire_type_is_reported_with_its_number() {
    let proto = proto3(
        "message M { int64 at = 1; int32 speed = 2; Fix fix = 3; repeated double cells = 4;
           map<string, int32> tyres = 5; }
         message Fix { double lat = 1; }",
    );
    let table: [(&[u8], &str); 5] = [
        (
            b"\x08\x80\xe0\xe0\xbf\x9f\x34\x11\0\0\0\0\0\0\x4a\x40",
            "field `speed` (number 2): eight bytes where the schema has a varint at byte 7",
        ),
        (
            b"\x1a\x02\x08\x01",
            "field `fix.lat` (number 1): a varint where the schema has eight bytes at byte 2",
        ),
        (
            b"\x20\x01",
            "field `cells` (number 4): a varint where the schema has eight bytes at byte 0",
        ),
        (b"\x2a\x03\x0a\x01\xff", "field `tyres` (number 5): text is not UTF-8 at byte 4"),
        (
            b"\x0d\0\0\0\0",
            "field `at` (number 1): four bytes where the schema has a varint at byte 0",
        ),
    ];
    for (payload, detail) in table {
        let mut harness = Harness::new(&proto, &mapping(""));
        assert_eq!(harness.failure(payload).1, detail, "{payload:02x?}");
    }
}
