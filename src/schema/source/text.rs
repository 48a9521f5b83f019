//! Bytes of a file → text: handles byte order marks and invalid UTF-8.

/// The text of a file, and its first invalid line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    /// With U+FFFD in place of invalid UTF-8.
    pub(super) text: String,
    /// The error, with its line.
    pub(super) fault: Option<(u32, &'static str)>,
}

/// The error text for bytes that are not UTF-8.
const NOT_UTF8: &str = "is not UTF-8; save it as UTF-8";

/// Decodes bytes; a byte order mark of UTF-8 is left out.
pub(super) fn decode(bytes: &[u8]) -> Decoded {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        let fault = Some((1, "begins with the mark of UTF-16; save it as UTF-8"));
        return Decoded { text: String::new(), fault };
    }
    if let Some(at) = memchr::memchr(0, bytes) {
        let what = "holds a NUL byte, so it is no text in UTF-8; save it as UTF-8";
        return Decoded { text: String::new(), fault: Some((line_of(bytes, at), what)) };
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Decoded { text: text.to_owned(), fault: None },
        Err(error) => Decoded {
            text: String::from_utf8_lossy(bytes).into_owned(),
            fault: Some((line_of(bytes, error.valid_up_to()), NOT_UTF8)),
        },
    }
}

/// The line, from 1, of a byte.
fn line_of(bytes: &[u8], at: usize) -> u32 {
    let newlines = memchr::memchr_iter(b'\n', &bytes[..at]).count();
    u32::try_from(newlines + 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_other_encodings_are_known() {
        assert_eq!(decode(b"\xef\xbb\xbfa"), Decoded { text: "a".to_owned(), fault: None });
        assert_eq!(decode(b"\xff\xfea\0").fault.unwrap().0, 1);
        assert_eq!(decode(b"a\n\0").fault.unwrap().0, 2);
        let latin1 = decode(b"a\n// gr\xf6\xdfe\n");
        assert_eq!(latin1.fault, Some((2, NOT_UTF8)));
        assert_eq!(latin1.text, "a\n// gr\u{fffd}\u{fffd}e\n");
    }
}
