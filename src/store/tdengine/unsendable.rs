//! TE-2: lines that are not sent.

use crate::{
    model::{
        Cause,
        line::{self, fields, tags},
    },
    store::options::TdEngine,
};

/// A float's text that is longer than this may be past the largest float without an exponent.
const PLAIN_DIGITS_MAX: usize = 300;

/// Why a line is not sent to this store; it becomes a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsendable {
    /// As it is counted.
    pub cause: Cause,
    /// What exactly.
    pub detail: String,
}

/// Says why a line must not be sent; nothing if it may.
pub(in crate::store) fn unsendable(text: &[u8]) -> Option<Unsendable> {
    const TAG_BYTES_MAX: usize = TdEngine::TAG_BYTES_MAX;
    let unsendable = |cause, detail: String| Some(Unsendable { cause, detail });
    if text.starts_with(b"#") {
        let detail = "TDengine skips a line that begins with `#`; rename the measurement";
        return unsendable(Cause::StoreRefused, detail.to_owned());
    }
    for (key, value) in tags(text) {
        // An escaped value is never shorter than the value itself.
        if value.len() > TAG_BYTES_MAX {
            let len = line::unescape(value).len();
            if len > TAG_BYTES_MAX {
                let key = line::unescape(key);
                let detail = format!(
                    "tag `{key}` has {len} bytes; TDengine fails on more than {TAG_BYTES_MAX}"
                );
                return unsendable(Cause::TagInvalid, detail);
            }
        }
    }
    let mut fields = fields(text);
    for (key, value) in fields.by_ref() {
        if !is_finite(value) {
            let key = line::unescape(key);
            let detail =
                format!("field `{key}` is no finite number, and TDengine could not show it");
            return unsendable(Cause::StoreRefused, detail);
        }
    }
    match fields.time() {
        None => unsendable(Cause::TimeInvalid, "it has no time, which would mean now".to_owned()),
        Some(0) => unsendable(Cause::TimeInvalid, "TDengine takes a time of 0 for now".to_owned()),
        Some(_) => None,
    }
}

/// False for a float that is NaN or infinite, or reads as such. Most floats are digits and need no
/// second look.
fn is_finite(value: &[u8]) -> bool {
    let may_not = value.iter().any(u8::is_ascii_alphabetic) || value.len() > PLAIN_DIGITS_MAX;
    if value.first() == Some(&b'"') || !may_not {
        return true;
    }
    let number = str::from_utf8(value).ok().and_then(|text| text.parse::<f64>().ok());
    number.is_none_or(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, cause: Option<Cause>) {
        assert_eq!(unsendable(text.as_bytes()).map(|unsendable| unsendable.cause), cause, "{text}");
    }

    #[test]
    fn what_the_server_was_seen_to_misread_is_not_sent() {
        let tag = |len: usize| format!("m,vin={} x=1i 5\n", "a".repeat(len));
        check(&tag(100), None);
        check(&tag(101), Some(Cause::TagInvalid));
        check(&tag(4090), Some(Cause::TagInvalid));
        // An escape is no byte of the value, and a character of three bytes is three.
        check(&format!("m,vin={}\\ b x=1i 5\n", "a".repeat(98)), None);
        check(&format!("m,vin={} x=1i 5\n", "日".repeat(34)), Some(Cause::TagInvalid));
        check("#m,vin=a x=1i 5\n", Some(Cause::StoreRefused));
        check("m,vin=a x=1i 0\n", Some(Cause::TimeInvalid));
        check("m,vin=a x=1i\n", Some(Cause::TimeInvalid));
        check("m,vin=a x=1i -5\n", None);
        for value in ["nan", "NaN", "inf", "-Inf", "infinity", "1e309", "-1e400"] {
            let text = format!("m,vin=a y={value} 5\n");
            check(&text, Some(Cause::StoreRefused));
            check(&format!("m,vin=a x=1i,y={value},z=\"s\" 5\n"), Some(Cause::StoreRefused));
        }
        check(&format!("m,vin=a y=1{} 5\n", "0".repeat(400)), Some(Cause::StoreRefused));
        for value in ["1e308", "5", "5i", "18446744073709551615u", "t", "F", "true", "\"nan\""] {
            check(&format!("m,vin=a y={value} 5\n"), None);
        }
        check("m,vin=a s=\"# 0\nx=nan 0\" 5\n", None);
    }
}
