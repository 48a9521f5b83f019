//! Line protocol payloads: what is accepted, what is added, what is refused.

use proptest::prelude::*;

use super::set::{Set, mapping};
use crate::{
    model::{Cause, LineDialect, line},
    uplink::Limits,
};

fn set(dialect: LineDialect) -> Set {
    let toml = mapping("line-protocol", "tags = [\"vin\"]");
    Set::with(&[("m.toml", &toml)], dialect, Limits::default())
}

#[track_caller]
fn check(payload: &str, expect: &str) {
    assert_eq!(set(LineDialect::Unsigned).lines(payload.as_bytes()), expect, "{payload:?}");
}

#[track_caller]
fn check_refused(payload: &str, cause: Cause, detail: &str) {
    let (found, told) = set(LineDialect::Unsigned).failure(payload.as_bytes());
    assert_eq!(found, cause, "{payload:?}");
    // Behind the line, and mostly before what stands there.
    assert!(told.starts_with("line ") && told.contains(detail), "{payload:?}: {told}");
}

/// Lines without a time get distinct ones; of one series and time every store keeps one.
#[test]
fn lines_without_a_time_get_distinct_times_and_equal_ones_merge() {
    let (told, lines) = set(LineDialect::Unsigned).run("vehicles/V1/m", b"m x=1i\nm x=2i\nm x=3i");
    assert_eq!(
        lines,
        "m,vin=V1 x=1i 1795388400000000000\nm,vin=V1 x=2i 1795388400000000001\n\
         m,vin=V1 x=3i 1795388400000000002\n"
    );
    assert_eq!((told.points, told.points_merged, told.stamps), (3, 0, 3));
    let payload = b"m,a=1,b=2 x=1i,y=2i 1795388400000000005\nm,b=2,a=1 x=3i 1795388400000000005\n\
                    m,b=2,a=2 x=3i 1795388400000000005\n";
    let (told, lines) = set(LineDialect::Unsigned).run("vehicles/V1/m", payload);
    assert_eq!(
        lines,
        "m,b=2,a=1,vin=V1 x=3i,y=2i 1795388400000000005\n\
         m,b=2,a=2,vin=V1 x=3i 1795388400000000005\n"
    );
    assert_eq!((told.points, told.points_merged, told.stamps), (2, 1, 0));
}

#[test]
fn lines_are_written_as_sent_with_the_vehicles_tag_and_a_time() {
    check("m x=1i", "m,vin=V1 x=1i\n");
    check(
        "m,b=2,a=1 y=1.50,x=t 1795388400000000001\n",
        "m,b=2,a=1,vin=V1 y=1.50,x=t 1795388400000000001\n",
    );
    check(
        "m x=1i\nm x=2i\r\n\n# note\n  m   y=-1e3  \n",
        "m,vin=V1 x=1i\nm,vin=V1 x=2i\nm,vin=V1 y=-1e3\n",
    );
    check(
        r#"m\ \,,a\=b=c\ d k\,="x=\"1\" y\\z, w""#,
        "m\\ \\,,a\\=b=c\\ d,vin=V1 k\\,=\"x=\\\"1\\\" y\\\\z, w\"\n",
    );
    check("m,p=C:\\dir s=\"two\nlines\",b=FALSE", "m,p=C:\\dir,vin=V1 s=\"two\nlines\",b=FALSE\n");
    check("m=n,é=ü ß=\"€\",q\"=.5,r=1.", "m=n,é=ü,vin=V1 ß=\"€\",q\"=0.5,r=1\n");
    check("", "");
    check("# only a note\n\n", "");
}

/// A vehicle cannot write as another one: the tag that it sends is replaced by the one from its
/// topic.
#[test]
fn a_vehicle_cannot_write_as_another_one() {
    check("m,vin=V2,a=1 x=1i", "m,vin=V1,a=1 x=1i\n");
    check_refused(
        "m vin=\"V2\"",
        Cause::PayloadMismatch,
        "a field has the key of one of the mapping's tags at byte 2",
    );
}

