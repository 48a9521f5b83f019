//! Every answer to a write that was observed on TDengine, and its verdict.

use crate::{
    model::UnixNanos,
    store::{Answer, Kind, Verdict, verdict},
};

const NOW: UnixNanos = UnixNanos(1_795_305_600_000_000_000);

fn read(status: u16, body: &str) -> Verdict {
    let answer = Answer { status, body: body.as_bytes().to_vec(), ..Answer::default() };
    verdict(Kind::TdEngine, &answer, NOW)
}

/// A fault as the adapter writes it.
fn fault(message: &str) -> String {
    serde_json::json!({ "code": "internal error", "message": message }).to_string()
}

#[test]
fn a_bad_line_is_recognised_by_its_code() {
    for message in [
        "[0x3002] SML line cols is empty",
        "[0x3002] SML:0x7f, smlGenerateSchemaAction point type and db type mismatch, db \
         type:BIGINT, point type:DOUBLE, key:x=1.5 1",
        "[0x203] invalid data:abc 1",
        "[0x200] Invalid or incomplete multibyte or wide character",
        "[0x263c] Duplicated column names",
        "[0x263d] Tags length exceeds max length",
        "[0x263e] Row length exceeds max length",
        "[0x115] Invalid message",
        "[0x127] Invalid timestamp format",
        "[0x3002] lines is null",
        "[0x70f] invalid input",
        "[0x3004] Not the same type like before",
        "[0x60b] Timestamp data out of range",
        "[0x220] duplicated names",
        "[0x20a] Table name too long",
        "[0x21f] Column name too long",
        "[0x2640] Too many columns",
        "[0x2642] Invalid binary/nchar column length",
        "[0x2643] Too many tags",
        // With the sign bit, which the adapter removes elsewhere.
        "[0x8000263c] Duplicated column names",
    ] {
        let answer = format!("HTTP 500: {message}");
        let rejected = Verdict::Rejected { answer, dropped: None };
        assert_eq!(read(500, &fault(message)), rejected);
    }
}

#[test]
fn a_message_that_a_race_has_as_well_is_not_final() {
    for message in [
        "[0x3002] Invalid data format",
        "[0x200] Invalid data format",
        "[0x203] Invalid value in client",
        "[0x61b] Table schema is old",
        "[0x8000061b] Table schema is old",
    ] {
        let answer = format!("HTTP 500: {message}");
        assert_eq!(read(500, &fault(message)), Verdict::Doubtful { answer });
    }
}

#[test]
fn a_table_that_somebody_else_created_refuses_its_measurement() {
    for message in [
        "[0x603] Table already exists",
        "[0x3006] Can not insert data into table with primary key",
        "[0x3c5] Database is single stable mode",
    ] {
        let answer = format!("HTTP 500: {message}");
        assert_eq!(read(500, &fault(message)), Verdict::MeasurementRejected { answer });
    }
}

#[test]
fn an_unknown_code_is_distinguished_from_an_outage() {
    for message in ["[0x7777] Something new", "[0x2603] Table does not exist"] {
        let reason = format!("HTTP 500: {message}");
        let unclear = Verdict::Unclear { reason: reason.clone(), answer: reason };
        assert_eq!(read(500, &fault(message)), unclear);
    }
}

#[test]
fn a_wrong_setting_halts_and_everything_else_waits() {
    for message in [
        "[0x357] Authentication failure",
        "[0x351] Invalid user",
        "[0x388] Database not exist",
        "[0x334] Invalid database name",
        "[0x2616] Database not specified",
    ] {
        let reason = format!("HTTP 500: {message}");
        assert_eq!(read(500, &fault(message)), Verdict::Halted { reason });
    }
    for message in [
        "[0x20] some vnode/qnode/mnode(s) out of service",
        "[0xb] Unable to establish connection",
        "[0x396] Database in creating status",
        "[0x914] Sync is restoring",
        "[0x] no code",
        "[0x3002 no end",
        "no code at all: unable to parse, partial write: x dropped=1",
        "",
    ] {
        let verdict = read(500, &fault(message));
        assert!(matches!(verdict, Verdict::Unavailable { .. }), "{message}: {verdict:?}");
    }
    let unauthorized = r#"{"code":"forbidden","message":"get auth error"}"#;
    let reason = "HTTP 401: get auth error".to_owned();
    assert_eq!(read(401, unauthorized), Verdict::Halted { reason });
    // The adapter's own 400 is about the URL.
    let no_database =
        r#"{"code":"not found","message":"db required","op":"get db query","err":"db required"}"#;
    let reason = "HTTP 400: db required".to_owned();
    assert_eq!(read(400, no_database), Verdict::Halted { reason });
    let busy = Answer {
        status: 503,
        body: b"\"memory exceeds threshold\"".to_vec(),
        retry_after: Some("120".to_owned()),
        ..Answer::default()
    };
    let Verdict::Unavailable { retry_after, .. } = verdict(Kind::TdEngine, &busy, NOW) else {
        panic!("a busy adapter is waited for")
    };
    assert_eq!(retry_after.map(|wait| wait.as_secs()), Some(120));
}

#[test]
fn nothing_in_a_line_is_read_as_a_code_or_a_count() {
    // Newer servers repeat the line in their message.
    let quoted = r#"[0x20] busy: m,vin=a s="\"message\":\"[0x3002]",x=1 partial write: dropped=1"#;
    assert!(matches!(read(500, &fault(quoted)), Verdict::Unavailable { .. }));
    let long = fault(&format!("[0x3002] bad: partial write: {} dropped=3", "x".repeat(70_000)));
    let body = long.as_bytes()[..Answer::BODY_BYTES_MAX].to_vec();
    let cut = Answer { status: 500, body, cut: true, ..Answer::default() };
    let Verdict::Rejected { answer, dropped } = verdict(Kind::TdEngine, &cut, NOW) else {
        panic!("a code at the front is a code in a body that was cut too")
    };
    assert_eq!(dropped, None);
    assert!(answer.len() <= Answer::QUOTE_BYTES_MAX);
}

/// Newer servers repeat a part of the body, which may have lines of other vehicles.
#[test]
fn lines_repeated_in_a_message_are_not_shown_to_the_operator() {
    let reason = |message: &str| match read(500, &fault(message)) {
        Verdict::Unclear { reason, .. }
        | Verdict::Halted { reason }
        | Verdict::Unavailable { reason, .. } => reason,
        verdict => panic!("{message}: {verdict:?}"),
    };
    for (message, expect) in [
        ("[0x7777] Something new", "[0x7777] Something new"),
        ("[0x7777] SML line odd value:\"a\nm,vin=SECRET x=1i 5", "[0x7777] SML line odd…"),
        ("[0x7777] no such thing:abc,vin=SECRET", "[0x7777] no such…"),
        (
            "[0x7777] SML:0x7f1e, db type:BIGINT, point type:DOUBLE, key:x=1.5 5\nm,vin=SECRET",
            "[0x7777] SML:0x7f1e, db type:BIGINT, point type:DOUBLE,…",
        ),
        ("[0x20] out[m,vin=SECRET] of service", "[0x20]…"),
        ("[0x2600] syntax error near \"tags\"", "[0x2600] syntax error near…"),
    ] {
        assert_eq!(reason(message), format!("HTTP 500: {expect}"));
    }
    assert!(reason(&format!("[0x7777] {}", "word ".repeat(1_000))).len() < 200);
}
