//! Shows that `.proto` files are compiled by the file that is named, with what it imports and
//! nothing else, and that no file goes deep.

use std::sync::Arc;

use super::*;
use crate::schema::{Missing, Sources};

fn schemas(files: &[(&str, &str)], roots: &[&str]) -> ProtobufSchemas {
    let texts = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    let roots: Vec<String> = roots.iter().map(|root| (*root).to_owned()).collect();
    ProtobufSchemas::new(Arc::new(Sources::from_texts(texts)), &roots)
}

/// The names of a message's fields, or everything that is wrong.
fn told(schemas: &ProtobufSchemas, file: &str, name: &str) -> Vec<String> {
    match schemas.message(file, name) {
        Ok(message) => fields(&message).iter().map(|field| field.name().to_owned()).collect(),
        Err(Missing::Broken(problems)) => problems.iter().map(ToString::to_string).collect(),
        Err(Missing::File(what) | Missing::Message(what)) => vec![what],
    }
}

/// `p7-two-versions`: firmware versions side by side, and a copy that nobody names.
#[test]
fn two_files_may_define_one_name() {
    let one = "syntax = \"proto3\"; package p; message S { int64 at = 1; }";
    let two = "syntax = \"proto3\"; package p; message S { int64 at = 1; double soc = 2; }";
    let all = schemas(&[("fw1/s.proto", one), ("fw2/s.proto", two), ("old.proto", "junk {")], &[]);
    assert_eq!(told(&all, "fw1/s.proto", "p.S"), ["at"]);
    assert_eq!(told(&all, "fw2/s.proto", "p.S"), ["at", "soc"]);
    let unreached = all.problems_of_unreached();
    assert_eq!(unreached.len(), 1);
    assert_eq!((unreached[0].file.as_str(), unreached[0].line), ("old.proto", Some(1)));
}

/// `p3-import-roots`: two vendors whose files import a common one, each its own.
#[test]
fn imports_are_found_below_roots_and_in_the_folders_above() {
    let uses = "syntax = \"proto3\"; import \"common/t.proto\"; message M { common.T t = 1; }";
    let one = "syntax = \"proto3\"; package common; message T { int64 one = 1; }";
    let two = "syntax = \"proto3\"; package common; message T { int64 two = 1; }";
    let files = [
        ("a/proto/x/m.proto", uses),
        ("a/proto/common/t.proto", one),
        ("b/src/x/m.proto", uses),
        ("b/src/common/t.proto", two),
        ("c/m.proto", uses),
    ];
    let all = schemas(&files, &[]);
    let inner = |all: &ProtobufSchemas, file: &str| {
        let message = all.message(file, "M").unwrap();
        let inner = fields(&message)[0].kind().as_message().unwrap().clone();
        fields(&inner)[0].name().to_owned()
    };
    assert_eq!(inner(&all, "a/proto/x/m.proto"), "one");
    assert_eq!(inner(&all, "b/src/x/m.proto"), "two");
    assert_eq!(
        told(&all, "c/m.proto", "M"),
        [
            "c/m.proto:1: import 'common/t.proto' not found; it is in `a/proto`: name that folder in \
          `schemas.import-roots`"
        ]
    );
    assert_eq!(inner(&schemas(&files, &["/b/src/"]), "c/m.proto"), "two");
    assert_eq!(all.problems_of_unreached(), []);
}

#[test]
fn every_file_with_a_problem_is_told() {
    let files = [
        (
            "m.proto",
            "syntax = \"proto3\";\nimport \"a.proto\";\nimport \"b.proto\";\nimport \"c.proto\";",
        ),
        ("a.proto", "syntax = \"proto3\";\nmessage A { int64 }"),
        ("b.proto", "\nedition = \"2023\";"),
        ("c.proto", "import \"m.proto\";"),
    ];
    assert_eq!(
        told(&schemas(&files, &[]), "m.proto", "M"),
        [
            "a.proto:2: expected an identifier, but found '}'",
            "b.proto:2: editions of protobuf cannot be read; write `syntax = \"proto3\";`, and \
             `optional` where presence matters",
            "c.proto:1: import 'm.proto' leads back to this file",
        ]
    );
    let unresolved = [("m.proto", "syntax = \"proto3\";\nmessage M { X x = 1; }")];
    let problem = &told(&schemas(&unresolved, &[]), "m.proto", "M")[0];
    assert!(problem.starts_with("m.proto:2: "), "{problem}");
}

#[test]
fn what_a_name_was_meant_for_is_told() {
    let text = "syntax = \"proto3\"; package p.v1; message State { int64 at = 1; }";
    let all = schemas(&[("dir/s.proto", text)], &[]);
    assert_eq!(
        told(&all, "s.proto", "State"),
        ["there is no schema `s.proto`; did you mean `dir/s.proto`?"]
    );
    assert_eq!(
        told(&all, "dir/s.proto", "State"),
        ["`dir/s.proto` has no message `State`; did you mean `p.v1.State`?"]
    );
    assert_eq!(
        told(&all, "dir/s.proto", "x"),
        ["`dir/s.proto` has no message `x`; it has p.v1.State"]
    );
}

/// Chains as long as memory holds: of imports, and of messages.
#[test]
fn no_chain_goes_deep() {
    let mut files: Vec<(String, String)> = (0..2_000)
        .map(|at| {
            let text = format!(
                "syntax = \"proto3\"; import \"f{0}.proto\"; message M{at} {{ M{0} m = 1; }}",
                at + 1
            );
            (format!("f{at}.proto"), text)
        })
        .collect();
    files.push(("f2000.proto".to_owned(), "syntax = \"proto3\"; message M2000 {}".to_owned()));
    let all = ProtobufSchemas::new(Arc::new(Sources::from_texts(files)), &[]);
    let message = all.message("f0.proto", "M0").unwrap();
    assert_eq!(shape(&message).records.len(), 2_001);
}
