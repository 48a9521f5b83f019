//! Values with units: text ↔ bytes, durations, lists.

use std::time::Duration;

use toml_edit::Value as Toml;

use crate::{
    config::key::Kind,
    model::{DURATION_UNITS, Secret},
};

/// A value of its key's kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// For [`Kind::Size`] and [`Kind::Count`]; for [`Kind::Share`] in millionths.
    Number(u64),
    Duration(Duration),
    Bool(bool),
    /// For every kind with one string.
    Text(String),
    /// For every kind with a list.
    Texts(Vec<String>),
    Secret(Secret),
}

/// Why a text is not a value of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// A different type.
    Shape,
    /// A number without a unit or with an unknown one; with a suggestion, if it is clear.
    Unit(Option<String>),
    /// Larger than 64 bits.
    Huge,
    /// Not one of the words; with the most similar one.
    Word(Option<&'static str>),
    /// An empty list.
    Empty,
}

const SIZES: [(&str, u64); 5] =
    [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// Reads a value of a TOML file.
pub(super) fn from_toml(kind: Kind, toml: &Toml) -> Result<Value, Misfit> {
    match (kind, toml) {
        (Kind::Size | Kind::Count, Toml::Integer(number)) => {
            u64::try_from(*number.value()).map(Value::Number).map_err(|_| Misfit::Shape)
        }
        (Kind::Share, Toml::Float(share)) => self::share(*share.value()),
        (Kind::Share, Toml::Integer(share)) => from_text(kind, &share.value().to_string()),
        (Kind::Bool, Toml::Boolean(flag)) => Ok(Value::Bool(*flag.value())),
        (Kind::Duration, Toml::Integer(number)) => {
            Err(Misfit::Unit(Some(format!("{}s", number.value()))))
        }
        (Kind::Count | Kind::Share | Kind::Bool, Toml::String(_)) => Err(Misfit::Shape),
        (_, Toml::String(text)) => from_text(kind, text.value()),
        (Kind::Addresses | Kind::Urls | Kind::Paths | Kind::Texts, Toml::Array(items)) => {
            let texts: Option<Vec<String>> =
                items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
            texts.ok_or(Misfit::Shape).and_then(|texts| list(kind, texts))
        }
        _ => Err(Misfit::Shape),
    }
}

/// Reads a value of an environment variable, of `--set`, or of the table of defaults: a TOML value,
/// else a bare string.
pub(super) fn from_argument(kind: Kind, text: &str) -> Result<Value, Misfit> {
    match (kind, text.parse::<Toml>()) {
        // A token of digits stays a string.
        (Kind::Text | Kind::Path | Kind::Secret | Kind::Choice(_), Ok(Toml::String(quoted))) => {
            from_text(kind, quoted.value())
        }
        (Kind::Text | Kind::Path | Kind::Secret | Kind::Choice(_), _) => from_text(kind, text),
        (_, Ok(toml)) => from_toml(kind, &toml),
        (_, Err(_)) => from_text(kind, text),
    }
}

fn from_text(kind: Kind, text: &str) -> Result<Value, Misfit> {
    match kind {
        Kind::Size => scaled(text, &SIZES, size_hint).map(Value::Number),
        Kind::Duration => scaled(text, &DURATION_UNITS, |_, _| None)
            .map(Duration::from_nanos)
            .map(Value::Duration),
        Kind::Count => text.parse().map(Value::Number).map_err(|_| Misfit::Shape),
        Kind::Share => text.parse().map_err(|_| Misfit::Shape).and_then(share),
        Kind::Bool => text.parse().map(Value::Bool).map_err(|_| Misfit::Shape),
        Kind::Text | Kind::Path | Kind::Address => Ok(Value::Text(text.to_owned())),
        Kind::Secret => Ok(Value::Secret(Secret::new(text))),
        Kind::Addresses | Kind::Urls | Kind::Paths | Kind::Texts => {
            list(kind, text.split(',').map(|part| part.trim().to_owned()).collect())
        }
        Kind::Choice(words) => match words.iter().find(|word| **word == text) {
            Some(word) => Ok(Value::Text((*word).to_owned())),
            None => Err(Misfit::Word(nearest(text, words.iter().copied()))),
        },
    }
}

/// A fraction in millionths.
fn share(share: f64) -> Result<Value, Misfit> {
    let millionths = (share * 1e6).round();
    match (0.0..=1e9).contains(&millionths) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within the range that was asked for"
        )]
        true => Ok(Value::Number(millionths as u64)),
        false => Err(Misfit::Shape),
    }
}

/// A fraction as written in the file.
pub(super) fn print_share(millionths: u64) -> String {
    let (whole, part) = (millionths / 1_000_000, millionths % 1_000_000);
    format!("{whole}.{part:06}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn list(kind: Kind, texts: Vec<String>) -> Result<Value, Misfit> {
    if !matches!(kind, Kind::Paths | Kind::Texts) && texts.iter().all(String::is_empty) {
        return Err(Misfit::Empty);
    }
    Ok(Value::Texts(texts))
}

/// A number directly followed by its unit.
fn scaled(
    text: &str,
    units: &[(&str, u64)],
    hint: impl Fn(&str, &str) -> Option<String>,
) -> Result<u64, Misfit> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = (&text[..end], text[end..].trim_start());
    if digits.is_empty() {
        return Err(Misfit::Shape);
    }
    let Some((_, scale)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(Misfit::Unit(hint(digits, unit)));
    };
    let number: u64 = digits.parse().map_err(|_| Misfit::Huge)?;
    number.checked_mul(*scale).ok_or(Misfit::Huge)
}

