//! What is told beside a [`DecodeError`](super::DecodeError): which value of the payload it was,
//! what was expected and what came. Written on the cold path only; one a slot table, reused.

use std::fmt::{self, Write as _};

use crate::schema::INNER_NAME;

/// How many characters of a value are shown.
const SHOWN_MAX: usize = 48;

/// How many bytes a path may have before its middle is left out.
const PATH_BYTES_MAX: usize = 240;

/// Why the message at hand failed, in words, as far as its decoder knows more than the error says.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    /// Member names from the record that was walked to the value, joined with dots.
    path: String,
    /// The field's number, where the format has them.
    number: Option<u32>,
    /// What is wrong; empty: what the error says.
    words: String,
    /// The value, shortened and safe to print.
    value: String,
    /// In which elements of `points` it lies, outermost first: "2 of `samples`".
    elements: String,
}

impl Trouble {
    /// Nothing is wrong.
    pub(crate) fn clear(&mut self) {
        self.path.clear();
        self.number = None;
        self.words.clear();
        self.value.clear();
        self.elements.clear();
    }

    /// Notes that what is wrong lies in this member of what is being walked: called on the way out,
    /// innermost first.
    pub(crate) fn within(&mut self, name: &str) {
        let name = shown(name.as_bytes());
        if self.path.is_empty() {
            self.path = name;
        } else if self.path.len() + name.len() < PATH_BYTES_MAX {
            self.path.insert(0, '.');
            self.path.insert_str(0, &name);
        }
    }

    /// The same, with the member's number; the innermost one's is told.
    pub(crate) fn within_numbered(&mut self, name: &str, number: u32) {
        if self.path.is_empty() {
            self.number = Some(number);
        }
        self.within(name);
    }

    /// Says what is wrong. Words that begin with "is " follow the field's name without a colon.
    pub(crate) fn say(&mut self, words: fmt::Arguments<'_>) {
        self.words.clear();
        self.words.write_fmt(words).expect("writing to a string does not fail");
    }

    /// Shows the value.
    pub(crate) fn show(&mut self, value: &[u8]) {
        self.value = shown(value);
    }

    /// Notes that what is wrong lies in this element, from 0, of a list of `points`: called on the
    /// way out, innermost first.
    pub(crate) fn in_element(&mut self, list: &str, index: usize) {
        let list = match list {
            "" => "the payload".to_owned(),
            INNER_NAME => "that".to_owned(),
            list => format!("`{list}`"),
        };
        let more = if self.elements.is_empty() { "" } else { ", " };
        self.elements.insert_str(0, &format!("{index} of {list}{more}"));
    }

    /// In which elements of `points` it lies.
    pub(crate) fn elements(&self) -> Option<&str> {
        (!self.elements.is_empty()).then_some(self.elements.as_str())
    }

    /// The field and what is wrong with it; `fallback` where nothing was said.
    pub(crate) fn describe(&self, fallback: &str) -> String {
        let words = if self.words.is_empty() { fallback } else { &self.words };
        if self.path.is_empty() {
            return words.to_owned();
        }
        let number = self.number.map(|number| format!(" (number {number})")).unwrap_or_default();
        let colon = if words.starts_with("is ") { "" } else { ":" };
        format!("field `{}`{number}{colon} {words}", self.path)
    }

    /// Whether the field is known by its path.
    pub(crate) fn has_path(&self) -> bool {
        !self.path.is_empty()
    }

    /// The value, if it was shown.
    pub(crate) fn value(&self) -> Option<&str> {
        (!self.value.is_empty()).then_some(self.value.as_str())
    }
}

/// Bytes of a payload as a text that is short and safe to print: one line, no control characters.
pub(crate) fn shown(bytes: &[u8]) -> String {
    // Four bytes a character, and one more to notice that there are more.
    let head = bytes.get(..4 * (SHOWN_MAX + 1)).unwrap_or(bytes);
    let text = String::from_utf8_lossy(head);
    let mut shown: String =
        text.chars().take(SHOWN_MAX).flat_map(|one| OneLine(one.escape_debug())).collect();
    if text.chars().count() > SHOWN_MAX {
        shown.push('…');
    }
    shown
}

/// A character's escape, quotes left as they are: nothing is put in quotes here.
struct OneLine(std::char::EscapeDebug);

impl Iterator for OneLine {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        match (self.0.next()?, self.0.clone().next()) {
            ('\\', Some(quote @ ('"' | '\''))) => {
                self.0.next();
                Some(quote)
            }
            (one, _) => Some(one),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_short_and_one_line() {
        assert_eq!(shown(b"plain \"text\" it's"), "plain \"text\" it's");
        assert_eq!(shown(b"a\nb\0\x1b[31m\\"), "a\\nb\\0\\u{1b}[31m\\\\");
        assert_eq!(shown(b"\xff"), "\u{fffd}");
        assert_eq!(shown(&[b'x'; 49]), format!("{}…", "x".repeat(48)));
        assert_eq!(shown("é".repeat(48).as_bytes()), "é".repeat(48));
    }

    #[test]
    fn a_path_is_built_from_the_inside_out() {
        let mut trouble = Trouble::default();
        trouble.say(format_args!("it is too long"));
        assert_eq!(trouble.describe("x"), "it is too long");
        trouble.within_numbered("lat", 1);
        trouble.within_numbered("fix", 7);
        assert_eq!(trouble.describe("x"), "field `fix.lat` (number 1): it is too long");
        trouble.clear();
        trouble.within("serial");
        trouble.say(format_args!("is required and absent"));
        assert_eq!(trouble.describe("x"), "field `serial` is required and absent");
    }
}
