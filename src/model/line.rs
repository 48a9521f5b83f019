//! Where lines end, and what a line's parts are, without interpreting its values.
//!
//! A line feed inside a quoted string field belongs to the field, so a buffer of lines is never
//! split at bare newlines. Our own writer is the only producer, so the grammar here is the one that
//! it writes: one newline after each line, no comments, no blank lines.

/// Splits a buffer into its lines, each with its newline.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    rest: &'a [u8],
}

/// The lines of `buffer`.
#[must_use]
pub fn lines(buffer: &[u8]) -> Lines<'_> {
    Lines { rest: buffer }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.rest.split_at(line_len(self.rest));
        self.rest = rest;
        Some(line)
    }
}

/// The length of the first line, its newline included; the whole buffer if it has none.
fn line_len(buffer: &[u8]) -> usize {
    // After the series, and after each comma of the fields, a key goes up to its `=`; a value that
    // begins with a quote goes up to the next one. A quote anywhere else is a character like
    // others.
    let mut at = series_len(buffer);
    let mut is_value_next = false;
    while let Some(byte) = buffer.get(at) {
        match byte {
            b'\n' => return at + 1,
            b'"' if is_value_next => at += quoted_len(&buffer[at..]),
            _ => at += character_len(&buffer[at..]),
        }
        is_value_next = *byte == b'=';
    }
    buffer.len()
}

/// The length of a quoted value, its quotes included.
fn quoted_len(text: &[u8]) -> usize {
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

/// The length of one character outside of quotes: 2 if it is escaped. A backslash before anything
/// but a separator is itself.
fn character_len(text: &[u8]) -> usize {
    if matches!(text, [b'\\', b',' | b' ' | b'=', ..]) { 2 } else { 1 }
}

/// The length of the series key: up to the first unescaped space.
fn series_len(line: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = line.get(at) {
        if matches!(byte, b' ' | b'\n') {
            return at;
        }
        at += character_len(&line[at..]);
    }
    line.len()
}

/// The measurement of a line, unescaped.
#[must_use]
pub fn measurement(line: &[u8]) -> String {
    let series = &line[..series_len(line)];
    unescaped(series.get(..unescaped_find(series, b',')).unwrap_or(series))
}

/// The value of a tag of a line, unescaped.
#[must_use]
pub fn tag(line: &[u8], key: &str) -> Option<String> {
    let series = &line[..series_len(line)];
    let mut rest = series.get(unescaped_find(series, b',')..)?;
    while let Some(pair) = rest.strip_prefix(b",") {
        let end = unescaped_find(pair, b',');
        let (this, next) = pair.split_at(end);
        let equals = unescaped_find(this, b'=');
        if unescaped(&this[..equals]) == key {
            return this.get(equals + 1..).map(unescaped);
        }
        rest = next;
    }
    None
}

/// Where the first unescaped `wanted` stands; the length if nowhere.
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

/// A measurement, tag key or tag value without its backslashes.
fn unescaped(text: &[u8]) -> String {
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let escapes = matches!(text.get(at + 1), Some(b',' | b' ' | b'='));
        if *byte == b'\\' && escapes {
            at += 1;
            plain.push(text[at]);
        } else {
            plain.push(*byte);
        }
        at += 1;
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_split(buffer: &str, expect: &[&str]) {
        let found: Vec<&str> = lines(buffer.as_bytes())
            .map(|line| std::str::from_utf8(line).expect("split inside a character"))
            .collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn a_newline_inside_a_string_field_does_not_end_the_line() {
        check_split("m,t=a x=1i 5\nm x=2i 6\n", &["m,t=a x=1i 5\n", "m x=2i 6\n"]);
        check_split("m s=\"a\nb\" 5\nm x=2i 6\n", &["m s=\"a\nb\" 5\n", "m x=2i 6\n"]);
        check_split(
            "m s=\"a\\\"\nb\\\\\" 5\nn x=1i 1\n",
            &["m s=\"a\\\"\nb\\\\\" 5\n", "n x=1i 1\n"],
        );
        check_split("m,t=a\\ \"b x=1i 5\nn x=1i 1\n", &["m,t=a\\ \"b x=1i 5\n", "n x=1i 1\n"]);
        check_split("", &[]);
    }

    /// A backslash before a separator's own backslash is a character; were it taken for an escape,
    /// a tag such as `a\ "b` would open a quote and swallow the lines behind it.
    #[test]
    fn quotes_and_backslashes_count_only_where_they_mean_something() {
        check_split("m,t=a\\\\ \"b x=1i 5\nn x=1i 1\n", &["m,t=a\\\\ \"b x=1i 5\n", "n x=1i 1\n"]);
        check_split("m k_\"a=1i 5\nn x=1i 1\n", &["m k_\"a=1i 5\n", "n x=1i 1\n"]);
        check_split("m k\\=\"a=1i 5\nn x=1i 1\n", &["m k\\=\"a=1i 5\n", "n x=1i 1\n"]);
        check_split(
            "m,t=\"a x=\"\n\",y=\"\\\"\n\" 5\nn x=1i 1\n",
            &["m,t=\"a x=\"\n\",y=\"\\\"\n\" 5\n", "n x=1i 1\n"],
        );
        assert_eq!(tag(b"m,t=a\\\\,b=c,vin=V x=1i 1\n", "vin").as_deref(), Some("V"));
        assert_eq!(tag(b"m,t=a\\\\,b x=1i 1\n", "t").as_deref(), Some("a\\,b"));
    }

    #[test]
    fn the_vehicle_is_read_back_from_an_escaped_tag() {
        let line = b"tele\\ metry,vin=A\\,B\\=C\\ D,model=x y=1i 5\n";
        assert_eq!(measurement(line), "tele metry");
        assert_eq!(tag(line, "vin").as_deref(), Some("A,B=C D"));
        assert_eq!(tag(line, "model").as_deref(), Some("x"));
        assert_eq!(tag(line, "y"), None);
    }
}
