//! The text of each kind of question, and names that would be more than names.

use crate::{
    model::{Catalog, FieldType, Measurement, UnixNanos, Value},
    query::{
        dialect::{Known, Translated, page_end, translate},
        question::Question,
        request::{Function, Order, QueryRequest},
    },
    store::{Kind, StoreQueryError, Table},
};

/// 2026-11-22T21:19:39Z.
const T: i64 = 1_795_382_379_000_000_000;

fn question_of(request: QueryRequest, measurement: Measurement) -> Question {
    let mut catalog = Catalog::default();
    catalog.measurements.insert(request.measurement.clone(), measurement);
    Question::new(request, &catalog).expect("a question that can be asked")
}

fn request() -> QueryRequest {
    QueryRequest {
        measurement: "telemetry".to_owned(),
        from: UnixNanos(T),
        to: UnixNanos(T + 60_000_000_000),
        limit: 10,
        ..QueryRequest::default()
    }
}

fn question(request: QueryRequest) -> Question {
    let fields = [
        ("speed", FieldType::Float),
        ("odometer", FieldType::Integer),
        ("gear", FieldType::String),
        ("late", FieldType::Float),
    ];
    let measurement = Measurement {
        vehicle_tag: Some("vin".to_owned()),
        tags: vec!["vin".to_owned(), "model".to_owned()],
        fields: fields.map(|(name, kind)| (name.to_owned(), kind)).into(),
    };
    question_of(request, measurement)
}

/// All but the field `late`, which nobody has written yet.
fn table() -> Table {
    let columns = ["_ts", "speed", "odometer", "gear", "vin", "model"];
    Table { name: "telemetry".to_owned(), columns: columns.map(str::to_owned).into() }
}

fn known(end: Option<i64>) -> Known {
    Known { columns: None, table: Some(table()), end: end.map(UnixNanos) }
}

/// The one question that it is.
#[track_caller]
fn one(translated: Result<Vec<Translated>, StoreQueryError>) -> Translated {
    let mut parts = translated.expect("it can be said");
    // Sums of integers are proven by another question.
    parts.retain(|part| !part.ask.text.contains(" * 1.0)"));
    assert_eq!(parts.len(), 1);
    parts.remove(0)
}

#[track_caller]
fn check(request: QueryRequest, end: Option<i64>, expect: &str) {
    let translated = translate(Kind::TdEngine, "", &question(request), &known(end));
    assert_eq!(one(translated).ask.text, expect);
}

#[test]
fn points_are_ordered_by_time_and_end_with_their_page() {
    let raw = "SELECT `_ts` AS q_time, `vin` AS q_t0, `model` AS q_t1, `speed` AS q_f0, \
               `odometer` AS q_f1, `gear` AS q_f2 FROM `telemetry` \
               WHERE `_ts` >= 1795382379000000000 AND `_ts` < 1795382439000000000 \
               AND (`speed` IS NOT NULL OR `odometer` IS NOT NULL OR `gear` IS NOT NULL) \
               ORDER BY `_ts` ASC";
    check(request(), None, raw);
    let end = T + 7_000_000_000;
    check(request(), Some(end), &raw.replace("1795382439000000000", "1795382386000000001"));
    let desc = QueryRequest { order: Order::Descending, ..request() };
    let text = raw.replace("ASC", "DESC");
    check(desc.clone(), None, &text);
    check(desc, Some(end), &text.replace("1795382379000000000", "1795382386000000000"));
    let some = QueryRequest {
        vehicles: vec!["A".to_owned(), "B'; --".to_owned()],
        fields: vec!["gear".to_owned()],
        ..request()
    };
    check(
        some.clone(),
        None,
        "SELECT `_ts` AS q_time, `vin` AS q_t0, `model` AS q_t1, `gear` AS q_f0 FROM `telemetry` \
         WHERE `_ts` >= 1795382379000000000 AND `_ts` < 1795382439000000000 \
         AND (`vin` IN ($p0, $p1)) AND (`gear` IS NOT NULL) ORDER BY `_ts` ASC",
    );
    let translated = translate(Kind::TdEngine, "", &question(some), &known(None));
    let params = one(translated).ask.params;
    let text = |name: &str, text: &str| (name.to_owned(), Value::String(text.to_owned()));
    assert_eq!(params, [text("p0", "A"), text("p1", "B'; --")]);
}

#[test]
fn where_a_page_ends_is_asked_without_the_moment_of_after() {
    let text = |request: QueryRequest| {
        let ask = page_end(&question(request), &table()).expect("it can be said");
        ask.map(|ask| ask.text)
    };
    let tail = "(`gear` IS NOT NULL) ORDER BY `_ts` ASC LIMIT 1 OFFSET 10";
    let gear = QueryRequest { fields: vec!["gear".to_owned()], ..request() };
    let expect = format!(
        "SELECT `_ts` AS q_time FROM `telemetry` WHERE `_ts` >= 1795382379000000000 \
         AND `_ts` < 1795382439000000000 AND {tail}"
    );
    assert_eq!(text(gear.clone()), Some(expect));
    let key = crate::query::rows::Key {
        time: UnixNanos(T + 5),
        vehicle: "A".to_owned(),
        tags: vec![String::new()],
    };
    let next = QueryRequest { after: Some(key.to_after()), ..gear.clone() };
    let expect = format!(
        "SELECT `_ts` AS q_time FROM `telemetry` WHERE `_ts` >= 1795382379000000006 \
         AND `_ts` < 1795382439000000000 AND {tail}"
    );
    assert_eq!(text(next.clone()), Some(expect));
    let back = QueryRequest { order: Order::Descending, ..next };
    let expect = format!(
        "SELECT `_ts` AS q_time FROM `telemetry` WHERE `_ts` >= 1795382379000000000 \
         AND `_ts` < 1795382379000000005 AND {}",
        tail.replace("ASC", "DESC")
    );
    assert_eq!(text(back), Some(expect));
    let mean = QueryRequest {
        function: Some(Function::Mean),
        fields: vec!["speed".to_owned()],
        ..request()
    };
    assert_eq!(text(mean), None, "windows are counted by computing them");
}

