//! Which names below the schemas directory are read, and why others are not.

/// The endings that are read.
pub(super) const ENDINGS: [&str; 4] = [".proto", ".avsc", ".schema.json", ".toml"];

/// Endings of leftovers of editors and tools.
const LEFTOVERS: [&str; 9] =
    ["~", ".swp", ".swo", ".bak", ".orig", ".rej", ".tmp", ".old", ".save"];

/// Why a file or folder of this name is skipped.
pub(super) fn passed_over(name: &str) -> Option<&'static str> {
    if name.starts_with('.') {
        return Some("names that begin with a dot are passed over");
    }
    let is_leftover = LEFTOVERS.iter().any(|ending| name.ends_with(ending))
        || (name.starts_with('#') && name.ends_with('#'));
    is_leftover.then_some("names of backups and of editors' leftovers are passed over")
}

/// Whether files of this name are read.
pub(super) fn is_read(name: &str) -> bool {
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// The advice for an existing file whose ending is not read.
pub(super) fn ending_told(name: &str) -> String {
    let renamed = |from: &str, to: &str| {
        let stem = &name[..name.len() - from.len()];
        format!("only *{to} is read; rename it to {stem}{to}")
    };
    let lower = name.to_ascii_lowercase();
    let known = [
        (".json", ".schema.json"),
        (".jsonschema", ".schema.json"),
        (".avro", ".avsc"),
        (".proto3", ".proto"),
        (".proto2", ".proto"),
        (".tml", ".toml"),
    ];
    for (from, to) in known {
        if lower.ends_with(from) && !lower.ends_with(to) {
            return renamed(from, to);
        }
    }
    // Endings in upper case, as from old file systems.
    match ENDINGS.iter().find(|ending| lower.ends_with(**ending)) {
        Some(ending) => renamed(ending, ending),
        None => format!("only {} are read", ENDINGS.map(|ending| format!("*{ending}")).join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_that_were_meant_are_told() {
        let table = [
            ("m.json", "only *.schema.json is read; rename it to m.schema.json"),
            ("m.avro", "only *.avsc is read; rename it to m.avsc"),
            ("M.PROTO", "only *.proto is read; rename it to M.proto"),
            ("README.md", "only *.proto, *.avsc, *.schema.json, *.toml are read"),
        ];
        for (name, expect) in table {
            assert_eq!(ending_told(name), expect, "{name}");
        }
    }

    #[test]
    fn leftovers_are_known() {
        for name in [".git", "..data", "._x.proto", "x.toml~", ".x.swp", "x.toml.bak", "#x.toml#"] {
            assert!(passed_over(name).is_some(), "{name}");
        }
        for name in ["x.toml", "a~b.proto", "bak.proto", "swp"] {
            assert!(passed_over(name).is_none(), "{name}");
        }
    }
}
