//! A text that occurs in many lines: escaped once, appended often.

use std::fmt;

/// Bytes of a short text; most names with their separators are not longer.
const START_BYTES: usize = 32;

/// A text that is appended many times. For a short one a constant number of bytes is appended and
/// the excess is cut off: that compiles to two moves, while a variable length would need a call of
/// `memcpy`.
#[derive(Clone, PartialEq, Eq)]
pub struct Label {
    text: Box<[u8]>,
    /// The first bytes of the text; a short one is followed by zeros.
    start: [u8; START_BYTES],
}

impl Label {
    /// The text, already escaped.
    #[must_use]
    pub fn new(text: &[u8]) -> Self {
        let mut start = [0; START_BYTES];
        let len = text.len().min(START_BYTES);
        start[..len].copy_from_slice(&text[..len]);
        Self { text: text.into(), start }
    }

    /// The text.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// Appends the text.
    #[inline]
    pub fn push_to(&self, into: &mut Vec<u8>) {
        let end = into.len() + self.text.len();
        into.extend_from_slice(&self.start);
        match self.text.get(START_BYTES..) {
            Some(rest) => into.extend_from_slice(rest),
            None => into.truncate(end),
        }
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", String::from_utf8_lossy(&self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_appends_its_text_and_nothing_else() {
        for len in [0, 1, START_BYTES - 1, START_BYTES, START_BYTES + 1, 5 * START_BYTES] {
            let text = ",battery_temp=".repeat(len)[..len].to_owned();
            let label = Label::new(text.as_bytes());
            let mut line = b"m".to_vec();
            label.push_to(&mut line);
            assert_eq!(line, format!("m{text}").as_bytes());
            assert_eq!(label.as_bytes(), text.as_bytes());
        }
    }
}
