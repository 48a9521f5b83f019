//! Names of measurements as folders, and of columns as SQL.

/// Bytes of a folder's name: what file systems allow.
const FOLDER_BYTES_MAX: usize = 255;

/// The folder of a measurement: everything but small letters, digits, `_` and `-` as `%` and two
/// hex digits, so that names differ on file systems that ignore case. `None` if it is too long for
/// one.
pub(super) fn folder(measurement: &str) -> Option<String> {
    let mut folder = String::with_capacity(measurement.len());
    for byte in measurement.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => folder.push(char::from(byte)),
            _ => folder.push_str(&format!("%{byte:02X}")),
        }
    }
    (1..=FOLDER_BYTES_MAX).contains(&folder.len()).then_some(folder)
}

/// The measurement of a folder; `None` if it is none of ours.
pub(super) fn measurement(folder: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(folder.len());
    let mut rest = folder.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        match first {
            b'%' => {
                let digits = str::from_utf8(after.get(..2)?).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    // Only what `folder` writes is ours: not `%61`, and not a capital letter.
    (self::folder(&name)? == folder).then_some(name)
}

/// A name as SQL reads it, whatever it holds.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether SQLite, or a table of ours, keeps the name of a column for itself.
pub(super) fn is_reserved(column: &str) -> bool {
    ["time", "_series", "_id", "_key"].iter().any(|name| name.eq_ignore_ascii_case(column))
}

/// Whether a view cannot have the name.
pub(super) fn is_reserved_view(measurement: &str) -> bool {
    let small = measurement.to_ascii_lowercase();
    small.starts_with("sqlite_") || small == "_series" || small == "_points"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measurement_has_a_folder_of_its_own_and_is_read_back_from_it() {
        let names = ["telemetry", "Telemetry", "a/b", "..", "m.%", "öl", " ", "CON", "a\0b"];
        for name in names {
            let folder = folder(name).expect("short enough");
            assert!(folder.bytes().all(|b| b.is_ascii_alphanumeric() || b"%_-".contains(&b)));
            assert_eq!(measurement(&folder).as_deref(), Some(name));
        }
        assert_eq!(folder("Telemetry").as_deref(), Some("%54elemetry"));
        for foreign in ["Telemetry", "%61", "%zz", "%5", "lost+found"] {
            assert_eq!(measurement(foreign), None, "{foreign}");
        }
        assert_eq!(folder(""), None);
        assert_eq!(folder(&"ä".repeat(60)), None);
        assert!(folder(&"a".repeat(255)).is_some());
    }
}