#[test]
fn windows_are_of_nanoseconds_whatever_they_are_called() {
    let named = [
        (Function::Mean, "AVG"),
        (Function::Min, "MIN"),
        (Function::Max, "MAX"),
        (Function::Sum, "SUM"),
        (Function::Count, "COUNT"),
        (Function::First, "FIRST"),
        (Function::Last, "LAST"),
    ];
    for (function, name) in named {
        let whole = QueryRequest {
            function: Some(function),
            fields: vec!["odometer".to_owned(), "late".to_owned(), "speed".to_owned()],
            ..request()
        };
        let source = "FROM `telemetry` WHERE `_ts` >= 1795382379000000000 \
                      AND `_ts` < 1795382439000000000 \
                      AND (`odometer` IS NOT NULL OR `speed` IS NOT NULL) PARTITION BY `vin`";
        let columns = format!("`vin` AS q_t0, {name}(`odometer`) AS q_f0, {name}(`speed`) AS q_f2");
        check(whole.clone(), None, &format!("SELECT {columns} {source}"));
        // A day, which in days would begin at midnight of the server.
        let daily =
            QueryRequest { every: Some(86_400_000_000_000), order: Order::Descending, ..whole };
        check(
            daily,
            None,
            &format!(
                "SELECT _wstart AS q_time, {columns} {source} \
                 INTERVAL(86400000000000b) ORDER BY q_time DESC"
            ),
        );
    }
}

#[test]
fn what_a_table_has_not_is_not_asked_for() {
    let late = question(QueryRequest { fields: vec!["late".to_owned()], ..request() });
    assert_eq!(translate(Kind::TdEngine, "", &late, &known(None)), Ok(Vec::new()));
    assert_eq!(page_end(&late, &table()), Ok(None));
    assert_eq!(
        translate(Kind::TdEngine, "", &question(request()), &Known::default()),
        Ok(Vec::new())
    );
    // Points without a tag: all of no vehicle, and none of one that is asked for.
    let untagged =
        Table { columns: ["_ts", "speed", "_tag_null"].map(str::to_owned).into(), ..table() };
    let known = Known { table: Some(untagged), ..Known::default() };
    let all = translate(Kind::TdEngine, "", &question(request()), &known);
    let text = one(all).ask.text;
    assert!(text.starts_with("SELECT `_ts` AS q_time, `speed` AS q_f0 FROM"), "{text}");
    let asked = question(QueryRequest { vehicles: vec!["A".to_owned()], ..request() });
    assert_eq!(translate(Kind::TdEngine, "", &asked, &known), Ok(Vec::new()));
}

#[test]
fn a_hostile_name_stays_one_name_or_is_refused() {
    let hostile =
        ["select", "a b", "a'b", "a\"b", "a\\", "a;b", "--", "/*", "$p0", "日本", "q_time", "T"];
    for name in hostile {
        let measurement = Measurement {
            vehicle_tag: Some(format!("{name}1")),
            tags: vec![format!("{name}1")],
            fields: vec![(format!("{name}2"), FieldType::Float)],
        };
        let columns = ["_ts".to_owned(), format!("{name}2"), format!("{name}1")];
        let table = Table { name: name.to_owned(), columns: columns.into() };
        let asked =
            question_of(QueryRequest { measurement: name.to_owned(), ..request() }, measurement);
        let known = Known { table: Some(table), ..Known::default() };
        let translated = translate(Kind::TdEngine, "", &asked, &known);
        let text = one(translated).ask.text;
        // Backticks pair up, and between them is what was asked for.
        let names: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
        let (tag, field) = (format!("{name}1"), format!("{name}2"));
        let expect = ["_ts", &tag, &field, name, "_ts", "_ts", &field, "_ts"];
        assert_eq!(names, expect, "{text}");
    }
    let measurement = Measurement {
        vehicle_tag: Some("vin".to_owned()),
        tags: vec!["vin".to_owned()],
        fields: vec![("a`b".to_owned(), FieldType::Float)],
    };
    let asked = question_of(request(), measurement);
    let columns = ["_ts", "a`b", "vin"].map(str::to_owned);
    let table = Table { name: "telemetry".to_owned(), columns: columns.into() };
    let known = Known { table: Some(table), ..Known::default() };
    let refused = translate(Kind::TdEngine, "", &asked, &known);
    assert!(matches!(refused, Err(StoreQueryError::Refused { .. })), "{refused:?}");
}
