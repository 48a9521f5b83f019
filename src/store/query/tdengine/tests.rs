//! Literals that stay literals, and answers that were observed on TDengine.

use proptest::prelude::*;

use super::{RestRows, literal, rest};
use crate::{
    model::{Column, UnixNanos, Value, ValueType},
    store::query::{
        decode::Decoder,
        terms::{Language, StoreQuery, StoreQueryError},
    },
};

fn query(text: &str, params: &[(&str, Value)]) -> StoreQuery {
    let mut query = StoreQuery::new(Language::Sql, text);
    query.params = params.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    query
}

/// A token as the server reads it: written from TDengine's grammar, independent of our quoting.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A text, unescaped as servers of version 3 do.
    Text(String),
    Name(String),
    Other(char),
}

/// The tokens up to the end of the statement; `None` if a quote stays open.
fn tokens(text: &str) -> Option<Vec<Token>> {
    let text: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < text.len() && text[at] != '\0' {
        match text[at] {
            quote @ ('\'' | '"') => {
                let mut inside = String::new();
                at += 1;
                loop {
                    match *text.get(at)? {
                        '\\' => {
                            at += 1;
                            match *text.get(at)? {
                                'n' => inside.push('\n'),
                                'r' => inside.push('\r'),
                                't' => inside.push('\t'),
                                c @ ('%' | '_') => inside.extend(['\\', c]),
                                c => inside.push(c),
                            }
                        }
                        c if c == quote && text.get(at + 1) == Some(&quote) => {
                            inside.push(quote);
                            at += 1;
                        }
                        c if c == quote => break,
                        c => inside.push(c),
                    }
                    at += 1;
                }
                tokens.push(Token::Text(inside));
            }
            '`' => {
                let len = text[at + 1..].iter().position(|c| *c == '`')?;
                tokens.push(Token::Name(text[at + 1..at + 1 + len].iter().collect()));
                at += len + 1;
            }
            '-' if text.get(at + 1) == Some(&'-') => {
                while at < text.len() && text[at] != '\n' {
                    at += 1;
                }
            }
            '/' if text.get(at + 1) == Some(&'*') => {
                at += 3;
                while at < text.len() && !(text[at - 1] == '*' && text[at] == '/') {
                    at += 1;
                }
            }
            c => tokens.push(Token::Other(c)),
        }
        at += 1;
    }
    Some(tokens)
}

/// One value is read back as one text, and everything around it is unchanged.
#[track_caller]
fn check_text(value: &str) {
    let question = "SELECT * FROM `m` WHERE vin = $vin AND c = 'it''s' -- $vin";
    let bound = literal::bind(&query(question, &[("vin", Value::String(value.to_owned()))]));
    let mut expect = tokens(&question.replace("$vin AND", "? AND")).expect("it closes");
    let at = expect.iter().position(|token| *token == Token::Other('?')).expect("a place");
    expect[at] = Token::Text(value.to_owned());
    let not_blank = |token: &Token| *token != Token::Other(' ');
    expect.retain(not_blank);
    let mut found = tokens(&bound.expect("a text")).expect("it closes");
    found.retain(not_blank);
    assert_eq!(found, expect, "{value:?}");
}

#[test]
fn hostile_texts_stay_one_literal_in_one_statement() {
    for value in [
        "",
        "VIN",
        "'",
        "''",
        "\\",
        "\\'",
        "\\\\'",
        "a\\",
        "'; DROP DATABASE fleet; --",
        "\\'; DROP DATABASE fleet; --",
        "' OR '1'='1",
        "\" OR \"\"=\"",
        "`; drop",
        "*/ ; drop /*",
        "-- ",
        "\n--\n'",
        "\r\n\t\u{b}\u{8}",
        "$vin",
        "$other",
        "日本'語\\",
        "%_\\%\\_",
        "\\n",
        "\u{2019}\u{ff07}",
        "\u{7f}\u{1}",
    ] {
        check_text(value);
    }
    let nul = literal::bind(&query("SELECT $v", &[("v", Value::String("a\0b".to_owned()))]));
    assert!(matches!(nul, Err(StoreQueryError::Refused { .. })), "{nul:?}");
}

