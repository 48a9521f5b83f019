//! Names as they stand in a line, and patterns over paths.

/// Appends a measurement's name, escaped.
pub(crate) fn push_measurement(into: &mut Vec<u8>, name: &str) {
    push_escaped(into, name, b", ");
}

/// Appends a tag's key, a tag's value or a field's key, escaped. What cannot be escaped has been
/// refused before ([`is_plain`]).
pub(crate) fn push_key(into: &mut Vec<u8>, name: &str) {
    push_escaped(into, name, b",= ");
}

fn push_escaped(into: &mut Vec<u8>, name: &str, special: &[u8]) {
    for byte in name.bytes() {
        if special.contains(&byte) {
            into.push(b'\\');
        }
        into.push(byte);
    }
}

/// Whether a text can stand outside of quotes and is then read back as it is by every store.
///
/// Line protocol has no way to write a line break or a NUL there, and InfluxDB 3 ends a value at a
/// tab. A backslash is itself before most characters, but at the end, before a separator or before
/// another backslash stores disagree:
/// InfluxDB 1 and 2 take `\\,` for a backslash and an escaped comma, InfluxDB 3 for an escaped
/// backslash and the end of the value.
pub(crate) fn is_plain(text: &[u8]) -> bool {
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'\n' | b'\r' | b'\t' | 0 => return false,
            b'\\' => {
                let next = rest.as_slice().first();
                if matches!(next, None | Some(b'\\' | b',' | b'=' | b' ')) {
                    return false;
                }
            }
            _ => {}
        }
    }
    true
}

/// Whether a pattern, in which `*` stands for any run of characters, matches a whole path.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = path.strip_prefix(first) else { return false };
    let Some(last) = pattern.contains('*').then(|| parts.next_back().unwrap_or_default()) else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run() {
        let yes =
            [("debug.*", "debug.a.b"), ("*", "x"), ("a*c", "abc"), ("a", "a"), ("*_raw", "x_raw")];
        for (pattern, path) in yes {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        let no = [("debug.*", "debug"), ("a*a", "a"), ("a", "ab"), ("*b*b", "b"), ("", "a")];
        for (pattern, path) in no {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }
}
