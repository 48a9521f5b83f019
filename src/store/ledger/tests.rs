//! What a ledger learns, and which lines are held back because of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{Column, Ledger, Screened, table::TABLES_MAX};
use crate::{
    model::{Cause, FieldType, StoreNames},
    store::{
        options::{Newlines, TdEngine},
        tdengine::LineRules,
    },
};

const NOW: Duration = Duration::from_secs(100);

fn rules() -> LineRules {
    let string_bytes_max = TdEngine::STRING_BYTES_MAX;
    LineRules { newlines: Newlines::Refuse, string_bytes_max, is_old: false }
}

fn screen_at(ledger: &Ledger, text: &str, now: Duration) -> (Screened, usize) {
    let pass = ledger.screen(text.as_bytes(), rules(), now);
    let lines = pass.kept.unwrap_or_else(|| text.as_bytes().to_vec());
    let (refused, grows) = (pass.refused, pass.grows);
    let screened =
        Screened { lines, refused, grows, races: true, suspects_from: None, rules: rules() };
    (screened, pass.doubted.len())
}

fn screen(ledger: &Ledger, text: &str) -> Screened {
    screen_at(ledger, text, NOW).0
}

fn table(columns: &[(&str, Column)]) -> Option<BTreeMap<String, Column>> {
    Some(columns.iter().map(|(name, column)| ((*name).to_owned(), column.clone())).collect())
}

#[test]
fn accepted_columns_are_not_new_any_more() {
    let ledger = Ledger::new(StoreNames::TdEngine);
    assert!(screen(&ledger, "m,vin=A x=1i 1\n").grows);
    let version = ledger.version();
    ledger.accepted(b"m,vin=A x=1i 1\n", NOW);
    assert!(ledger.version() > version);
    assert!(!screen(&ledger, "m,vin=B x=2i 2\nm,vin=C x=3i 3\n").grows);
    // Fewer columns or another order are not new either, another column is.
    ledger.accepted(b"m,vin=A,model=z x=1i,y=2 1\n", NOW);
    assert!(!screen(&ledger, "m,vin=B y=2,x=2i 2\nm y=1 3\n").grows);
    assert!(screen(&ledger, "m,vin=B z=2 2\n").grows);
    assert!(screen(&ledger, "n,vin=B x=2i 2\n").grows);
    ledger.forget(b"m,vin=B x=2i 2\n");
    assert!(screen(&ledger, "m,vin=B x=2i 2\n").grows);
}

#[test]
fn a_line_in_conflict_is_held_back_only_while_the_knowledge_is_fresh() {
    let ledger = Ledger::new(StoreNames::TdEngine);
    let columns = table(&[
        ("vin", Column::Tag),
        ("x", Column::Field(FieldType::Integer)),
        ("r", Column::Other("a field of type INT".to_owned())),
    ]);
    ledger.read("m", columns, NOW);
    let body = "m,vin=A x=1i 1\nm,vin=B x=1.5 2\nm,vin=C r=1i 3\nm,x=D y=1i 4\nm vin=\"E\" 5\n";
    let (screened, doubted) = screen_at(&ledger, body, NOW);
    assert_eq!(doubted, 0);
    assert_eq!(screened.lines, b"m,vin=A x=1i 1\n");
    let reason: Vec<(Cause, &str)> =
        screened.refused.iter().map(|(_, why)| (why.cause, why.detail.as_str())).collect();
    let conflict = Cause::TypeConflict;
    assert_eq!(
        reason,
        [
            (conflict, "field `x` is a float by the line and an integer in the store"),
            (conflict, "field `r` is an integer by the line and a field of type INT in the store"),
            (conflict, "tag `x` is a field in the store, an integer"),
            (conflict, "field `vin` is a tag in the store"),
        ]
    );
    let (screened, doubted) = screen_at(&ledger, body, NOW + Duration::from_mins(1));
    assert_eq!((screened.lines.as_slice(), doubted), (body.as_bytes(), 1));
    assert!(ledger.asks("m", NOW + Duration::from_mins(1)));
    assert!(!ledger.asks("m", NOW + Duration::from_mins(1)), "it was asked for a moment ago");
}

#[test]
fn a_value_is_converted_to_the_stores_type_if_that_loses_nothing() {
    let ledger = Ledger::new(StoreNames::TdEngine);
    let columns = table(&[
        ("f", Column::Field(FieldType::Float)),
        ("i", Column::Field(FieldType::Integer)),
        ("u", Column::Field(FieldType::Unsigned)),
    ]);
    ledger.read("m", columns, NOW);
    let check = |text: &str, expect: &str| {
        let screened = screen(&ledger, text);
        assert_eq!(String::from_utf8_lossy(&screened.lines), expect, "{text}");
        assert_eq!(screened.refused.len(), usize::from(expect.is_empty()), "{text}");
    };
    check("m f=1i,i=2u,u=3i,s=\"f=1i\" 5\n", "m f=1,i=2i,u=3u,s=\"f=1i\" 5\n");
    check("m f=-9007199254740992i 5\n", "m f=-9007199254740992 5\n");
    check("m f=9007199254740993i 5\n", "");
    check("m i=9223372036854775808u 5\n", "");
    check("m u=-1i 5\n", "");
    check("m i=1 5\n", "");
    check("m f=t 5\n", "");
}