proptest! {
    #[test]
    fn any_text_stays_one_literal(value in "[^\0]*") {
        check_text(&value);
    }

    // Strings of quotes and escapes, which random text seldom has.
    #[test]
    fn any_string_of_quotes_and_escapes_stays_one_literal(value in "['\"`\\\\;*/\n$a-]{0,12}") {
        check_text(&value);
    }
}

#[test]
fn values_are_written_by_their_type_and_only_where_they_are_named() {
    let bound = |text: &str, value: Value| literal::bind(&query(text, &[("a", value)]));
    let check = |value: Value, expect: &str| {
        assert_eq!(bound("x = $a", value).as_deref(), Ok(format!("x =  {expect} ").as_str()));
    };
    check(Value::Null, "NULL");
    check(Value::Integer(i64::MIN), "-9223372036854775808");
    check(Value::Unsigned(u64::MAX), "18446744073709551615");
    check(Value::Float(0.1), "0.1");
    check(Value::Float(7.0), "7.0");
    check(Value::Float(-1e300), "-1e300");
    check(Value::Boolean(true), "true");
    check(Value::Timestamp(UnixNanos(5)), "5");
    // Without a space it would begin a comment.
    assert_eq!(bound("x -$a", Value::Integer(-5)).as_deref(), Ok("x - -5 "));
    for text in ["'$a' $a", "`$a` $a", "\"$a\" $a", "/* $a */ $a", "/*/ $a */ $a", "-- $a\n $a"] {
        let expect = format!("{} 1 ", &text[..text.len() - 2]);
        assert_eq!(bound(text, Value::Integer(1)), Ok(expect), "{text}");
    }
    for (text, value) in [
        ("x = $a", Value::Float(f64::NAN)),
        ("x = $a", Value::Float(f64::INFINITY)),
        ("x = $b", Value::Integer(1)),
        ("x = $ab", Value::Integer(1)),
        ("x = $", Value::Integer(1)),
        ("x = '$a'", Value::Integer(1)),
        ("x = '$a", Value::Integer(1)),
    ] {
        let refused = bound(text, value);
        assert!(matches!(refused, Err(StoreQueryError::Refused { .. })), "{text}: {refused:?}");
    }
}

fn read(text: &str, step: usize) -> Result<(Vec<Column>, Vec<Vec<Value>>), StoreQueryError> {
    Decoder::Rest(RestRows::default()).read(text.as_bytes(), step)
}

#[test]
fn an_answer_is_read_with_its_types_however_the_bytes_come() {
    let text = r#"{"code":0,"column_meta":[["_ts","TIMESTAMP",8],["x","BIGINT",8],
        ["y","DOUBLE",8],["u","BIGINT UNSIGNED",8],["b","BOOL",1],["s","VARCHAR",64],
        ["vin","NCHAR",2]],"data":[
        ["2026-11-22T21:19:39.000000001Z",9007199254740993,2.5,18446744073709551615,true,
        "a\",[{\\日","a"],["2026-11-22T21:19:39.000Z",-1,7,0,false,"","b"],
        ["2026-11-22T21:19:39Z",null,-0,null,null,null,null]],"rows":3}"#;
    for step in [1, 7, 4096] {
        let (columns, rows) = read(text, step).expect("a good answer");
        let kinds: Vec<ValueType> = columns.iter().map(|column| column.kind).collect();
        use ValueType::{Boolean, Float, Integer, String as Text, Timestamp};
        assert_eq!(kinds, [Timestamp, Integer, Float, Integer, Boolean, Text, Text]);
        let first = [
            Value::Timestamp(UnixNanos(1_795_382_379_000_000_001)),
            Value::Integer(9_007_199_254_740_993),
            Value::Float(2.5),
            Value::Unsigned(u64::MAX),
            Value::Boolean(true),
            Value::String("a\",[{\\日".to_owned()),
            Value::String("a".to_owned()),
        ];
        assert_eq!(rows[0], first);
        assert_eq!(rows[1][0], Value::Timestamp(UnixNanos(1_795_382_379_000_000_000)));
        assert_eq!(rows[1][2], Value::Float(7.0), "a float without a point is one");
        assert_eq!(rows[1][5], Value::String(String::new()), "an empty text is no null");
        assert_eq!(
            rows[2][2..],
            [-0.0]
                .map(Value::Float)
                .into_iter()
                .chain(std::iter::repeat_n(Value::Null, 4))
                .collect::<Vec<_>>()
        );
    }
    let empty = r#"{"code":0,"column_meta":[["x","BIGINT",8]],"data":[],"rows":0}"#;
    let (columns, rows) = read(empty, 3).expect("an empty answer");
    assert_eq!((columns, rows), (vec![Column::new("x", ValueType::Integer)], vec![]));
}