/// The suggestion for a value such as `64MB` or `64m`.
fn size_hint(digits: &str, unit: &str) -> Option<String> {
    let first = unit.chars().next()?.to_ascii_uppercase();
    let (name, _) = SIZES.iter().find(|(name, _)| name.starts_with(first))?;
    Some(format!("{digits}{name}"))
}

/// The most similar candidate, if one is similar enough.
pub(super) fn nearest<'a>(
    wrong: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    const NEAR: f64 = 0.6;
    let wrong = wrong.replace('_', "-").to_ascii_lowercase();
    candidates
        .map(|candidate| (strsim::normalized_damerau_levenshtein(&wrong, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// A size in the largest unit that divides it.
pub(super) fn print_size(bytes: u64) -> String {
    print_scaled(bytes, &SIZES)
}

/// A duration in the largest unit that divides it.
pub(super) fn print_duration(duration: Duration) -> String {
    print_scaled(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX), &DURATION_UNITS)
}

fn print_scaled(number: u64, units: &[(&str, u64)]) -> String {
    let (unit, scale) = units
        .iter()
        .rev()
        .find(|(_, scale)| number >= *scale && number.is_multiple_of(*scale))
        .unwrap_or(&units[0]);
    format!("{}{unit}", number / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_are_read_with_their_units_and_printed_back() {
        for (text, bytes) in [("1B", 1), ("64KiB", 65_536), ("8GiB", 8 << 30), ("3TiB", 3 << 40)] {
            assert_eq!(from_argument(Kind::Size, text), Ok(Value::Number(bytes)));
            assert_eq!(print_size(bytes), text);
        }
        for (text, nanos) in
            [("5ms", 5_000_000), ("1d", 86_400_000_000_000), ("90s", 90 * 1_000_000_000)]
        {
            let duration = Duration::from_nanos(nanos);
            assert_eq!(from_argument(Kind::Duration, text), Ok(Value::Duration(duration)));
            assert_eq!(print_duration(duration), text);
        }
        for (text, millionths) in [("0.1", 100_000), ("1", 1_000_000), ("0.000001", 1), ("0", 0)] {
            assert_eq!(from_argument(Kind::Share, text), Ok(Value::Number(millionths)));
            assert_eq!(print_share(millionths), text);
        }
        assert_eq!(from_argument(Kind::Size, "4096"), Ok(Value::Number(4096)));
    }

    #[test]
    fn what_is_not_of_its_kind_is_refused_with_what_was_meant() {
        check_misfit(Kind::Size, "64MB", &Misfit::Unit(Some("64MiB".to_owned())));
        check_misfit(Kind::Size, "64k", &Misfit::Unit(Some("64KiB".to_owned())));
        check_misfit(Kind::Size, "much", &Misfit::Shape);
        check_misfit(Kind::Size, "-1", &Misfit::Shape);
        check_misfit(Kind::Size, "99999999TiB", &Misfit::Huge);
        check_misfit(Kind::Duration, "200", &Misfit::Unit(Some("200s".to_owned())));
        check_misfit(Kind::Duration, "2w", &Misfit::Unit(None));
        check_misfit(Kind::Bool, "yes", &Misfit::Shape);
        check_misfit(Kind::Count, "1.5", &Misfit::Shape);
        check_misfit(Kind::Share, "much", &Misfit::Shape);
        check_misfit(Kind::Share, "-0.1", &Misfit::Shape);
        check_misfit(Kind::Share, "\"0.1\"", &Misfit::Shape);
        check_misfit(Kind::Addresses, "[]", &Misfit::Empty);
        check_misfit(Kind::Addresses, "[1]", &Misfit::Shape);
        check_misfit(
            Kind::Choice(&["influxdb1", "influxdb2"]),
            "influx2",
            &Misfit::Word(Some("influxdb2")),
        );
    }

    fn check_misfit(kind: Kind, text: &str, expect: &Misfit) {
        assert_eq!(from_argument(kind, text).as_ref().err(), Some(expect), "{kind:?} {text}");
    }

    #[test]
    fn an_argument_is_a_toml_value_or_else_a_bare_string() {
        let text = |t: &str| Ok(Value::Text(t.to_owned()));
        assert_eq!(from_argument(Kind::Text, "12345"), text("12345"));
        assert_eq!(from_argument(Kind::Text, "\"quoted\""), text("quoted"));
        assert_eq!(from_argument(Kind::Path, "./a b"), text("./a b"));
        let both = Ok(Value::Texts(vec!["a:1".to_owned(), "b:2".to_owned()]));
        assert_eq!(from_argument(Kind::Addresses, "a:1,b:2"), both);
        assert_eq!(from_argument(Kind::Addresses, "[\"a:1\", \"b:2\"]"), both);
    }
}
