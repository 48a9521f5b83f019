//! The point's time, in every form that a mapping may give it.

use super::{
    harness::{Harness, check, mapping, proto3},
    set::{self, Set},
};
use crate::{model::Cause, uplink::tests::harness::TOPIC};

const PROTO: &str = "import \"google/protobuf/timestamp.proto\";
    import \"google/protobuf/duration.proto\";
    message M {
      string text = 1; double seconds = 2; float coarse = 3; optional int64 count = 4;
      google.protobuf.Timestamp ts = 5; sint64 more = 6; google.protobuf.Duration span = 7;
      optional double maybe = 8; uint64 big = 9; int32 x = 10; repeated S s = 11;
      message S { sint64 relative_ms = 1; double v = 2; optional string at = 3; }
    }
";

const REST: &str = "fields = { include = [\"x\"] }\n";

/// The time of a message's one point, or the cause and the detail.
#[track_caller]
fn time_of(toml: &str, json: &str) -> Result<i64, (Cause, String)> {
    let mut harness = Harness::new(&proto3(PROTO), &mapping(&format!("{toml}\n{REST}")));
    let payload = harness.encode(json);
    let (_, lines) = harness.run(TOPIC, &payload, None);
    match harness.failures() {
        [] => Ok(lines.trim_end().rsplit_once(' ').expect("a line").1.parse().expect("a time")),
        _ => Err(harness.failure(&payload)),
    }
}

#[track_caller]
fn check_time(toml: &str, json: &str, expect: i64) {
    assert_eq!(time_of(toml, json), Ok(expect), "{toml} {json}");
}

#[track_caller]
fn check_wrong(toml: &str, json: &str, cause: Cause, detail: &str) {
    assert_eq!(time_of(toml, json), Err((cause, detail.to_owned())), "{toml} {json}");
}

/// 2026-11-20T08:00:00Z.
const AT: i64 = 1_795_161_600_000_000_000;
const RECEIVED: i64 = super::harness::RECEIVED_AT.0;

