//! Lines of the answer.

use std::io::Write;

/// A line on standard output.
pub(crate) fn line(text: &str) {
    // Whoever closed standard output does not want the rest.
    drop(writeln!(std::io::stdout(), "{text}"));
}

/// A line on standard error.
pub(crate) fn complain(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// `1234567` as `1,235 k`.
pub(crate) fn thousands(count: f64) -> String {
    let whole = format!("{:.0}", count / 1000.0);
    let mut grouped = String::new();
    for (idx, digit) in whole.chars().enumerate() {
        if idx > 0 && (whole.len() - idx).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + " k"
}

/// Whether a bound is met, in a word.
pub(crate) fn met(is_met: bool, is_aim_met: bool) -> &'static str {
    match (is_met, is_aim_met) {
        (_, true) => "aim met",
        (true, false) => "met",
        (false, false) => "MISSED",
    }
}
