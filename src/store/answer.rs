//! An HTTP answer of a store, and the texts in it.

use serde_json::Value as Json;

/// What servers and proxies answer to a plain HTTP request on a TLS port.
const SPEAKS_TLS: &[&str] = &[
    "HTTP request to an HTTPS server",
    "plain HTTP request was sent to HTTPS port",
    "speaking plain HTTP to an SSL-enabled server",
];

/// An answer with a bounded part of its body: a store may repeat whole lines in its messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status; 0 if the answer came over a WebSocket, whose messages have none.
    pub status: u16,
    /// The `Retry-After` header, as sent.
    pub retry_after: Option<String>,
    /// The target of a redirect, without anything that could be a secret.
    pub location: Option<String>,
    /// The first bytes of the body, at most [`Answer::BODY_BYTES_MAX`].
    pub body: Vec<u8>,
    /// Whether the body is longer than that.
    pub cut: bool,
}

/// The texts of an error body, as any InfluxDB and TDengine's adapter write it; all are `None` if
/// the body is something else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ErrorBody {
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    pub(super) error: Option<String>,
}

impl ErrorBody {
    fn member(&mut self, name: &str) -> Option<&mut Option<String>> {
        match name {
            "code" => Some(&mut self.code),
            "message" => Some(&mut self.message),
            "error" => Some(&mut self.error),
            _ => None,
        }
    }
}

impl Answer {
    /// The maximum part of a body that is read: enough for the hundred refused lines that InfluxDB
    /// 3 lists.
    pub const BODY_BYTES_MAX: usize = 64 * 1024;
    /// The maximum part of a store's message that is kept with a dead letter or shown to the
    /// operator.
    pub const QUOTE_BYTES_MAX: usize = 1024;

    /// The texts of the body, also of a body that was cut.
    pub(super) fn error_body(&self) -> ErrorBody {
        let mut found = ErrorBody::default();
        if self.cut {
            read_cut(&self.body, &mut found);
        } else if let Ok(Json::Object(members)) = serde_json::from_slice(&self.body) {
            for (name, value) in members {
                if let (Some(member), Json::String(text)) = (found.member(&name), value) {
                    *member = Some(text);
                }
            }
        }
        found
    }

    /// The message in the body, or the whole body if it is not that of a store.
    pub(super) fn message(&self) -> String {
        let ErrorBody { message, error, .. } = self.error_body();
        let text = message.or(error);
        text.unwrap_or_else(|| String::from_utf8_lossy(&self.body).trim().to_owned())
    }

    /// The body, if it is complete.
    pub(super) fn whole_body(&self) -> Option<&[u8]> {
        (!self.cut).then_some(self.body.as_slice())
    }

    /// Whether a TLS port answered that the request was plain HTTP.
    pub(super) fn speaks_tls(&self) -> bool {
        let message = self.message();
        SPEAKS_TLS.iter().any(|words| message.contains(words))
    }

    /// Whether something between us and the store answered with an HTML page.
    pub(super) fn is_page(&self) -> bool {
        self.body.trim_ascii_start().first() == Some(&b'<')
    }

    /// Status and message for the operator, bounded, with a remedy if one is known.
    pub(super) fn summary(&self) -> String {
        let message = self.message();
        let mut text = self.quote(&message);
        if let Some(location) = &self.location {
            text.push_str(&format!(
                " (redirected to {location}; redirects are not followed, write the right address \
                 into store.urls)"
            ));
        } else if self.speaks_tls() {
            text.push_str(" (write https:// in store.urls)");
        }
        text
    }

    /// Status and some text of the answer, bounded.
    pub(super) fn quote(&self, text: &str) -> String {
        let mut quote = match self.status {
            0 => text.to_owned(),
            status if text.is_empty() => format!("HTTP {status}"),
            status => format!("HTTP {status}: {text}"),
        };
        quote.truncate(quote.floor_char_boundary(Self::QUOTE_BYTES_MAX));
        quote
    }
}

/// Reads the texts at the front of an object whose end is missing: `{"code":"…","message":"…`. It
/// stops at the first value that is not a text, and keeps the received part of the last one.
fn read_cut(body: &[u8], found: &mut ErrorBody) {
    let mut rest = body;
    let mut punctuation = b'{';
    while let Some(name) = skip(&mut rest, punctuation).and_then(|()| text(&mut rest))
        && skip(&mut rest, b':').is_some()
        && let Some(value) = text(&mut rest)
    {
        if let Some(member) = found.member(&name) {
            *member = Some(value);
        }
        punctuation = b',';
    }
}

