//! Converts OpenMetrics to Prometheus' text format, version 0.0.4.
//!
//! The differences are small: OpenMetrics names a counter's family without `_total`, has units and
//! the type `info`, and marks the end. A reader of the older format fails at each of these.

use std::fmt::Write as _;

/// A format of `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// Prometheus' text format, which every scraper supports.
    Text,
    /// OpenMetrics, which newer scrapers request.
    OpenMetrics,
}

impl Exposition {
    /// The value of the `Content-Type` header.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The format that an `Accept` header selects: OpenMetrics only if it is named, and with at
    /// least the weight of plain text.
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        let weight = |name: &str| {
            let matching = accept.split(',').filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let is_it = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case(name));
                let q = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
                is_it.then(|| q.map_or(Some(1.0), |q| q.parse::<f32>().ok())).flatten()
            });
            matching.fold(0.0, f32::max)
        };
        let open = weight("application/openmetrics-text");
        if open > 0.0 && open >= weight("text/plain") { Self::OpenMetrics } else { Self::Text }
    }
}

/// The same metrics in the text format.
pub(super) fn text(openmetrics: &str) -> String {
    let mut out = String::with_capacity(openmetrics.len());
    let mut help = None;
    for line in openmetrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                other => ("", other),
            };
            let help = help.take().filter(|(of, _)| *of == name).map_or("", |(_, text)| text);
            writeln!(out, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}")
                .expect("writing to a string does not fail");
        } else if !line.starts_with('#') {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_of_the_text_format_gets_what_it_knows() {
        let openmetrics = "# HELP a Counts.\n# TYPE a counter\n# UNIT a b\na_total{x=\"# y\"} 1\n\
                           # HELP build The version.\n# TYPE build info\nbuild_info{v=\"1\"} 1\n\
                           # HELP g Now.\n# TYPE g gauge\ng 2\n# EOF\n";
        assert_eq!(
            text(openmetrics),
            "# HELP a_total Counts.\n# TYPE a_total counter\na_total{x=\"# y\"} 1\n\
             # HELP build_info The version.\n# TYPE build_info gauge\nbuild_info{v=\"1\"} 1\n\
             # HELP g Now.\n# TYPE g gauge\ng 2\n"
        );
    }

    /// The case `o08-metrics-for-others`.
    #[test]
    fn openmetrics_is_for_who_asks_for_it() {
        for (accept, expect) in [
            ("", Exposition::Text),
            ("*/*", Exposition::Text),
            ("text/plain;version=0.0.4", Exposition::Text),
            ("application/openmetrics-text", Exposition::OpenMetrics),
            ("Application/OpenMetrics-Text; version=1.0.0", Exposition::OpenMetrics),
            ("application/openmetrics-text;q=0, text/plain", Exposition::Text),
            ("application/openmetrics-text;q=0.1,text/plain;q=0.5", Exposition::Text),
            ("application/openmetrics-text;q=x", Exposition::Text),
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;\
                 version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                Exposition::OpenMetrics,
            ),
        ] {
            assert_eq!(Exposition::accepted(accept), expect, "{accept}");
        }
    }
}
