//! The parts of one line, as written.

use std::borrow::Cow;

use memchr::memchr3;

use crate::model::line::write::is_separator;

/// The series of a line, as written: measurement and tags, up to the first unescaped space.
#[must_use]
pub fn series(line: &[u8]) -> &[u8] {
    let mut at = 0;
    while let Some(found) = memchr3(b' ', b'\n', b'\\', &line[at..]) {
        at += found;
        if line[at] != b'\\' {
            return &line[..at];
        }
        at += character_len(&line[at..]);
    }
    line
}

/// The measurement of a line, unescaped.
#[must_use]
pub fn measurement(line: &[u8]) -> String {
    unescape(measurement_of(line)).into_owned()
}

/// The measurement of a line or of its [`series`], as written. Nothing behind it is read.
#[must_use]
pub fn measurement_of(line: &[u8]) -> &[u8] {
    let mut at = 0;
    while let Some(byte) = line.get(at) {
        if matches!(byte, b',' | b' ' | b'\n') {
            return &line[..at];
        }
        at += character_len(&line[at..]);
    }
    line
}

/// The value of a tag of a line, unescaped.
#[must_use]
pub fn tag(line: &[u8], key: &str) -> Option<String> {
    let (_, value) = tags(line).find(|(written, _)| unescape(written) == key)?;
    Some(unescape(value).into_owned())
}

/// The tags of a line in their order: keys and values, still escaped.
#[must_use]
pub fn tags(line: &[u8]) -> Tags<'_> {
    let series = series(line);
    Tags { rest: &series[unescaped_find(series, b',')..] }
}

/// An iterator over the tags of a line.
#[derive(Clone, Debug)]
pub struct Tags<'a> {
    /// The rest of the series, from the comma before the next tag.
    rest: &'a [u8],
}

impl<'a> Iterator for Tags<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let pair = self.rest.strip_prefix(b",")?;
        let (this, rest) = pair.split_at(unescaped_find(pair, b','));
        self.rest = rest;
        let (key, value) = this.split_at(unescaped_find(this, b'='));
        Some((key, value.strip_prefix(b"=").unwrap_or(value)))
    }
}

/// The fields of a line in their order: keys and values as written, escapes and quotes included.
#[must_use]
pub fn fields(line: &[u8]) -> Fields<'_> {
    fields_behind(line, series(line))
}

/// The fields of a line whose [`series`] is known already.
#[must_use]
pub fn fields_behind<'a>(line: &'a [u8], series: &[u8]) -> Fields<'a> {
    Fields { rest: &line[series.len()..] }
}

/// An iterator over the fields of a line; what is left at the end is the time.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    /// The rest of the line, from the space or comma before the next field.
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The rest of the line, from the space or comma before the next field.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The line's time, after all fields were taken; `None` if it has none.
    #[must_use]
    pub fn time(&self) -> Option<i64> {
        str::from_utf8(self.rest.trim_ascii()).ok()?.parse().ok()
    }

    /// The next field if it has this key, as written; otherwise nothing is taken.
    pub fn next_of(&mut self, key: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
        let (b' ' | b',', pair) = self.rest.split_first()? else { return None };
        // No key that we write ends in a backslash, so this `=` is not escaped.
        let value = pair.strip_prefix(key)?.strip_prefix(b"=")?;
        Some((&pair[..key.len()], self.take_value(value)))
    }

    /// The first value in `from`; sets the rest to what follows it.
    fn take_value(&mut self, from: &'a [u8]) -> &'a [u8] {
        let len = match from.first() {
            Some(b'"') => quoted_len(from),
            _ => {
                let ends = |byte: &u8| matches!(byte, b',' | b' ' | b'\n');
                from.iter().position(ends).unwrap_or(from.len())
            }
        };
        let (value, rest) = from.split_at(len);
        self.rest = rest;
        value
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        // The time has no `=`, so the space before it does not begin a field.
        let (separator, pair) = self.rest.split_first()?;
        if !matches!(separator, b' ' | b',') {
            return None;
        }
        let equals = unescaped_find(pair, b'=');
        let value = pair.get(equals + 1..)?;
        Some((&pair[..equals], self.take_value(value)))
    }
}

/// A measurement, tag key, tag value or field key without its backslashes.
#[must_use]
pub fn unescape(text: &[u8]) -> Cow<'_, str> {
    if !text.contains(&b'\\') {
        return String::from_utf8_lossy(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let len = character_len(&text[at..]);
        plain.push(if len == 2 { text[at + 1] } else { *byte });
        at += len;
    }
    Cow::Owned(String::from_utf8_lossy(&plain).into_owned())
}

/// The length of a quoted value, its quotes included.
pub(super) fn quoted_len(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

/// The length of one character outside quotes: 2 if it is escaped. A backslash before anything but
/// a separator stands for itself.
pub(super) fn character_len(text: &[u8]) -> usize {
    if matches!(text, [b'\\', next, ..] if is_separator(*next)) { 2 } else { 1 }
}

/// The index of the first unescaped `wanted`; the length if there is none.
fn unescaped_find(text: &[u8], wanted: u8) -> usize {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        if *byte == wanted {
            return at;
        }
        at += character_len(&text[at..]);
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vehicle_is_read_back_from_an_escaped_tag() {
        let line = b"tele\\ metry,vin=A\\,B\\=C\\ D,model=x y=1i 5\n";
        assert_eq!(measurement(line), "tele metry");
        assert_eq!(tag(line, "vin").as_deref(), Some("A,B=C D"));
        assert_eq!(tag(line, "model").as_deref(), Some("x"));
        assert_eq!(tag(line, "y"), None);
    }

    #[track_caller]
    fn check_fields(line: &str, expect: &[(&str, &str)], time: Option<i64>) {
        let mut fields = fields(line.as_bytes());
        let text = |bytes| str::from_utf8(bytes).expect("cut inside a character");
        let found: Vec<(&str, &str)> =
            fields.by_ref().map(|(key, value)| (text(key), text(value))).collect();
        assert_eq!(found, expect);
        assert_eq!(fields.time(), time);
    }

    #[test]
    fn a_field_is_taken_by_its_key_or_not_at_all() {
        let mut fields = fields(b"m,t=a x=1i,xy=\"a,b\",k\\=\\ =t 7\n");
        let mut value = |key: &str| fields.next_of(key.as_bytes()).map(|(_, value)| value);
        assert_eq!(value("xy"), None);
        assert_eq!(value(""), None);
        assert_eq!(value("x"), Some(&b"1i"[..]));
        assert_eq!(value("x"), None, "another key that begins with it");
        assert_eq!(value("xy"), Some(&b"\"a,b\""[..]));
        assert_eq!(value("k\\=\\ "), Some(&b"t"[..]));
        assert_eq!(value(""), None, "the time");
        assert_eq!(fields.time(), Some(7));
    }

    #[test]
    fn fields_and_time_are_found_behind_escapes_and_quotes() {
        check_fields("m,t=a x=1i,y=2.5 -5\n", &[("x", "1i"), ("y", "2.5")], Some(-5));
        check_fields(
            "m s=\"a, b=\\\" 3\n\",k\\=\\,\\ k=t 7\n",
            &[("s", "\"a, b=\\\" 3\n\""), ("k\\=\\,\\ k", "t")],
            Some(7),
        );
        check_fields("m x=1\n", &[("x", "1")], None);
        check_fields("m", &[], None);
    }
}
