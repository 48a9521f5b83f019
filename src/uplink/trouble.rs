//! Context of a [`DecodeError`](super::DecodeError): which value of the payload is wrong, what was
//! expected and what was found. Written on the cold path only; one per slot table, reused.

use std::fmt::{self, Write as _};

use crate::schema::INNER_NAME;

/// How many characters of a value are shown.
const SHOWN_MAX: usize = 48;

/// How many bytes a path may have before its middle is left out.
const PATH_BYTES_MAX: usize = 240;

/// What the decoder knows about the failure of the current message in addition to the error.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    /// Member names from the walked record to the value, joined with dots.
    path: String,
    /// The field's number, if the format has numbers.
    number: Option<u32>,
    /// What is wrong; if empty, the text of the error is used.
    words: String,
    /// The value, shortened and safe to print.
    value: String,
    /// In which elements of `points` it lies, outermost first: "2 of `samples`".
    elements: String,
}

impl Trouble {
    /// Removes everything.
    pub(crate) fn clear(&mut self) {
        self.path.clear();
        self.number = None;
        self.words.clear();
        self.value.clear();
        self.elements.clear();
    }

    /// Prepends a member's name to the path of the wrong value: called on return from each level,
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

    /// The same, with the member's number; that of the innermost is kept.
    pub(crate) fn within_numbered(&mut self, name: &str, number: u32) {
        if self.path.is_empty() {
            self.number = Some(number);
        }
        self.within(name);
    }

    /// Sets what is wrong. Text that begins with "is " follows the field's name without a colon.
    pub(crate) fn say(&mut self, words: fmt::Arguments<'_>) {
        self.words.clear();
        self.words.write_fmt(words).expect("writing to a string does not fail");
    }

    /// Sets the value to show.
    pub(crate) fn show(&mut self, value: &[u8]) {
        self.value = shown(value);
    }

    /// Notes the element (from 0) of a list of `points` that contains the wrong value: called on
    /// return from each level, innermost first.
    pub(crate) fn in_element(&mut self, list: &str, index: usize) {
        let list = match list {
            "" => "the payload".to_owned(),
            INNER_NAME => "that".to_owned(),
            list => format!("`{list}`"),
        };
        let more = if self.elements.is_empty() { "" } else { ", " };
        self.elements.insert_str(0, &format!("{index} of {list}{more}"));
    }

    /// The elements of `points` that contain it.
    pub(crate) fn elements(&self) -> Option<&str> {
        (!self.elements.is_empty()).then_some(self.elements.as_str())
    }

    /// The field and what is wrong with it; `fallback` if nothing was set.
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

    /// The value, if it was set.
    pub(crate) fn value(&self) -> Option<&str> {
        (!self.value.is_empty()).then_some(self.value.as_str())
    }
}

/// Bytes of a payload as text that is short and safe to print: one line, no control characters.
pub(crate) fn shown(bytes: &[u8]) -> String {
    // At most four bytes per character, and one character more to notice that text was cut.
    let head = bytes.get(..4 * (SHOWN_MAX + 1)).unwrap_or(bytes);
    let text = String::from_utf8_lossy(head);
    let mut shown: String =
        text.chars().take(SHOWN_MAX).flat_map(|one| OneLine(one.escape_debug())).collect();
    if text.chars().count() > SHOWN_MAX {
        shown.push('…');
    }
    shown
}

/// The escape of a character; quotes are not escaped, because the text is not put in quotes.
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
    fn a_shown_value_is_short_and_one_line() {
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