/// Skips white space and then `byte`; `None` if there is another byte.
fn skip(rest: &mut &[u8], byte: u8) -> Option<()> {
    *rest = rest.trim_ascii_start().strip_prefix(&[byte])?;
    Some(())
}

/// Takes a JSON text, to its end or to the point where the body was cut.
fn text(rest: &mut &[u8]) -> Option<String> {
    /// The maximum length of an escape or a character: a pair of surrogates.
    const CUT_MAX: usize = 12;
    skip(rest, b'"')?;
    let mut end = 0;
    while end < rest.len() && rest[end] != b'"' {
        end += if rest[end] == b'\\' { 2 } else { 1 };
    }
    let whole = end < rest.len();
    let len = end.min(rest.len());
    let quoted = |len: usize| [b"\"", &rest[..len], b"\""].concat();
    let shortest = if whole { len } else { len.saturating_sub(CUT_MAX) };
    let read = |len: usize| serde_json::from_slice::<String>(&quoted(len)).ok();
    let found = (shortest..=len).rev().find_map(read);
    *rest = rest.get(len + 1..).unwrap_or_default();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_cut(body: &str, code: Option<&str>, message: Option<&str>) {
        let answer = Answer { body: body.as_bytes().to_vec(), cut: true, ..Answer::default() };
        let ErrorBody { code: found_code, message: found_message, .. } = answer.error_body();
        assert_eq!((found_code.as_deref(), found_message.as_deref()), (code, message), "{body}");
    }

    #[test]
    fn the_texts_of_a_body_that_was_cut_are_found() {
        check_cut(r#"{"code":"invalid","message":"unable to"#, Some("invalid"), Some("unable to"));
        check_cut(r#" { "code" : "a\"b" , "message" : "x", "op"#, Some("a\"b"), Some("x"));
        check_cut(r#"{"message":"tab\tand \u00"#, None, Some("tab\tand "));
        check_cut(r#"{"message":"pair \ud83d\ude"#, None, Some("pair "));
        check_cut(r#"{"message":"back\"#, None, Some("back"));
        check_cut(r#"{"data":[1,2],"message":"x"#, None, None);
        check_cut(r#"{"message":7,"code":"x"#, None, None);
        for nothing in ["", "{", "[", "\"", "{\"", "{\"message", "{\"message\"", "{\"message\":"] {
            check_cut(nothing, None, None);
        }
        let halved = "{\"message\":\"ä".as_bytes();
        let body = halved[..halved.len() - 1].to_vec();
        let answer = Answer { body, cut: true, ..Answer::default() };
        assert_eq!(answer.error_body().message.as_deref(), Some(""));
    }

    #[test]
    fn only_texts_of_an_object_are_taken_from_a_complete_body() {
        let read = |body: &str| {
            Answer { body: body.as_bytes().to_vec(), ..Answer::default() }.error_body()
        };
        let both = read(r#"{"code":"invalid","message":"m","line":3}"#);
        assert_eq!(both.code.as_deref(), Some("invalid"));
        assert_eq!(both.message.as_deref(), Some("m"));
        for other in [r#"{"code":9728,"message":{"a":1}}"#, "[]", "Bad Request", "", "null"] {
            assert_eq!(read(other), ErrorBody::default(), "{other}");
        }
    }

    #[test]
    fn a_summary_has_the_remedy_if_one_is_known() {
        let answer = |location: Option<&str>, body: &str| Answer {
            status: 400,
            location: location.map(str::to_owned),
            body: body.as_bytes().to_vec(),
            ..Answer::default()
        };
        assert_eq!(
            answer(None, "Client sent an HTTP request to an HTTPS server.\n").summary(),
            "HTTP 400: Client sent an HTTP request to an HTTPS server. \
             (write https:// in store.urls)"
        );
        assert_eq!(
            answer(Some("https://h/api/v2/write"), "").summary(),
            "HTTP 400 (redirected to https://h/api/v2/write; redirects are not followed, write \
             the right address into store.urls)"
        );
    }
}
