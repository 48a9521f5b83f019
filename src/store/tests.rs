//! Every answer of a store that was observed or found in its source, and its verdict.

use std::time::Duration;

use crate::{
    model::UnixNanos,
    store::{Answer, Kind, Refusal, Verdict, verdict},
};

/// 2026-11-22T00:00:00Z.
const NOW: UnixNanos = UnixNanos(1_795_305_600_000_000_000);

fn read(kind: Kind, status: u16, body: &str) -> Verdict {
    let answer = Answer { status, body: body.as_bytes().to_vec(), ..Answer::default() };
    verdict(kind, &answer, NOW)
}

#[track_caller]
fn check_rejected(kind: Kind, status: u16, body: &str, expect: &str, dropped: Option<usize>) {
    let answer = expect.to_owned();
    assert_eq!(read(kind, status, body), Verdict::Rejected { answer, dropped });
}

#[track_caller]
fn check_halted(kind: Kind, status: u16, body: &str, expect: &str) {
    assert_eq!(read(kind, status, body), Verdict::Halted { reason: expect.to_owned() });
}

#[track_caller]
fn check_too_large(kind: Kind, body: &str, expect: &str) {
    assert_eq!(read(kind, 413, body), Verdict::TooLarge { reason: expect.to_owned() });
}

#[track_caller]
fn check_unavailable(kind: Kind, status: u16, body: &str, expect: &str) {
    let reason = expect.to_owned();
    assert_eq!(read(kind, status, body), Verdict::Unavailable { reason, retry_after: None });
}

#[test]
fn only_204_is_success_for_every_store() {
    for kind in Kind::ALL {
        assert_eq!(read(*kind, 204, ""), Verdict::Accepted);
        for status in [200, 202, 408, 425, 429, 500, 502, 503, 504] {
            check_unavailable(*kind, status, "", &format!("HTTP {status}"));
        }
        for status in [301, 307, 308, 400, 401, 402, 403, 404, 405, 409, 411, 415, 422, 451] {
            check_halted(*kind, status, "", &format!("HTTP {status}"));
        }
        check_too_large(*kind, "", "HTTP 413");
        // The answer of a proxy is never a refusal of a line, with any status.
        let page = "<html><h1>400 Bad Request</h1></html>";
        check_halted(*kind, 400, page, &format!("HTTP 400: {page}"));
    }
}

/// Observed answers of proxies, gateways and others in place of a store, status first; the first
/// three are those of the case `o01-answers-that-are-not-the-stores`.
const OTHERS: &[&str] = &[
    include_str!("../../tests/data/o01-answers-that-are-not-the-stores/gateway.answer"),
    include_str!("../../tests/data/o01-answers-that-are-not-the-stores/go-tls.answer"),
    include_str!("../../tests/data/o01-answers-that-are-not-the-stores/text.answer"),
    include_str!("../../tests/data/o01-answers-that-are-not-the-stores/apache-tls.answer"),
    include_str!("../../tests/data/o01-answers-that-are-not-the-stores/empty.answer"),
    include_str!("../../tests/data/o01-answers-that-are-not-the-stores/forbidden.answer"),
    include_str!("../../tests/data/o01-answers-that-are-not-the-stores/gateway-code.answer"),
    include_str!("../../tests/data/o01-answers-that-are-not-the-stores/gateway-error.answer"),
    include_str!(
        "../../tests/data/o01-answers-that-are-not-the-stores/haproxy-unprocessable.answer"
    ),
    include_str!("../../tests/data/o01-answers-that-are-not-the-stores/haproxy.answer"),
    include_str!("../../tests/data/o01-answers-that-are-not-the-stores/nginx-tls.answer"),
    include_str!("../../tests/data/o01-answers-that-are-not-the-stores/nginx-too-large.answer"),
    include_str!("../../tests/data/o01-answers-that-are-not-the-stores/no-such-page.answer"),
    include_str!("../../tests/data/o01-answers-that-are-not-the-stores/quota.answer"),
];

#[test]
fn answers_of_others_in_a_stores_place_refuse_no_line() {
    for kind in Kind::ALL {
        for answer in OTHERS {
            let (status, body) = answer.split_once('\n').expect("a status and a body");
            let verdict = read(*kind, status.parse().expect("a status"), body);
            let held = matches!(verdict, Verdict::Halted { .. } | Verdict::TooLarge { .. });
            assert!(held, "{kind}: {body}: {verdict:?}");
        }
    }
}

#[test]
fn influxdb1_answers() {
    let kind = Kind::InfluxDb1;
    check_rejected(
        kind,
        400,
        "{\"error\":\"unable to parse 'm,vin=gzip x= 1': missing field value\"}\n",
        "HTTP 400: unable to parse 'm,vin=gzip x= 1': missing field value",
        None,
    );
    check_rejected(
        kind,
        400,
        r#"{"error":"partial write: field type conflict: input field \"x\" on measurement \"m\" is type float, already exists as type integer dropped=11"}"#,
        "HTTP 400: partial write: field type conflict: input field \"x\" on measurement \"m\" is \
         type float, already exists as type integer dropped=11",
        Some(11),
    );
    check_rejected(
        kind,
        400,
        r#"{"error":"partial write: max-values-per-tag limit exceeded (100000/100000): measurement=\"m\" tag=\"vin\" value=\"x\" dropped=3"}"#,
        "HTTP 400: partial write: max-values-per-tag limit exceeded (100000/100000): \
         measurement=\"m\" tag=\"vin\" value=\"x\" dropped=3",
        Some(3),
    );
}