#[test]
fn unsigned_integers_follow_the_stores_dialect() {
    check("m x=18446744073709551615u,y=1u", "m,vin=V1 x=18446744073709551615u,y=1u\n");
    let mut signed = set(LineDialect::Signed);
    assert_eq!(
        signed.lines(b"m a=2u,s=\"2u\",x=9223372036854775807u,b=f"),
        "m,vin=V1 a=2i,s=\"2u\",x=9223372036854775807i,b=f\n"
    );
    let (cause, detail) = signed.failure(b"m x=1i\nm x=9223372036854775808u");
    assert_eq!(cause, Cause::IntegerOutOfRange);
    assert_eq!(
        detail,
        "line 2: `x`: an unsigned integer is past the store's integers at byte 11: \
         9223372036854775808u"
    );
}

#[test]
fn one_bad_line_makes_the_message_a_dead_letter() {
    let malformed = [
        ("m", "the fields are missing at byte 1"),
        ("m\n", "the fields are missing at byte 1"),
        (",t=a x=1", "the measurement is missing at byte 0"),
        ("m,t x=1", "a tag has no value at byte 3"),
        ("m,t= x=1", "a tag has no value at byte 4"),
        ("m,=a x=1", "a tag has no key at byte 2"),
        ("m,t=a=b x=1", "a tag's value holds `=` without a backslash at byte 5"),
        ("m,t=a", "the fields are missing at byte 5"),
        ("m x", "a field has no value at byte 3"),
        ("m x=", "a value is no number, boolean or string at byte 4"),
        ("m =1", "a field has no key at byte 2"),
        ("m x=1,", "a field has no key at byte 6"),
        ("m x=nan", "a value is no number, boolean or string at byte 4"),
        ("m x=inf", "a value is no number, boolean or string at byte 4"),
        ("m x=1e999", "a value is no number, boolean or string at byte 4"),
        ("m x=+1", "a value is no number, boolean or string at byte 4"),
        ("m x=1_0i", "a value is no number, boolean or string at byte 4"),
        ("m x=-1u", "a value is no number, boolean or string at byte 4"),
        ("m x=yes", "a value is no number, boolean or string at byte 4"),
        ("m x=\"a\"1", "a value is followed by something at byte 8"),
        ("m x=1 5 6", "the line goes on after its end at byte 8"),
        ("m x=1 y=2", "the line goes on after its end at byte 6"),
        ("m x=1i\rm y=1", "a CR is not followed by LF at byte 7"),
        ("m,a=1,a=2 x=1", "a key comes twice in a line at byte 2"),
        ("m x=1,x=2", "a key comes twice in a line at byte 2"),
        ("m,x=1 x=2", "a key comes twice in a line at byte 2"),
        ("m,t=a\\\\,b=c x=1", "two backslashes before `,`, `=` or a space are ambiguous at byte 6"),
        ("m time=1", "a key is `time`, which stores keep for the timestamp at byte 2"),
        ("m x\0=1", "a measurement or key holds CR, TAB or NUL at byte 3"),
        ("ok x=1i\nm", "the fields are missing at byte 9"),
    ];
    for (payload, detail) in malformed {
        check_refused(payload, Cause::PayloadMalformed, detail);
    }
    check_refused("m x=\"a", Cause::PayloadTruncated, "a string does not end at byte 4");
    check_refused("m,t=a\rb x=1", Cause::TagInvalid, "a tag holds CR, TAB or NUL at byte 5");
    check_refused("m,t=a\tb x=1", Cause::TagInvalid, "a tag holds CR, TAB or NUL at byte 5");
    check_refused("m,t=a\0b x=1", Cause::TagInvalid, "a tag holds CR, TAB or NUL at byte 5");
    let long = format!("m,t={} x=1", "a".repeat(257));
    check_refused(&long, Cause::TagInvalid, "a tag is over its bound at byte 4");
    check_refused(
        "m x=9223372036854775808i",
        Cause::IntegerOutOfRange,
        "an integer does not fit 64 bits at byte 4",
    );
    check_refused(
        "m x=1 99999999999999999999",
        Cause::TimeInvalid,
        "the time is no number of nanoseconds in 64 bits at byte 6",
    );
    check_refused(
        "m x=1 1795388400",
        Cause::TimeOutOfBounds,
        "the time of a line is out of bounds at byte 6: the point says 1970-01-01T00:00:01.7953884Z, \
         it was received 2026-11-22T23:00:00Z",
    );
    let found = set(LineDialect::Unsigned).failure(b"m x=\"\xff\"");
    assert_eq!(
        found,
        (Cause::PayloadNotUtf8, "line 1: the payload is not UTF-8 at byte 5".to_owned())
    );
}

