//! The project's rules that no lint knows: which module may import which, how long a file may be,
//! what it may be called. Each test lists everything that breaks its rule.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The most lines of a file, without its tests.
const LINES_MAX: usize = 500;
const COLUMNS_MAX: usize = 100;

/// Which module may import which. A module may always import itself; `mqtt::wire` is that part of
/// `mqtt` only.
const IMPORTS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("telemetry", &["model"]),
    ("env", &["model"]),
    ("schema", &["model", "telemetry"]),
    ("mapping", &["model", "telemetry", "schema"]),
    ("spool", &["model", "telemetry", "env"]),
    ("store", &["model", "telemetry", "env"]),
    ("dead_letter", &["model", "telemetry", "env", "spool"]),
    ("uplink", &["model", "telemetry", "env", "schema", "mapping", "spool", "dead_letter"]),
    ("sink", &["model", "telemetry", "env", "spool", "store", "dead_letter"]),
    ("query", &["model", "telemetry", "store"]),
    ("auth", &["model", "telemetry", "env"]),
    ("sessions", &["model", "telemetry", "env", "spool"]),
    ("downlink", &["model", "telemetry", "env", "schema", "mapping", "query"]),
    ("mqtt", &["model", "telemetry", "env", "uplink", "auth", "sessions"]),
    ("http", &["model", "telemetry", "env", "query", "auth", "downlink"]),
    ("simulator", &["model", "telemetry", "env", "schema", "mapping", "mqtt::wire"]),
    // The `Options` of every stage.
    (
        "config",
        &[
            "model",
            "telemetry",
            "env",
            "schema",
            "mapping",
            "spool",
            "store",
            "dead_letter",
            "uplink",
            "sink",
            "query",
            "auth",
            "sessions",
            "downlink",
            "mqtt",
            "http",
        ],
    ),
];

/// The modules that connect the others and may import them all.
const WIRING: &[&str] = &["app", "cli", "lib", "main"];

/// Names that say nothing, or for which the glossary has another word.
const BANNED_NAMES: &[&str] = &[
    "backend",
    "checkpoint",
    "common",
    "data",
    "db",
    "device",
    "dlq",
    "event",
    "helper",
    "helpers",
    "info",
    "ingest",
    "manager",
    "misc",
    "node",
    "process",
    "service",
    "transform",
    "upload",
    "util",
    "utils",
    "wal",
];

#[test]
fn modules_import_only_what_the_table_allows() {
    let table: BTreeMap<_, _> = IMPORTS.iter().copied().collect();
    let mut wrong = Vec::new();
    for source in sources(&["src"]) {
        if source.is_test() || WIRING.contains(&source.module.as_str()) {
            continue;
        }
        let Some(allowed) = table.get(source.module.as_str()) else {
            wrong.push(format!("{}: the module is not in the table", source.shown));
            continue;
        };
        for import in imports(&without_comments(source.product())) {
            let module = import.split("::").next().unwrap();
            let is_module = table.contains_key(module) || WIRING.contains(&module);
            let may = |allowed: &&str| {
                *allowed == module || format!("{import}::").starts_with(&format!("{allowed}::"))
            };
            if is_module && module != source.module && !allowed.iter().any(may) {
                wrong.push(format!("{}: imports crate::{import}", source.shown));
            }
        }
    }
    none(&wrong);
}

