//! Splits a buffer into lines.

use memchr::memchr2;

use crate::model::line::parts::{quoted_len, series};

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
    // After the series, and after each comma of the fields, a key extends to its `=`; a value that
    // begins with a quote extends to the next quote. A quote anywhere else is an ordinary
    // character.
    let fields = series(buffer).len();
    let mut at = fields;
    while let Some(found) = memchr2(b'\n', b'"', &buffer[at..]) {
        let found = at + found;
        if buffer[found] == b'\n' {
            return found + 1;
        }
        let is_value =
            buffer[fields..found].ends_with(b"=") && !buffer[fields..found].ends_with(b"\\=");
        at = found + if is_value { quoted_len(&buffer[found..]) } else { 1 };
    }
    buffer.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::line::{parts::character_len, tag};

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

    /// A backslash before the backslash of an escaped separator is an ordinary character. If it
    /// were read as an escape, a tag such as `a\ "b` would open a quote, and the lines after it
    /// would be lost.
    #[test]
    fn quotes_and_backslashes_count_only_where_the_grammar_says_so() {
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

    /// Character by character, as the grammar says.
    fn line_len_by_character(buffer: &[u8]) -> usize {
        let mut at = series(buffer).len();
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

    proptest! {
        #[test]
        fn a_search_for_newlines_and_quotes_ends_where_the_grammar_does(
            text in "[a \",=\\\\\n]{0,40}"
        ) {
            prop_assert_eq!(line_len(text.as_bytes()), line_len_by_character(text.as_bytes()));
        }
    }
}
