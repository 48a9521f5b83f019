//! TE-2: the checks of lines that must not be sent.

use crate::{
    model::{
        Cause,
        line::{self, fields, series, tags},
    },
    store::{
        ledger::{kind_of, push_field, push_tag},
        options::{Newlines, TdEngine},
    },
};

/// The text of a float without an exponent can be past the largest float only if it is longer than
/// this.
const PLAIN_DIGITS_MAX: usize = 300;
/// The maximum bytes of a measurement's name.
const MEASUREMENT_BYTES_MAX: usize = 192;
/// The maximum bytes of a tag's or field's name.
const NAME_BYTES_MAX: usize = 64;
/// The maximum number of tags of a measurement.
const TAGS_MAX: usize = 128;
/// The maximum number of fields of a measurement.
const FIELDS_MAX: usize = 4_094;

/// The name of the time column.
const TIME_COLUMN: &str = "_ts";

/// Why a line is not sent to this store; it becomes a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsendable {
    /// The cause under which it is counted.
    pub cause: Cause,
    /// The details.
    pub detail: String,
}

/// The rules for lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct LineRules {
    /// What to do with a line feed in a string.
    pub(in crate::store) newlines: Newlines,
    /// The maximum bytes of one string.
    pub(in crate::store) string_bytes_max: usize,
    /// The server's version is before 3.3: long tag values crash it.
    pub(in crate::store) is_old: bool,
}

/// The result for a line that may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum LineCheck {
    /// It may be sent as it is.
    Fit,
    /// It may be sent with a space for each line feed in its strings.
    HasLineFeeds,
}

impl LineRules {
    /// Returns why a line must not be sent, and writes its shape, which decides whether it fits its
    /// table. One pass, because it runs for every line.
    pub(in crate::store) fn look(
        &self,
        text: &[u8],
        shape: &mut Vec<u8>,
    ) -> Result<LineCheck, Unsendable> {
        shape.clear();
        if text.starts_with(b"#") {
            return Err(refused(
                "TDengine skips a line that begins with `#`; rename the measurement",
            ));
        }
        let series = series(text);
        shape.extend_from_slice(line::measurement_of(series));
        for (key, value) in tags(series) {
            push_tag(shape, key);
            self.look_at_tag(key, value)?;
        }
        let mut looked = LineCheck::Fit;
        let mut fields = line::fields_behind(text, series);
        for (key, value) in fields.by_ref() {
            push_field(shape, key, kind_of(value));
            if value.first() == Some(&b'"') {
                if self.has_line_feed(key, value)? {
                    looked = LineCheck::HasLineFeeds;
                }
            } else if !is_finite(value) {
                let key = line::unescape(key);
                let detail =
                    format!("field `{key}` is no finite number, and TDengine could not show it");
                return Err(refused(detail));
            }
        }
        let time =
            |detail: &str| Unsendable { cause: Cause::TimeInvalid, detail: detail.to_owned() };
        match fields.time() {
            None => Err(time("it has no time, which would mean now")),
            Some(0) => Err(time("TDengine takes a time of 0 for now")),
            Some(_) => Ok(looked),
        }
    }

    fn look_at_tag(&self, key: &[u8], value: &[u8]) -> Result<(), Unsendable> {
        const TAG_BYTES_MAX: usize = TdEngine::OLD_TAG_BYTES_MAX;
        // An escaped value is never shorter than the value itself.
        if !self.is_old || value.len() <= TAG_BYTES_MAX {
            return Ok(());
        }
        let len = line::unescape(value).len();
        if len <= TAG_BYTES_MAX {
            return Ok(());
        }
        let key = line::unescape(key);
        let detail = format!(
            "tag `{key}` has {len} bytes; TDengine before 3.3 fails on more than {TAG_BYTES_MAX}"
        );
        Err(Unsendable { cause: Cause::TagInvalid, detail })
    }

    /// Whether a string holds a line feed that is to be replaced by a space.
    fn has_line_feed(&self, key: &[u8], value: &[u8]) -> Result<bool, Unsendable> {
        // The quotes and the escapes are not bytes of the value.
        if value.len().saturating_sub(2) > self.string_bytes_max {
            let len = string_len(value);
            if len > self.string_bytes_max {
                let (key, max) = (line::unescape(key), self.string_bytes_max);
                return Err(refused(format!(
                    "field `{key}` has {len} bytes, more than store.string-size-max, {max}: all \
                     strings of a measurement share 64 KiB in TDengine"
                )));
            }
        }
        match (memchr::memchr(b'\n', value), self.newlines) {
            (None, _) => Ok(false),
            (Some(_), Newlines::Space) => Ok(true),
            (Some(_), Newlines::Refuse) => {
                let key = line::unescape(key);
                Err(refused(format!(
                    "field `{key}` holds a line feed, which TDengine refuses; store.newlines = \
                     \"space\" writes a space for it"
                )))
            }
        }
    }

