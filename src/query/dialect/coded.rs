//! An encoding of texts that survives line-based answers: never empty, without line breaks, and
//! with the same order as the texts themselves.
//!
//! Each begins with a dot. LF becomes `0b 01` and CR becomes `0e 01`; the bytes `0b` and `0e`
//! become `0b 02` and `0e 02`. Each pair sorts as its byte does, so that the greatest encoded text
//! is that of the greatest text.

/// Flux that encodes `r._value`, a text that is not empty; it needs `import "strings"`.
pub(super) const FLUX: &str = "if strings.containsAny(v: r._value, chars: \"\\n\\r\\x0b\\x0e\") then \
     \".\" + strings.replaceAll(v: strings.replaceAll(v: strings.replaceAll(\
     v: strings.replaceAll(v: r._value, t: \"\\x0b\", u: \"\\x0b\\x02\"), \
     t: \"\\n\", u: \"\\x0b\\x01\"), t: \"\\x0e\", u: \"\\x0e\\x02\"), t: \"\\r\", u: \"\\x0e\\x01\") \
     else \".\" + r._value";
/// Flux for the encoded empty text.
pub(super) const FLUX_EMPTY: &str = "\".\"";

/// Decodes a text; `None` if it is not encoded.
pub(in crate::query) fn decode(code: &str) -> Option<String> {
    let mut text = String::with_capacity(code.len());
    let mut chars = code.strip_prefix('.')?.chars();
    while let Some(c) = chars.next() {
        text.push(match c {
            '\u{b}' | '\u{e}' => match (c, chars.next()?) {
                ('\u{b}', '\u{1}') => '\n',
                ('\u{e}', '\u{1}') => '\r',
                (c, '\u{2}') => c,
                _ => return None,
            },
            c => c,
        });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_its_text_and_nothing_else_is_one() {
        assert_eq!(decode("."), Some(String::new()));
        assert_eq!(decode("..a"), Some(".a".to_owned()));
        assert_eq!(
            decode(".\u{b}\u{1}\u{b}\u{2}\u{e}\u{1}\u{e}\u{2}é"),
            Some("\n\u{b}\r\u{e}é".to_owned())
        );
        for wrong in ["", "a", ".\u{b}", ".\u{e}x", ".\u{b}\u{3}"] {
            assert_eq!(decode(wrong), None, "{wrong:?}");
        }
    }
}
