//! The reference of all keys as Markdown, generated from the table of keys.

use std::fmt::Write as _;

use crate::config::{
    key::{Key, Kind},
    keys,
    settings::print,
    value,
};

/// The text above the keys.
const INTRODUCTION: &str = "\
# Configuration reference

Generated from the code; `UPDATE=1 cargo test --test it config` writes it anew.

`fleetline serve --config FILE` reads one TOML file. Every key can be overridden by an environment
variable (`FLEETLINE_STORE__TOKEN` for `store.token`: two underscores between levels), and that by
`--set store.token=…`, which takes a TOML value, else a bare string. A value outside its bounds, or
a key that is not listed here, is refused: nothing is clamped, and nothing is ignored. Sizes are
written `\"64MiB\"` (B, KiB, MiB, GiB, TiB), durations `\"200ms\"` (ns, us, ms, s, m, h, d). Relative
paths are relative to the working directory.
";

/// The whole text of `config/reference.md`.
#[must_use]
pub fn reference() -> String {
    let mut out = INTRODUCTION.to_owned();
    let mut table = None;
    for key in keys::all() {
        if table != Some(key.table()) {
            table = Some(key.table());
            let title = if key.table().is_empty() { "The root" } else { key.table() };
            let title = if title == "The root" { title.to_owned() } else { format!("[{title}]") };
            write!(out, "\n## {title}\n").expect("writing to a string does not fail");
        }
        out.push_str(&entry(key));
    }
    out
}

fn entry(key: &Key) -> String {
    let mut out = format!("\n### `{}`\n\n{}\n\n", key.path, key.doc);
    let mut line = |name: &str, text: &str| {
        writeln!(out, "- {name}: {text}").expect("writing to a string does not fail");
    };
    line("Kind", kind(key.kind));
    if let Kind::Choice(words) = key.kind {
        line("One of", &format!("`{}`", words.join("`, `")));
    }
    line("Default", &key.default.map_or("none".to_owned(), |text| code(key, text)));
    if let Some(min) = key.min {
        line("Minimum", &bound(key, min.value, min.why));
    }
    if let Some(max) = key.max {
        line("Maximum", &bound(key, max.value, max.why));
    }
    if !key.stores.is_empty() {
        line("Only for", &format!("`store.kind` {}", key.stores.join(" and ")));
    }
    line("Environment", &format!("`{}`", key.variable()));
    out
}

fn bound(key: &Key, text: &str, why: &str) -> String {
    match key.kind {
        Kind::Text => format!("{text} bytes ({why})"),
        _ => format!("{} ({why})", code(key, text)),
    }
}

/// A default or bound as written in the file.
fn code(key: &Key, text: &str) -> String {
    let value = value::from_argument(key.kind, text).expect("a test reads every default and bound");
    format!("`{}`", print(key, &value).expect("no secret has a default"))
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Size => "size",
        Kind::Duration => "duration",
        Kind::Count => "whole number",
        Kind::Share => "share",
        Kind::Bool => "boolean",
        Kind::Text => "text",
        Kind::Path => "path",
        Kind::Address => "IP address and port",
        Kind::Addresses => "list of URLs, or of IP addresses and ports",
        Kind::Urls => "list of addresses",
        Kind::Paths => "list of paths",
        Kind::Texts => "list of texts",
        Kind::Secret => "text, never printed",
        Kind::Choice(_) => "word",
    }
}