#[test]
fn an_answer_that_is_cut_or_short_is_an_error() {
    let whole = r#"{"code":0,"column_meta":[["x","BIGINT",8]],"data":[[1],[2]],"rows":2}"#;
    read(whole, 8).expect("it is whole");
    for len in 0..whole.len() {
        let cut = read(&whole[..len], 8);
        assert!(matches!(cut, Err(StoreQueryError::Broken { .. })), "{len}: {cut:?}");
    }
    // As observed when somebody else had stored a NaN.
    let nan = r#"{"code":0,"column_meta":[["_ts","TIMESTAMP",8],["x","BIGINT",8],["y","DOUBLE",8]],"data":[["2026-11-22T21:19:39.000000000Z",1,"#;
    for wrong in [
        nan,
        &whole.replace("\"rows\":2", "\"rows\":3"),
        &whole.replace("[2]", "[2,3]"),
        &whole.replace("[2]", "[\"x\"]"),
        &whole.replace("{\"code\":0,", "{"),
        r#"{"code":0,"data":[[1]],"rows":1}"#,
        "OK",
        "[]",
        "{\"code\":0}}",
        "",
    ] {
        let broken = read(wrong, 8);
        assert!(matches!(broken, Err(StoreQueryError::Broken { .. })), "{wrong}: {broken:?}");
    }
}

#[test]
fn faults_are_distinguished_by_their_codes() {
    let fault = |code: u32, desc: &str| {
        read(&format!(r#"{{"code":{code},"desc":"{desc}"}}"#), 5).expect_err("a fault")
    };
    let syntax = fault(9728, r#"syntax error near \"selec 1\""#);
    assert_eq!(syntax, StoreQueryError::refused("[0x2600] syntax error near \"selec 1\""));
    let missing = fault(9826, "Fail to get table info, error: Table does not exist");
    assert!(rest::is_table_missing(&missing), "{missing:?}");
    assert!(rest::is_table_missing(&fault(9731, "Table does not exist")));
    assert!(!rest::is_table_missing(&syntax));
    let halted = [
        fault(9826, "Fail to get table info, error: Database not exist"),
        fault(855, "Authentication failure"),
        fault(4357, "no auth info input"),
        fault(904, "Database not exist"),
    ];
    for error in halted {
        assert!(matches!(error, StoreQueryError::Halted { .. }), "{error:?}");
        assert!(!rest::is_table_missing(&error));
    }
    let away = [
        fault(11, "Unable to establish connection"),
        fault(2324, "Sync is restoring"),
        fault(1, "never heard of"),
    ];
    for error in away {
        assert!(matches!(error, StoreQueryError::Unavailable { .. }), "{error:?}");
    }
    // With an HTTP status for each error, as newer adapters can be configured.
    let unauthorized = rest::refusal(br#"{"code":855,"desc":"Authentication failure"}"#);
    assert!(matches!(unauthorized, Some(StoreQueryError::Halted { .. })), "{unauthorized:?}");
    assert_eq!(rest::refusal(br#"{"code":"invalid","message":"x"}"#), None);
}

#[test]
fn a_statement_is_sent_as_it_is_to_its_database() {
    use crate::store::query::request::Body;
    let request = rest::request(Some("fleet".to_owned()), "SELECT 1".to_owned());
    assert_eq!(request.path, ["rest", "sql"]);
    assert_eq!(request.database.as_deref(), Some("fleet"));
    assert_eq!(request.body, Some(Body::Text("SELECT 1".to_owned())));
    assert_eq!(rest::describe("a b").as_deref(), Ok("DESCRIBE `a b`"));
    assert!(rest::describe("a`b").is_err());
    assert_eq!(rest::table_names("a.b"), ["a.b", "a_b"]);
}