#[test]
fn a_payload_has_as_many_lines_as_the_bounds_allow() {
    let toml = mapping("line-protocol", "");
    let limits = Limits { points_max: 2, ..Limits::default() };
    let mut set = Set::with(&[("m.toml", &toml)], LineDialect::Signed, limits);
    assert_eq!(set.lines(b"m x=1i\nm x=2i"), "m x=1i\nm x=2i\n");
    assert_eq!(set.failure(b"m x=1i\nm x=2i\nm x=3i").0, Cause::TooManyPoints);
}

/// One character of what makes line protocol difficult.
fn difficult() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop::sample::select(vec![
            "a",
            "m",
            ",",
            "=",
            " ",
            "\\",
            "\"",
            "\n",
            "\r",
            "#",
            "1",
            "i",
            "u",
            "-",
            ".",
            "t",
            "x=1i",
            "m x=1",
            "\\ ",
            "\\,",
            "\u{e9}",
            "\0",
            " 1795388400000000001",
        ]),
        0..24,
    )
    .prop_map(|parts| parts.concat())
}

/// How many cases; failures become named tests, not files.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(4000))]

    /// Whatever is sent: what comes out is as many lines as were counted, each of which an
    /// independent parser reads as one line of the vehicle that sent it.
    #[test]
    fn no_payload_forges_a_line(payload in difficult()) {
        let mut set = set(LineDialect::Unsigned);
        if let Ok(lines) = set.outcome(payload.as_bytes()) {
            let ours: Vec<&[u8]> = line::lines(lines.as_bytes()).collect();
            let (transcoded, _) = set.run("vehicles/V1/m", payload.as_bytes());
            prop_assert_eq!(ours.len(), transcoded.points as usize);
            for one in &ours {
                prop_assert_eq!(line::tag(one, "vin"), Some("V1".to_owned()));
            }
            let theirs: Vec<_> = influxdb_line_protocol::parse_lines(&lines).collect();
            prop_assert_eq!(theirs.len(), ours.len(), "{:?}", lines);
            for parsed in theirs {
                let parsed = parsed.map_err(|error| TestCaseError::fail(format!("{error} in {lines:?}")))?;
                let vin = parsed.tag_value("vin").map(ToString::to_string);
                prop_assert_eq!(vin.as_deref(), Some("V1"));
            }
        }
    }
}

/// InfluxDB 1 and 2 keep a tab in a tag; InfluxDB 3's own parser ends the tag there and refuses the
/// line, with all its neighbours. So it is a dead letter here, as from any other format.
#[test]
fn a_tab_outside_of_strings_is_a_dead_letter() {
    for payload in ["m,t=a\tb x=1", "m\tn x=1", "m v\tw=7i", "m,t\tu=1 x=1"] {
        assert!(influxdb_line_protocol::parse_lines(payload).next().unwrap().is_err());
        assert!(set(LineDialect::Unsigned).outcome(payload.as_bytes()).is_err(), "{payload:?}");
    }
    // In a string it is a character like any other; before a line it is blank.
    check("\tm x=\"a\tb\"", "m,vin=V1 x=\"a\tb\"\n");
}
