//! Finds a key by its path, or the most similar one.

use crate::config::{key::Key, keys, value};

/// Every key, in the order of the reference.
pub(in crate::config) fn all() -> impl Iterator<Item = &'static Key> {
    let [root, schemas, uplink, spool, store, sink, dead_letter, downlink, telemetry] =
        keys::stages::TABLES;
    let edge = keys::edge::TABLES.into_iter();
    let stages = [schemas, uplink, spool, store, sink, dead_letter, downlink, telemetry];
    std::iter::once(root).chain(edge).chain(stages).flatten()
}

/// The tables without the root, in the order of the reference.
fn tables() -> Vec<&'static str> {
    let mut tables: Vec<&'static str> = Vec::new();
    for key in all() {
        let table = key.table();
        if !table.is_empty() && !tables.contains(&table) {
            tables.push(table);
        }
    }
    tables
}

/// The key of a path from the operator.
pub(in crate::config) fn lookup(path: &str) -> Option<&'static Key> {
    all().find(|key| key.path == path)
}

/// The key of a path in our code.
pub(in crate::config) fn find(path: &str) -> &'static Key {
    lookup(path).unwrap_or_else(|| panic!("the key `{path}` is not in the table"))
}

/// Whether this path is the prefix of keys.
pub(in crate::config) fn is_table(path: &str) -> bool {
    all().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// The key, or table, that was most likely intended: the same name in another table, a similar name
/// in this one, a similar table.
pub(in crate::config) fn nearest(path: &str) -> Option<String> {
    let (table, name) = path.rsplit_once('.').unwrap_or(("", path));
    let written = name.replace('_', "-").to_ascii_lowercase();
    let here = all().filter(|key| key.table() == table);
    let like_here = value::nearest(&written, here.map(leaf));
    let with_table = |name: &str| match table {
        "" => name.to_owned(),
        _ => format!("{table}.{name}"),
    };
    like_here
        .map(with_table)
        .or_else(|| all().find(|key| leaf(key) == written).map(|key| key.path.to_owned()))
        .or_else(|| like_table(path))
}

/// A path with a misspelt table.
fn like_table(path: &str) -> Option<String> {
    let (table, rest) = match path.split_once('.') {
        Some((table, rest)) => (table, Some(rest)),
        None => (path, None),
    };
    if is_table(table) {
        return None;
    }
    let meant = value::nearest(table, tables().into_iter())?;
    match rest {
        None => Some(format!("[{meant}]")),
        Some(rest) => nearest_or_same(&format!("{meant}.{rest}")),
    }
}

fn nearest_or_same(path: &str) -> Option<String> {
    lookup(path).map(|key| key.path.to_owned()).or_else(|| nearest(path))
}

fn leaf(key: &'static Key) -> &'static str {
    key.path.rsplit_once('.').map_or(key.path, |(_, leaf)| leaf)
}