    /// Why no table can have the names of a line; checked only for new shapes.
    pub(in crate::store) fn refuses_names(self, text: &[u8]) -> Option<Unsendable> {
        let measurement = line::measurement(text).len();
        if measurement > MEASUREMENT_BYTES_MAX {
            return Some(refused(format!(
                "the measurement's name has {measurement} bytes; TDengine takes \
                 {MEASUREMENT_BYTES_MAX}"
            )));
        }
        let (n_tags, n_fields) = (tags(text).count(), fields(text).count());
        if n_tags > TAGS_MAX || n_fields > FIELDS_MAX {
            return Some(refused(format!(
                "it has {n_tags} tags and {n_fields} fields; TDengine takes {TAGS_MAX} and \
                 {FIELDS_MAX}"
            )));
        }
        tags(text).chain(fields(text)).find_map(|(key, _)| {
            let key = line::unescape(key);
            if key == TIME_COLUMN {
                let why = "which TDengine keeps for the timestamp";
                return Some(refused(format!("it has a name `{key}`, {why}")));
            }
            (key.len() > NAME_BYTES_MAX).then(|| {
                let len = key.len();
                let shown = &key[..key.floor_char_boundary(NAME_BYTES_MAX)];
                refused(format!(
                    "the name `{shown}…` has {len} bytes; TDengine takes {NAME_BYTES_MAX}"
                ))
            })
        })
    }
}

/// The bytes of a string without its quotes and escapes.
fn string_len(value: &[u8]) -> usize {
    let mut bytes = value[1..].iter();
    let mut len = 0;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' if bytes.next().is_none() => break,
            _ => len += 1,
        }
    }
    len
}

fn refused(detail: impl Into<String>) -> Unsendable {
    Unsendable { cause: Cause::StoreRefused, detail: detail.into() }
}

/// False for a float that is NaN or infinite, or is read as such. Most floats are digits and pass
/// the first check.
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
        let rules = LineRules { newlines: Newlines::Refuse, string_bytes_max: 4_096, is_old: true };
        let looked = rules.look(text.as_bytes(), &mut Vec::new());
        assert_eq!(looked.err().map(|unsendable| unsendable.cause), cause, "{text}");
    }

    #[test]
    fn values_that_the_server_misreads_are_not_sent() {
        let tag = |len: usize| format!("m,vin={} x=1i 5\n", "a".repeat(len));
        check(&tag(100), None);
        check(&tag(101), Some(Cause::TagInvalid));
        check(&tag(4090), Some(Cause::TagInvalid));
        // An escape is not a byte of the value, and a character of three bytes counts three.
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
        check("m,vin=a s=\"# 0 x=nan 0\" 5\n", None);
        check("m,vin=a s=\"a\nb\" 5\n", Some(Cause::StoreRefused));
        let string = |len: usize| format!("m,vin=a s=\"{}\" 5\n", "\\\"".repeat(len));
        check(&string(4_096), None);
        check(&string(4_097), Some(Cause::StoreRefused));
    }

    #[test]
    fn a_line_feed_becomes_a_space_if_that_is_configured() {
        let rules = LineRules { newlines: Newlines::Space, string_bytes_max: 4_096, is_old: false };
        let look = |text: &str| rules.look(text.as_bytes(), &mut Vec::new());
        assert_eq!(look("m,vin=a s=\"a\nb\" 5\n"), Ok(LineCheck::HasLineFeeds));
        assert_eq!(look(&format!("m,vin={} s=\"ab\" 5\n", "a".repeat(4_000))), Ok(LineCheck::Fit));
    }

    #[test]
    fn names_that_no_table_can_have_are_refused_before_they_are_sent() {
        let rules = LineRules::default();
        let refuses = |text: &str| rules.refuses_names(text.as_bytes()).is_some();
        let name = |len: usize| "n".repeat(len);
        assert!(!refuses(&format!("{},{}=a {}=1 5\n", name(192), name(64), name(64))));
        assert!(refuses(&format!("{} x=1 5\n", name(193))));
        assert!(refuses(&format!("m {}=1 5\n", name(65))));
        assert!(refuses(&format!("m,{}=a x=1 5\n", name(65))));
        assert!(refuses("m,vin=a _ts=1i 5\n") && refuses("m,_ts=a x=1i 5\n"));
        let many =
            |n: usize, part: &str| (0..n).map(|at| format!(",{part}{at}=1")).collect::<String>();
        assert!(!refuses(&format!("m{} x=1 5\n", many(128, "t"))));
        assert!(refuses(&format!("m{} x=1 5\n", many(129, "t"))));
        assert!(!refuses(&format!("m {} 5\n", &many(4_094, "f")[1..])));
        assert!(refuses(&format!("m {} 5\n", &many(4_095, "f")[1..])));
    }
}
