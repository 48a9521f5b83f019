//! Whatever a name or a value contains, the query stays one statement, and the text is read back
//! from it by the rules of its language.
//!
//! How: the quoted texts are cut out by a second implementation of each language's rules. The rest
//! of the query must equal the rest of the same query with harmless names.

use serde_json::Value as Json;

use super::{Known, Translated, translate};
use crate::{
    model::{FieldType, UnixNanos, Value, ValueType},
    query::{
        question::{Field, Purpose, Question},
        request::{Function, Order},
    },
    store::Kind,
};

/// `tests/data/hostile.json`, which integration tests also send through real stores.
fn corpus() -> Vec<String> {
    let Json::Array(texts) =
        serde_json::from_str(include_str!("../../../tests/data/hostile.json")).expect("JSON")
    else {
        panic!("no list");
    };
    texts.into_iter().map(|text| text.as_str().expect("a text").to_owned()).collect()
}

/// The names and values of a query.
#[derive(Clone, Debug)]
struct Named {
    bucket: String,
    measurement: String,
    vehicle_tag: String,
    tag: String,
    field: String,
    note: String,
    vehicles: Vec<String>,
}

impl Named {
    /// `text` in every place, with a suffix where names must differ.
    fn all(text: &str) -> Self {
        let with = |end: &str| format!("{text}{end}");
        Self {
            bucket: text.to_owned(),
            measurement: text.to_owned(),
            vehicle_tag: with("v"),
            tag: with("t"),
            field: with("f"),
            note: with("n"),
            vehicles: vec![text.to_owned(), with("2")],
        }
    }

    fn question(&self, function: Option<Function>, every: Option<i64>) -> Question {
        let field = |name: &str, kind, answers| Field {
            name: name.to_owned(),
            kind,
            answers,
            purpose: Purpose::Answer,
        };
        Question {
            measurement: self.measurement.clone(),
            is_grouped: false,
            lead_tag: self.vehicle_tag.clone(),
            tags: vec![self.tag.clone()],
            shown: vec![0],
            filters: vec![(self.vehicle_tag.clone(), self.vehicles.clone())],
            fields: vec![
                field(&self.field, FieldType::Float, ValueType::Float),
                field(&self.note, FieldType::String, ValueType::String),
            ],
            from: UnixNanos(0),
            to: UnixNanos(1_000),
            every,
            function,
            as_float: false,
            order: Order::Ascending,
            limit: 10,
            after: None,
        }
    }

    fn known(&self) -> Vec<String> {
        [&self.vehicle_tag, &self.tag, &self.field, &self.note].map(Clone::clone).to_vec()
    }

    fn asked(&self, kind: Kind, function: Option<Function>, every: Option<i64>) -> Vec<Translated> {
        let known = Known { columns: Some(self.known()), ..Known::default() };
        translate(kind, &self.bucket, &self.question(function, every), &known)
            .expect("its language has words for everything")
    }
}

/// A text cut by the rules of a language: what is outside of quotes, and what is inside.
#[derive(Clone, Debug, PartialEq)]
struct Cut {
    outside: String,
    texts: Vec<String>,
}

fn cut(kind: Kind, text: &str) -> Cut {
    let mut cut = Cut { outside: String::new(), texts: Vec::new() };
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '"' && c != '\'' {
            cut.outside.push(c);
            continue;
        }
        let mut inside = String::new();
        loop {
            let next = chars.next().expect("a quote that is closed");
            match kind {
                // A doubled quote is one.
                Kind::InfluxDb3 | Kind::Embedded if next == c => match chars.peek() {
                    Some(again) if *again == c => inside.extend(chars.next()),
                    _ => break,
                },
                Kind::InfluxDb1 if next == '\\' => match chars.next() {
                    Some('n') => inside.push('\n'),
                    escaped => inside.extend(escaped),
                },
                Kind::InfluxDb2 if next == '\\' => match chars.next() {
                    Some('x') => {
                        let digits: String = chars.by_ref().take(2).collect();
                        let byte = u8::from_str_radix(&digits, 16).expect("two digits");
                        inside.push(char::from(byte));
                    }
                    Some('n') => inside.push('\n'),
                    Some('r') => inside.push('\r'),
                    escaped => inside.extend(escaped),
                },
                Kind::InfluxDb2 if next == '$' => {
                    assert_ne!(chars.peek(), Some(&'{'), "an expression opens: {text}");
                    inside.push(next);
                }
                _ if next == c => break,
                _ => inside.push(next),
            }
        }
        cut.outside.push_str("\"\"");
        cut.texts.push(inside);
    }
    cut
}

#[track_caller]
fn check(kind: Kind, function: Option<Function>, every: Option<i64>) {
    let tame = Named::all("tame").asked(kind, function, every);
    assert!(!tame.is_empty());
    for text in corpus() {
        let named = Named::all(&text);
        let asked = named.asked(kind, function, every);
        assert_eq!(asked.len(), tame.len(), "{text:?}");
        for (asked, tame) in asked.iter().zip(&tame) {
            let (asked_cut, tame_cut) = (cut(kind, &asked.ask.text), cut(kind, &tame.ask.text));
            assert_eq!(asked_cut.outside, tame_cut.outside, "{text:?}");
            let swap = |tame: &String| match tame.strip_prefix("tame") {
                Some(end) => format!("{text}{end}"),
                None => tame.clone(),
            };
            let expected: Vec<String> = tame_cut.texts.iter().map(swap).collect();
            // A tag that begins like the names of columns moves those to another letter.
            let is_moved = kind == Kind::InfluxDb1 && text.starts_with('f');
            let own = |found: String| match found.as_str() {
                "g0" if is_moved => "f0".to_owned(),
                "g1" if is_moved => "f1".to_owned(),
                _ => found,
            };
            let texts: Vec<String> = asked_cut.texts.into_iter().map(own).collect();
            assert_eq!(texts, expected, "{text:?}");
            // Parameters are bound unchanged.
            let swap = |(name, value): &(String, Value)| match value {
                Value::String(value) => (name.clone(), Value::String(swap(value))),
                other => (name.clone(), other.clone()),
            };
            let expected: Vec<_> = tame.ask.params.iter().map(swap).collect();
            assert_eq!(asked.ask.params, expected, "{text:?}");
        }
    }
}

#[test]
fn no_name_or_value_changes_the_statement_in_any_language() {
    for kind in [Kind::InfluxDb1, Kind::InfluxDb2, Kind::InfluxDb3, Kind::Embedded] {
        for function in [None, Some(Function::Count), Some(Function::First)] {
            for every in [None, Some(60)] {
                if function.is_some() || every.is_none() {
                    check(kind, function, every);
                }
            }
        }
    }
}

#[test]
fn vehicles_are_bound_wherever_the_store_binds() {
    for kind in [Kind::InfluxDb1, Kind::InfluxDb3, Kind::Embedded] {
        for text in corpus() {
            let named = Named { vehicles: vec![text.clone()], ..Named::all("tame") };
            let asked = named.asked(kind, None, None);
            let bound = (asked[0].ask.params[0].1).clone();
            assert_eq!(bound, Value::String(text));
        }
    }
}
