//! Errors of the HTTP client in words for the operator.

use std::error::Error;

use crate::store::Answer;

/// Remedies for known TLS errors.
const REMEDIES: &[(&str, &str)] = &[
    (
        "UnknownIssuer",
        " (an authority that this machine does not trust signed the store's certificate; name the \
         authority's file in store.ca-file)",
    ),
    (
        "CaUsedAsEndEntity",
        " (the store's certificate is an authority's own; give the store one that the authority \
         signed, and name the authority's file in store.ca-file)",
    ),
    ("InvalidContentType", " (the store may not speak TLS; try http:// in store.urls)"),
];

/// The whole chain of an error in one bounded line. Each error of reqwest's chain prints only
/// itself.
pub(super) fn describe(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "timed out: ".to_owned() } else { String::new() };
    text.push_str(&error.to_string());
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text.truncate(text.floor_char_boundary(Answer::QUOTE_BYTES_MAX));
    for (words, remedy) in REMEDIES {
        if text.contains(words) {
            text.push_str(remedy);
        }
    }
    text
}