#[test]
fn numbers_with_a_fraction_and_in_quotes_are_read_from_their_digits() {
    let seconds = "time = { field = \"seconds\", unit = \"s\" }";
    check_time(seconds, r#"{"seconds": 1795161600.25}"#, AT + 250_000_000);
    check_time(seconds, r#"{"seconds": 1795161600.123456}"#, AT + 123_456_000);
    let text = |unit: &str| format!("time = {{ field = \"text\", unit = \"{unit}\" }}");
    check_time(&text("s"), r#"{"text": "1795161600.123456789"}"#, AT + 123_456_789);
    check_time(&text("ms"), r#"{"text": " 1795161600250 "}"#, AT + 250_000_000);
    check_time(&text("us"), r#"{"text": "1.79516160025e15"}"#, AT + 250_000_000);
    check_time(&text("ns"), r#"{"text": "1795161600350000001"}"#, AT + 350_000_001);
    // A 32-bit float has a minute's worth of seconds at best; its digits are what it says.
    check_time(
        "time = { field = \"coarse\", unit = \"s\" }",
        r#"{"coarse": 1795161600}"#,
        1_795_161_600_000_000_000,
    );
    check_wrong(
        &text("s"),
        r#"{"text": "soon \"x\""}"#,
        Cause::TimeInvalid,
        r#"time: "soon \"x\"" is no number"#,
    );
    check_wrong(&text("s"), "{}", Cause::TimeInvalid, "time: it is absent");
    check_wrong(seconds, r#"{"seconds": "NaN"}"#, Cause::TimeInvalid, "time: NaN s is no number");
}

#[test]
fn text_is_read_as_iso_8601_with_its_offset_or_in_the_zone() {
    let plain = "time = { field = \"text\" }";
    let berlin = "time = { field = \"text\", unit = \"iso8601\", zone = \"Europe/Berlin\" }";
    let table = [
        ("2026-11-20T08:00:00Z", AT),
        ("2026-11-20T09:00:00.25+01:00", AT + 250_000_000),
        ("2026-11-20 03:00:00,5-0500", AT + 500_000_000),
        ("20261120T080000Z", AT),
        ("2026-11-20t08:00z", AT),
        ("2026-11-20T08:00:00.0000000009Z", AT),
        ("2026-11-20 08:00:00 Z", AT),
        ("2026-11-20 09:00:00 +0100", AT),
        ("2026-11-19T24:00:00-08:00", AT),
        ("20261119T24-0800", AT),
        ("2026-11-19T24:00:00.000 -08:00", AT),
    ];
    for (text, expect) in table {
        let json = format!("{{\"text\": \"{text}\"}}");
        check_time(plain, &json, expect);
        check_time(berlin, &json, expect);
    }
    check_time(berlin, r#"{"text": "2026-11-20T09:00:00"}"#, AT);
    check_time(berlin, r#"{"text": "2026-11-19T24:00"}"#, AT - 9 * 3_600_000_000_000);
    let fixed = |zone: &str| format!("time = {{ field = \"text\", zone = \"{zone}\" }}");
    for zone in ["+01:00", "+0100", "+01", "Etc/GMT-1"] {
        check_time(&fixed(zone), r#"{"text": "2026-11-20T09:00:00"}"#, AT);
    }
    check_time(&fixed("Z"), r#"{"text": "2026-11-20T08:00:00"}"#, AT);
    check_time(&fixed("-03:30"), r#"{"text": "2026-11-20T04:30:00"}"#, AT);
    check_time(berlin, r#"{"text": "2026-06-20T08:00:00"}"#, 1_781_935_200_000_000_000);
    // The hour that autumn has twice: the first one is meant, in summer time.
    check_time(berlin, r#"{"text": "2026-10-25T02:30:00"}"#, 1_792_888_200_000_000_000);
    let harness = mapping(&format!("{berlin}\n{REST}"));
    let mut harness = Harness::new(&proto3(PROTO), &harness);
    let payload = harness.encode(r#"{"text": "2026-10-25T02:30:00"}"#);
    assert_eq!(harness.run(TOPIC, &payload, None).0.times_repeated, 1);
    let wrong = |toml: &str, text: &str, what: &str| {
        let json = format!("{{\"text\": \"{text}\"}}");
        check_wrong(toml, &json, Cause::TimeInvalid, &format!("time: \"{text}\" {what}"));
    };
    wrong(plain, "2026-11-20T08:00:00", "has no offset, and the mapping names no `zone`");
    wrong(plain, "2026-11-20", "has no offset, and the mapping names no `zone`");
    wrong(berlin, "2026-03-29T02:30:00", "is no time of its zone, whose clocks skip it");
    wrong(berlin, "2026-11-20T08:00:00[Asia/Tokyo]", "names a zone and has no offset");
    let day = "is no date of ISO 8601, which is written as 2026-11-22";
    let month = "is written with the name of a month, as RFC 2822 and HTTP do; ISO 8601 is read";
    let zone = "names its zone; ISO 8601 has `Z` or an offset such as +01:00";
    wrong(plain, "20.11.2026 08:00", day);
    wrong(plain, "2026/11/20 08:00:00", day);
    wrong(plain, "Fri, 20 Nov 2026 08:00:00 GMT", month);
    wrong(plain, "Fri Nov 20 08:00:00 2026", month);
    wrong(plain, "2026-11-20 08:00:00 UTC", zone);
    wrong(plain, "2026-11-20T08:00:00CET", zone);
    wrong(plain, "2026-W47-5T08:00Z", "is a date by its week; write year, month and day");
    let ordinal = "is a date by its day of the year; write year, month and day";
    wrong(plain, "2026-324T08:00Z", ordinal);
    // A seed of `property::compare`: what stands between digits parts them.
    wrong(plain, "2026-11-20T08:00:4 1.5Z", "is no time of ISO 8601");
    wrong(berlin, "2026-11-20T08:00:4 1.5", "is no time of ISO 8601");
    // Another one: only digits are cut behind the nanosecond.
    wrong(berlin, "2026-11-20T08:00:41.499903661,11:30", "is no time of ISO 8601");
    wrong(plain, "2026-11-20T08:00:41.499903661:30Z", "is no time of ISO 8601");
    wrong(plain, "2026-11-20T24:00:00.000,000Z", "is no time of ISO 8601");
    for text in ["2026-11-20T24:00:01Z", "2026-11-20T25:00:00Z", "2026-02-30T08:00:00Z", "soon"] {
        wrong(plain, text, "is no time of ISO 8601");
    }
    wrong(plain, "2026-11-20T08:00:00+25:00", "has an offset of a day or more");
    wrong(
        plain,
        "1795161600250",
        "is no time of ISO 8601; in ms it would be 2026-11-20T08:00:00.25Z",
    );
    wrong(plain, "9999-12-31T00:00:00Z", "does not fit 64-bit nanoseconds");
}

/// `p4-time-zero`.
#[test]
fn a_clock_that_is_not_set_means_the_time_of_receipt_where_the_mapping_says_so() {
    let unset = |rest: &str| format!("time = {{ {rest}, unset = \"received\" }}");
    let count = unset("field = \"count\", unit = \"s\"");
    for json in ["{}", r#"{"count": 0}"#, r#"{"count": 313}"#, r#"{"count": 315964800}"#] {
        check_time(&count, json, RECEIVED);
    }
    check_time(&count, r#"{"count": 1795161600}"#, AT);
    let text = unset("field = \"text\"");
    for text_of in [
        "",
        " ",
        "0",
        "0000-00-00 00:00:00",
        "0000-00-00T00:00:00.000Z",
        "1970-01-01T00:00:00Z",
        "1980-01-06T00:00:00Z",
        "0001-01-01T00:00:00Z",
    ] {
        check_time(&text, &format!("{{\"text\": \"{text_of}\"}}"), RECEIVED);
    }
    check_time(&unset("field = \"ts\""), r#"{"ts": "0001-01-01T00:00:00Z"}"#, RECEIVED);
    check_time(&unset("field = \"maybe\", unit = \"s\""), "{}", RECEIVED);
    check_wrong(
        &count,
        r#"{"count": 347155200}"#,
        Cause::TimeOutOfBounds,
        "time: it is out of bounds: the point says 1981-01-01T00:00:00Z, it was received \
         2026-11-22T23:00:00Z",
    );
    check_wrong(
        &text,
        r#"{"text": "none"}"#,
        Cause::TimeInvalid,
        "time: \"none\" is no time of ISO 8601",
    );
}

#[test]
fn a_time_may_be_relative_to_another_field() {
    let plus = |rest: &str| {
        format!(
            "time = {{ field = \"count\", unit = \"s\", plus = {{ {rest} }}, unset = \"received\" }}"
        )
    };
    let more = plus("field = \"more\", unit = \"ms\"");
    check_time(&more, r#"{"count": 1795161600, "more": -1500}"#, AT - 1_500_000_000);
    check_time(
        &plus("field = \"span\""),
        r#"{"count": 1795161600, "span": "0.5s"}"#,
        AT + 500_000_000,
    );
    check_time(
        &plus("field = \"text\", unit = \"s\""),
        r#"{"count": 1795161600, "text": "-0.000000001"}"#,
        AT - 1,
    );
    // Without a clock the relation is kept, to the time of receipt.
    check_time(&more, r#"{"count": 0, "more": -1500}"#, RECEIVED - 1_500_000_000);
    check_wrong(
        &plus("field = \"maybe\", unit = \"s\""),
        r#"{"count": 1795161600}"#,
        Cause::TimeInvalid,
        "time: plus: it is absent",
    );
    check_wrong(
        &plus("field = \"big\", unit = \"s\""),
        r#"{"count": 1795161600, "big": "18446744073709551615"}"#,
        Cause::TimeInvalid,
        "time: 1795161600 s does not fit 64-bit nanoseconds",
    );
}

/// `p6-relative-time`: each signal has a time of its own, and a clock that is not set does not make
/// them meet.
#[test]
fn points_may_be_relative_to_their_message() {
    let toml = "points = \"s\"\nfields = { include = [\"v\"] }\n\
                time = { field = \"count\", unit = \"ms\", unset = \"received\", \
                plus = { field = \"relative_ms\", unit = \"ms\" } }";
    let samples = r#""s": [{"relativeMs": -2, "v": 1}, {"relativeMs": 0, "v": 2}]}"#;
    check(
        &proto3(PROTO),
        toml,
        &format!("{{\"count\": 1795161600000, {samples}"),
        "m v=1 1795161599998000000\nm v=2 1795161600000000000\n",
    );
    check(&proto3(PROTO), toml, &format!("{{{samples}"), "m v=1 1795388399998000000\nm v=2\n");
    // Elements whose own clock is not set get distinct times of receipt.
    check(
        &proto3(PROTO),
        "points = \"s\"\nfields = { include = [\"v\"] }\ntime = { field = \"at\", unset = \"received\" }",
        r#"{"s": [{"v": 1}, {"at": "", "v": 2}, {"at": "2026-11-20T08:00:00Z", "v": 3}, {"v": 4}]}"#,
        "m v=1\nm v=2\nm v=3 1795161600000000000\nm v=4\n",
    );
}

#[test]
fn a_count_in_the_wrong_unit_is_reported_with_the_right_one() {
    let count = |unit: &str| format!("time = {{ field = \"count\", unit = \"{unit}\" }}");
    check_wrong(
        &count("s"),
        r#"{"count": 1795161600250}"#,
        Cause::TimeInvalid,
        "time: 1795161600250 s does not fit 64-bit nanoseconds; in ms it would be \
         2026-11-20T08:00:00.25Z",
    );
    check_wrong(
        &count("ms"),
        r#"{"count": 1795161600}"#,
        Cause::TimeOutOfBounds,
        "time: it is out of bounds: the point says 1970-01-21T18:39:21.6Z, it was received \
         2026-11-22T23:00:00Z; in s it would be 2026-11-20T08:00:00Z",
    );
}

#[test]
fn a_field_that_cannot_be_a_time_is_refused_when_the_mapping_is_loaded() {
    let refused = |toml: &str, expect: &str| {
        let files = [("m.proto", proto3(PROTO)), ("m.toml", mapping(&format!("{toml}\n{REST}")))];
        let files: Vec<(&str, &str)> =
            files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let told = set::refused(&files);
        assert_eq!(told, [format!("m.toml:10: {expect}")], "{toml}");
    };
    refused(
        "time = { field = \"seconds\" }",
        "`time`: `seconds` is a float; say what it counts with `unit` (s, ms, us, ns)",
    );
    refused(
        "time = { field = \"seconds\", unit = \"iso8601\" }",
        "`time`: `seconds` is a float, and ISO 8601 is text; `unit` must be one of s, ms, us, ns",
    );
    refused(
        "time = { field = \"count\", unit = \"s\", zone = \"Europe/Berlin\" }",
        "remove `zone`: it is for `unit = \"iso8601\"`, a count has none",
    );
    refused(
        "time = { field = \"text\", zone = \"Europe/Berlim\" }",
        "`zone`: there is no time zone `Europe/Berlim`; write a name such as Europe/Berlin, or an \
         offset such as +01:00",
    );
    refused(
        "time = { field = \"ts\", plus = { field = \"ts\" } }",
        "`plus`: `ts` is a timestamp; it must be a number, a text or a duration",
    );
    refused(
        "time = { field = \"text\", plus = { field = \"text\" } }",
        "`plus`: `text` is a string; say what it counts with `unit` (s, ms, us, ns)",
    );
    refused(
        "time = { field = \"span\" }",
        "`time`: `span` is a duration; it must be a number, a text or a timestamp",
    );
    refused(
        "time = { field = \"text\", unset = \"now\" }",
        "`unset` cannot be `now`; write one of received",
    );
}

/// `j7-time-as-text`.
#[test]
fn json_numbers_are_times_with_all_their_digits() {
    let schema = r#"{"type": "object", "properties": {
        "t": {"type": "number"}, "p": {"type": "number"}, "x": {"type": "integer"}}}"#;
    let rest = "schema = \"m.schema.json\"\nmeasurement = \"m\"\nwhen = \"t > 0.5\"\n\
                time = { field = \"t\", unit = \"s\", plus = { field = \"p\", unit = \"ms\" } }\n";
    let toml = set::mapping("json", rest);
    let mut set = Set::new(&[("m.schema.json", schema), ("m.toml", &toml)]);
    let line = set.lines(br#"{"t":1795161600.123456789,"x":1,"p":-0.000001}"#);
    assert_eq!(line, "m x=1i 1795161600123456788\n");
    assert_eq!(set.lines(br#"{"x":1,"p":5,"t":1.7951616e9}"#), "m x=1i 1795161600005000000\n");
    assert_eq!(set.lines(br#"{"x":1,"p":5,"t":0.25}"#), "", "`when` reads the number");
    let (cause, detail) = set.failure(br#"{"t":1795161600123,"x":1,"p":0}"#);
    assert_eq!(cause, Cause::TimeInvalid);
    assert_eq!(
        detail,
        "time: 1795161600123 s does not fit 64-bit nanoseconds; in ms it would be \
         2026-11-20T08:00:00.123Z"
    );
}