#[test]
fn names_that_share_a_table_share_its_knowledge() {
    let ledger = Ledger::new(StoreNames::TdEngine);
    ledger.accepted(b"a.b,vin=A x=1i 1\n", NOW);
    assert!(!screen(&ledger, "a_b,vin=A x=1i 1\n").grows);
    assert_eq!(screen(&ledger, "a_b,vin=A x=1.5 1\n").refused.len(), 1);
    assert_eq!(screen(&ledger, "m,vin=A x=1,x=2 1\n").refused.len(), 1, "named twice");
    assert_eq!(screen(&ledger, "m,x=A x=1 1\n").refused.len(), 1, "a tag and a field");
}

#[test]
fn a_ledger_is_bounded() {
    let ledger = Ledger::new(StoreNames::TdEngine);
    for at in 0..=TABLES_MAX {
        ledger.accepted(format!("m{at} x=1i 1\n").as_bytes(), NOW);
    }
    assert!(screen(&ledger, "m0 x=1i 1\n").grows);
    assert!(!screen(&ledger, &format!("m{TABLES_MAX} x=1i 1\n")).grows);
}

#[tokio::test]
async fn requests_that_grow_one_measurement_take_turns() {
    let ledger = Arc::new(Ledger::new(StoreNames::TdEngine));
    let first = ledger.turn(b"m x=1i 1\nn x=1i 1\n").await;
    assert!(first.grows());
    let (waiting, other) = (Arc::clone(&ledger), ledger.turn(b"o x=1i 1\n").await);
    assert!(other.grows(), "another measurement does not wait");
    let mut second = tokio::spawn(async move { waiting.turn(b"n y=1i 1\nm x=1i 1\n").await });
    let early = tokio::time::timeout(Duration::from_millis(50), &mut second).await;
    assert!(early.is_err(), "it waits");
    ledger.accepted(b"m x=1i 1\nn x=1i 1\n", NOW);
    drop(first);
    assert!(second.await.expect("no panic").grows());
    // Columns that another request has added meanwhile are not new any more.
    let known = ledger.turn(b"m x=2i 2\n").await;
    assert!(!known.grows());
}

#[test]
fn lines_that_conflict_with_a_reported_type_are_moved_behind_the_others() {
    let ledger = Ledger::new(StoreNames::Influx);
    let body = "m,vin=A x=1i 1\nm,vin=B x=1.5 2\nn,vin=C x=\"s\" 3\nm,vin=D y=1,x=t 4\n";
    assert_eq!(ledger.parted(body.as_bytes()), None, "nothing is known");
    ledger.learn_type("m", "x", FieldType::Integer);
    let fit = "m,vin=A x=1i 1\nn,vin=C x=\"s\" 3\n";
    let parted = format!("{fit}m,vin=B x=1.5 2\nm,vin=D y=1,x=t 4\n");
    assert_eq!(ledger.parted(body.as_bytes()), Some((parted.into_bytes(), fit.len())));
    assert_eq!(ledger.parted(fit.as_bytes()), None);
    ledger.learn_type("m", "x", FieldType::Float);
    let cast = b"m,vin=A x=1 1\n".to_vec();
    let len = cast.len();
    assert_eq!(ledger.parted(b"m,vin=A x=1i 1\n"), Some((cast, len)));
}

#[test]
fn types_are_known_of_measurements_that_were_read_or_of_which_a_line_was_accepted() {
    let ledger = Ledger::new(StoreNames::Influx);
    assert!(ledger.knows_types(b""));
    assert!(!ledger.knows_types(b"m,vin=A x=1 1\n"));
    ledger.know_types_of(b"m,vin=A x=1 1\nm,vin=B x=1 2\na\\,b s=\"x\nq y=1\" 3\nm x=1 4\n");
    let known = "m y=2 1\nm,vin=A x=1 1\nm x=1 3\na\\,b s=\"\nq\" 1\n";
    assert!(ledger.knows_types(known.as_bytes()));
    for new in ["q y=1 1\n", "m2,vin=A x=1 1\n", "m\\,vin=A x=1 1\n", "a x=1 1\n", "a,b=c x=1 1\n"]
    {
        let text = format!("{known}{new}{known}");
        assert!(!ledger.knows_types(text.as_bytes()), "{new}");
    }
    // A line feed in a string begins no line, whatever is behind it.
    assert!(ledger.knows_types(b"m s=\"\nq,a=b y=1\",x=1 1\nm x=1 2\n"));
    assert!(ledger.knows_types(b"m s=\"\nm x=1\n\" 1\nm x=1 2\n"));
    ledger.know_types("two words, one");
    assert!(ledger.knows_types(b"two\\ words\\,\\ one x=1 1\n"));
    let version = ledger.version();
    ledger.know_types("another");
    assert_eq!(ledger.version(), version, "nothing has to be screened again");
}

#[test]
fn measurements_whose_types_are_known_are_bounded() {
    let ledger = Ledger::new(StoreNames::Influx);
    for at in 0..=TABLES_MAX {
        ledger.know_types_of(format!("m{at} x=1i 1\n").as_bytes());
    }
    assert!(!ledger.knows_types(b"m0 x=1i 1\n"));
    assert!(ledger.knows_types(format!("m{TABLES_MAX} x=1i 1\n").as_bytes()));
}