#[test]
fn every_file_says_what_it_is_for() {
    none(
        &sources(&["src", "tests", "benches"])
            .iter()
            .filter(|source| !source.text.starts_with("//! "))
            .map(|source| format!("{}: does not start with `//!`", source.shown))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn files_stay_short_and_narrow() {
    let mut wrong = Vec::new();
    for source in sources(&["src", "benches"]) {
        let lines = source.product().lines().count();
        if !source.is_test() && lines > LINES_MAX {
            wrong.push(format!("{}: {lines} lines, at most {LINES_MAX}", source.shown));
        }
    }
    for source in sources(&["src", "tests", "benches"]) {
        for (number, line) in source.text.lines().enumerate() {
            let columns = line.chars().count();
            // A store's answer is quoted as it is, and a table row cannot be wrapped.
            let is_bound = line.contains('"') || line.starts_with("//! |");
            if columns > COLUMNS_MAX && !is_bound {
                wrong.push(format!("{}:{}: {columns} columns", source.shown, number + 1));
            }
        }
    }
    none(&wrong);
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not hold what it looks for.
    let marks = ["TO".to_owned() + "DO", "FIX".to_owned() + "ME", "XX".to_owned() + "X"];
    let code =
        ["to".to_owned() + "do!(", "unimple".to_owned() + "mented!(", "#[ig".to_owned() + "nore"];
    let mut wrong = Vec::new();
    for source in sources(&["src", "tests", "benches"]) {
        for (number, line) in source.text.lines().enumerate() {
            let words = line.split(|c: char| !c.is_ascii_alphanumeric());
            let marked = words.into_iter().any(|word| marks.iter().any(|mark| mark == word));
            if marked || code.iter().any(|what| line.contains(what.as_str())) {
                wrong.push(format!("{}:{}: {}", source.shown, number + 1, line.trim()));
            }
        }
    }
    none(&wrong);
}

#[test]
fn files_have_names_of_the_glossary() {
    let mut wrong = Vec::new();
    for source in sources(&["src"]) {
        for part in source.path.components() {
            let name = part.as_os_str().to_str().unwrap().trim_end_matches(".rs");
            if BANNED_NAMES.contains(&name) {
                wrong.push(format!("{}: `{name}` is not an allowed name", source.shown));
            }
        }
    }
    none(&wrong);
}

#[test]
fn mod_files_hold_no_logic() {
    let items = ["fn ", "struct ", "enum ", "impl ", "impl<", "trait ", "const ", "static "];
    let mut wrong = Vec::new();
    for source in sources(&["src"]) {
        if source.path.file_name().unwrap() != "mod.rs" {
            continue;
        }
        for line in without_comments(&source.text).lines() {
            let line = line.trim();
            let item = line.trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ");
            let item = item.trim_start_matches("pub ");
            if items.iter().any(|word| item.starts_with(word)) {
                wrong.push(format!("{}: {line}", source.shown));
            }
        }
    }
    none(&wrong);
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let paths = ["/ro".to_owned() + "ot/", "/wo".to_owned() + "rk/", ".lib".to_owned() + "rary"];
    let mut wrong = Vec::new();
    let mut files = Vec::new();
    for top in ["src", "tests", "benches", "config", "schemas", "docker", ".ci"] {
        walk(&home().join(top), &mut files);
    }
    files.extend(["Cargo.toml", "README.md", "CHANGELOG.md"].map(|name| home().join(name)));
    for file in files {
        // Skips files that are not text.
        let Ok(text) = fs::read_to_string(&file) else { continue };
        for (number, line) in text.lines().enumerate() {
            if paths.iter().any(|path| line.contains(path.as_str())) {
                wrong.push(format!("{}:{}: {}", file.display(), number + 1, line.trim()));
            }
        }
    }
    none(&wrong);
}

#[test]
fn the_scanner_sees_what_it_should() {
    // A rule that finds nothing proves nothing, so this tests the parser of imports.
    let text = "use crate::{a::B, c, d::{e::F, g}};\n// crate::no\n\
                let x = crate::h::i(\"crate::no\");\n\
                pub(crate) use std::fmt; /* crate::no */ use crate::i;";
    let found: Vec<_> = imports(&without_comments(text)).into_iter().collect();
    assert_eq!(found, ["a::B", "c", "d::e::F", "d::g", "h::i", "i"]);
}

#[track_caller]
fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} found:\n{}", wrong.len(), wrong.join("\n"));
}

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A source file.
struct Source {
    path: PathBuf,
    shown: String,
    /// The first part of its path below `src`.
    module: String,
    text: String,
}

impl Source {
    /// Whether the whole file is test code.
    fn is_test(&self) -> bool {
        self.path.components().any(|part| {
            let name = part.as_os_str().to_str().unwrap();
            name == "tests" || name == "tests.rs"
        })
    }

    /// The text before its tests.
    fn product(&self) -> &str {
        let tests = self.text.find("#[cfg(test)]\nmod tests {");
        &self.text[..tests.unwrap_or(self.text.len())]
    }
}

fn sources(tops: &[&str]) -> Vec<Source> {
    let mut files = Vec::new();
    for top in tops {
        walk(&home().join(top), &mut files);
    }
    files.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    assert!(!files.is_empty());
    files
        .into_iter()
        .map(|file| {
            let path = file.strip_prefix(home()).unwrap().to_owned();
            let module = path.components().nth(1).unwrap().as_os_str().to_str().unwrap();
            Source {
                shown: path.display().to_string(),
                module: module.trim_end_matches(".rs").to_owned(),
                text: fs::read_to_string(&file).unwrap(),
                path,
            }
        })
        .collect()
}

/// All files below a folder, except build output.
fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() && !path.ends_with("target") {
            walk(&path, into);
        } else if path.is_file() {
            into.push(path);
        }
    }
}

/// The text without comments and without the contents of strings. Good enough for formatted code
/// without raw strings that hold quotes.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(len) = string_len(rest) {
            len
        } else {
            out.push(c);
            c.len_utf8()
        };
        rest = &rest[skipped..];
    }
    out
}

/// The length of the string or quote character that `rest` begins with.
fn string_len(rest: &str) -> Option<usize> {
    for quoted in ["'\"'", "'\\\"'", "'\\''"] {
        if rest.starts_with(quoted) {
            return Some(quoted.len());
        }
    }
    if let Some(raw) = rest.strip_prefix("r#\"") {
        return raw.find("\"#").map(|end| end + 5);
    }
    let inside = rest.strip_prefix('"')?;
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        match c {
            '\\' => escaped = !escaped,
            '"' if !escaped => return Some(at + 2),
            _ => escaped = false,
        }
    }
    Some(rest.len())
}

/// The paths that follow `crate::`, with groups in braces expanded.
fn imports(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, start) in text.match_indices("crate::") {
        path(&text[at + start.len()..], "", &mut found);
    }
    found
}

/// Reads one path, or one group of paths, at the start; returns the text after it.
fn path<'a>(text: &'a str, front: &str, found: &mut BTreeSet<String>) -> &'a str {
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            if let Some(behind) = rest.strip_prefix('}') {
                return behind;
            }
            let behind = path(rest, front, found);
            // A character that a `use` cannot hold ends the group.
            if behind.len() == rest.len() {
                return behind;
            }
            rest = behind;
        }
    }
    let len = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(len);
    let whole = format!("{front}{name}");
    match rest.strip_prefix("::") {
        Some(rest) if !name.is_empty() => path(rest, &format!("{whole}::"), found),
        _ => {
            found.insert(whole);
            rest
        }
    }
}