#[test]
fn influxdb1_answers_that_are_not_about_a_line() {
    let kind = Kind::InfluxDb1;
    check_halted(
        kind,
        400,
        r#"{"error":"invalid precision \"x\" (use n, u, ms, s, m or h)"}"#,
        "HTTP 400: invalid precision \"x\" (use n, u, ms, s, m or h)",
    );
    check_halted(
        kind,
        400,
        r#"{"error":"database is required"}"#,
        "HTTP 400: database is required",
    );
    check_halted(
        kind,
        400,
        r#"{"error":"gzip: invalid header"}"#,
        "HTTP 400: gzip: invalid header",
    );
    check_rejected(
        kind,
        400,
        r#"{"error":"partial write: unable to parse 'm,vin=a x= 2': missing field value dropped=0"}"#,
        "HTTP 400: partial write: unable to parse 'm,vin=a x= 2': missing field value dropped=0",
        Some(0),
    );
    check_halted(kind, 400, r#"{"error":"unexpected EOF"}"#, "HTTP 400: unexpected EOF");
    check_halted(
        kind,
        500,
        r#"{"error":"retention policy not found: zz"}"#,
        "HTTP 500: retention policy not found: zz",
    );
    check_halted(
        kind,
        401,
        r#"{"error":"authorization failed"}"#,
        "HTTP 401: authorization failed",
    );
    check_halted(
        kind,
        404,
        r#"{"error":"database not found: \"x\""}"#,
        "HTTP 404: database not found: \"x\"",
    );
    check_rejected(
        kind,
        413,
        r#"{"error":"Request Entity Too Large"}"#,
        "HTTP 413: Request Entity Too Large",
        None,
    );
    check_unavailable(kind, 500, r#"{"error":"timeout"}"#, "HTTP 500: timeout");
    check_unavailable(
        kind,
        503,
        "request throttled, queue full\n",
        "HTTP 503: request throttled, queue full",
    );
}

#[test]
fn influxdb2_answers() {
    let kind = Kind::InfluxDb2;
    let body = |code: &str, message: &str| {
        serde_json::json!({ "code": code, "message": message }).to_string()
    };
    for message in [
        "unable to parse 'zz,vin=b x= 1795382379000000000': missing field value",
        "unable to parse 'm,time=b x=1': cannot use reserved tag key \"time\"",
        "unable to parse 'm,a=b,a=c x=1': duplicate tags",
        "unable to parse 'm x=NaN': invalid number",
        "unable to parse 'm,t=invalid\\ precision x= 1': missing field value",
    ] {
        let expect = format!("HTTP 400: {message}");
        check_rejected(kind, 400, &body("invalid", message), &expect, None);
    }
    let conflict = "failure writing points to database: partial write: field type conflict: input \
        field \"x\" on measurement \"c1\" is type float, already exists as type integer dropped=2";
    let expect = format!("HTTP 422: {conflict}");
    check_rejected(kind, 422, &body("unprocessable entity", conflict), &expect, Some(2));
    let old = format!("unexpected error writing points to database: {conflict}");
    let expect = format!("HTTP 500: {old}");
    check_rejected(kind, 500, &body("internal error", &old), &expect, Some(2));
    let retention = "failure writing points to database: partial write: dropped 1 points outside \
        retention policy of duration 1h0m0s - oldest point r at 2020 dropped because it violates a \
        Retention Policy Lower Bound at 2026, newest point r at 2020 dropped=1 for database: x for \
        retention policy: autogen";
    let expect = format!("HTTP 422: {retention}");
    check_rejected(kind, 422, &body("unprocessable entity", retention), &expect, Some(1));
    let precision = "invalid precision; valid precision units are ns, us, ms, and s";
    check_halted(kind, 400, &body("invalid", precision), &format!("HTTP 400: {precision}"));
    let unauthorized = body("unauthorized", "unauthorized access");
    check_halted(kind, 401, &unauthorized, "HTTP 401: unauthorized access");
    let bucket = body("not found", "bucket \"nope\" not found");
    check_halted(kind, 404, &bucket, "HTTP 404: bucket \"nope\" not found");
    let large = "unable to read data: points batch is too large";
    let expect = format!("HTTP 413: {large}");
    check_rejected(kind, 413, &body("request too large", large), &expect, None);
    let page = "<html>413</html>";
    check_too_large(kind, page, &format!("HTTP 413: {page}"));
    // Another database behind this endpoint.
    let cast = "failed to parse line protocol:errors encountered on line(s):\nerror in line 1: \
        table: tele, column: speed; cast error from protocol type: STRING to column type: DOUBLE";
    check_rejected(kind, 400, &body("invalid", cast), &format!("HTTP 400: {cast}"), None);
    // A message about lines with a code that this store does not use for it, or without a code.
    let words = "unable to parse 'm': missing fields";
    for other in [body("forbidden", words), format!(r#"{{"message":"{words}"}}"#), words.to_owned()]
    {
        check_halted(kind, 400, &other, &format!("HTTP 400: {words}"));
    }
    let busy = "partial write: no such shard";
    check_unavailable(kind, 500, &body("internal error", busy), &format!("HTTP 500: {busy}"));
    let internal = "An internal error has occurred - check server logs";
    let expect = format!("HTTP 500: {internal}");
    check_unavailable(kind, 500, &body("internal error", internal), &expect);
}

#[test]
fn influxdb3_lists_the_refused_lines_by_number() {
    let kind = Kind::InfluxDb3;
    let partial = |lines: std::ops::RangeInclusive<usize>| {
        let data: Vec<_> = lines
            .map(|line| {
                serde_json::json!({
                    "error_message": "invalid column type",
                    "line_number": line,
                    "original_line": "m,vin=a x=1",
                })
            })
            .collect();
        let data = serde_json::Value::from(data);
        format!(r#"{{"error":"partial write of line protocol occurred","data":{data}}}"#)
    };
    let refused = |lines: std::ops::RangeInclusive<usize>, status| Verdict::Partial {
        refused: lines
            .map(|line| Refusal {
                line: line - 1,
                answer: format!("HTTP {status}: invalid column type"),
            })
            .collect(),
    };
    assert_eq!(read(kind, 400, &partial(3..=5)), refused(3..=5, 400));
    assert_eq!(read(kind, 422, &partial(1..=1)), refused(1..=1, 422));
    // A list that may be incomplete, or that has impossible numbers, is not used.
    let reason = "HTTP 400: partial write of line protocol occurred";
    check_rejected(kind, 400, &partial(1..=100), reason, None);
    check_rejected(kind, 400, &partial(0..=0), reason, None);
    let cut =
        Answer { status: 400, body: partial(1..=2).into_bytes(), cut: true, ..Answer::default() };
    assert!(matches!(verdict(kind, &cut, NOW), Verdict::Rejected { .. }));

    check_rejected(
        kind,
        400,
        r#"{"error":"line protocol parsing error","data":{"error_message":"x","line_number":1,"original_line":"m"}}"#,
        "HTTP 400: line protocol parsing error",
        None,
    );
    check_rejected(
        kind,
        400,
        r#"{"error":"parsing failed for write_lp endpoint","data":{"error_message":"x"}}"#,
        "HTTP 400: parsing failed for write_lp endpoint",
        None,
    );
    let full = "Adding a new database would exceed limit of 5 databases";
    check_halted(
        kind,
        422,
        &format!(
            r#"{{"error":"partial write of line protocol occurred","data":[
            {{"error_message":"{full}","line_number":1,"original_line":"m"}}]}}"#
        ),
        &format!("HTTP 422: {full}"),
    );
    check_halted(kind, 400, "incoming write was empty", "HTTP 400: incoming write was empty");
    check_halted(kind, 400, "invalid gzip stream", "HTTP 400: invalid gzip stream");
    check_halted(kind, 403, "", "HTTP 403");
    check_unavailable(kind, 429, "", "HTTP 429");
    check_unavailable(kind, 500, "wal buffer full", "HTTP 500: wal buffer full");
}

#[test]
fn retry_after_is_read_as_seconds_or_as_a_date() {
    let check = |text: &str, expect: Option<Duration>| {
        let answer =
            Answer { status: 503, retry_after: Some(text.to_owned()), ..Answer::default() };
        match verdict(Kind::InfluxDb2, &answer, NOW) {
            Verdict::Unavailable { retry_after, .. } => assert_eq!(retry_after, expect, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    };
    check("7", Some(Duration::from_secs(7)));
    check(" 0 ", Some(Duration::ZERO));
    check("99999999999999999999999", Some(Duration::from_secs(u64::MAX)));
    check("Sun, 22 Nov 2026 00:01:30 GMT", Some(Duration::from_secs(90)));
    check("Sat, 21 Nov 2026 00:01:30 GMT", None);
    check("-7", None);
    check("soon", None);
    check("", None);
}

#[test]
fn the_kept_part_of_an_answer_is_bounded() {
    // InfluxDB 2 repeats a line of any length, here cut inside a two-byte character.
    let whole = format!(r#"{{"code":"invalid","message":"unable to parse '{}"#, "ä".repeat(70_000));
    let body = whole.as_bytes()[..Answer::BODY_BYTES_MAX].to_vec();
    let answer = Answer { status: 400, body, cut: true, ..Answer::default() };
    let Verdict::Rejected { answer, .. } = verdict(Kind::InfluxDb2, &answer, NOW) else {
        panic!("a refusal is a refusal at any length")
    };
    assert!(answer.len() <= Answer::QUOTE_BYTES_MAX);
    assert!(answer.starts_with("HTTP 400: unable to parse 'ää"), "{answer}");
}
