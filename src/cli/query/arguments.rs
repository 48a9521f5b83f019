//! The arguments of `query`: what to ask, and the form of the answer.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand, builder::NonEmptyStringValueParser, value_parser};
use serde_json::Value as Json;

use crate::{
    cli::{appliance::Reach, moment},
    model::UnixNanos,
    query::{self, Function, Language, QueryRequest},
};

/// Queries stored points through the running appliance
///
/// Give a measurement, or one of the languages sql, influxql and flux with a query in it. A query
/// of a measurement is the same for every store; the languages are the store's own (the embedded
/// store and InfluxDB 3: SQL; InfluxDB 1 and 3: InfluxQL; InfluxDB 2: Flux). Use --measurement for
/// a measurement with the name of a language.
///
/// On a terminal the table fits its width; elsewhere it is as wide as needed. --plot draws a field
/// over time. Programs use --csv, with a header line, or --json, with one object a row on its own
/// line; both print every digit and stream answers of any size.
#[derive(Args, Debug)]
#[command(
    disable_help_subcommand = true,
    subcommand_negates_reqs = true,
    subcommand_value_name = "sql|influxql|flux",
    subcommand_help_heading = "In the store's language",
    override_usage = "fleetline query [OPTIONS] <MEASUREMENT>\n       \
                      fleetline query [OPTIONS] --list [MEASUREMENT]\n       \
                      fleetline query [OPTIONS] <sql|influxql|flux> [--param NAME=VALUE]… <TEXT|->",
    after_help = "Examples:
  fleetline query --list
  fleetline query --list telemetry
  fleetline query telemetry --vehicle VIN1 --fields speed_kmh,soc --from -15m
  fleetline query telemetry --from -1d --every 1h --fn max --fields battery_temp
  fleetline query telemetry --vehicle VIN1,VIN2 --from -1h --plot speed_kmh
  fleetline query trips --from 2026-01-01T00:00:00Z --all --csv > trips.csv
  fleetline query sql 'SELECT vin, max(speed_kmh) FROM telemetry WHERE soc < $soc GROUP BY vin' \\
      --param soc=20
  fleetline query --measurement sql"
)]
pub(in crate::cli) struct Arguments {
    #[command(subcommand)]
    pub(super) native: Option<Native>,
    #[command(flatten)]
    pub(super) portable: Portable,
    #[command(flatten)]
    pub(super) shown: Shown,
}

/// A query of a measurement.
#[derive(Args, Debug)]
pub(super) struct Portable {
    /// The measurement, as the mappings name it
    #[arg(required_unless_present_any = ["named", "list"], value_parser = NonEmptyStringValueParser::new())]
    measurement: Option<String>,
    /// The measurement, if it has the name of a language
    #[arg(long = "measurement", id = "named", value_name = "MEASUREMENT",
        conflicts_with = "measurement", value_parser = NonEmptyStringValueParser::new())]
    named: Option<String>,
    /// Lists the measurements; with a measurement, its fields and tags
    #[arg(long, conflicts_with_all = ["vehicle", "tag", "group_by", "fields", "from", "to", "every",
        "function", "order", "limit", "after", "all"])]
    pub(super) list: bool,
    /// Only these vehicles, separated by commas (may repeat); default: all
    #[arg(long, value_name = "VEHICLES", value_delimiter = ',',
        value_parser = NonEmptyStringValueParser::new())]
    vehicle: Vec<String>,
    /// Only points whose tag has this value (may repeat, for one tag and for several)
    #[arg(long = "tag", value_name = "TAG=VALUE", value_parser = tag)]
    tag: Vec<(String, String)>,
    /// One row for each combination of these tags, separated by commas, instead of each vehicle;
    /// without --fn the tags are columns
    #[arg(long, value_name = "TAGS", value_delimiter = ',')]
    group_by: Vec<String>,
    /// These fields in this order, separated by commas; default: all, or the one that is plotted
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    fields: Vec<String>,
    /// Start (inclusive): RFC 3339, nanoseconds since 1970, or relative such as -15m; default: -1h
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = time)]
    from: Option<String>,
    /// End (exclusive); default: now
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = time)]
    to: Option<String>,
    /// One row a vehicle and window of this length, such as 5m; windows align to 1970
    #[arg(long, value_name = "DURATION", requires = "function", value_parser = every)]
    every: Option<String>,
    /// The function over a window's values; without --every, over all of a vehicle's
    #[arg(long = "fn", id = "function", value_name = "FUNCTION", value_parser = FUNCTIONS)]
    function: Option<String>,
    /// Which row comes first
    #[arg(long, value_parser = ["asc", "desc"])]
    order: Option<String>,
    /// Rows over all vehicles, default: 1000; with --all, rows of a page
    #[arg(long, value_name = "ROWS", value_parser = limit)]
    limit: Option<usize>,
    /// Continues after this token, printed with the previous page
    #[arg(long, value_name = "TOKEN")]
    after: Option<String>,
    /// Every row, page by page; relative times are fixed at the start
    #[arg(long)]
    all: bool,
}

/// The words for `--fn`.
const FUNCTIONS: [&str; 7] = {
    let mut words = [""; 7];
    let mut at = 0;
    while at < Function::ALL.len() {
        words[at] = Function::ALL[at].as_str();
        at += 1;
    }
    words
};

/// A query in one of the store's languages.
#[derive(Debug, Subcommand)]
pub(super) enum Native {
    /// A query in SQL, to the embedded store (SQLite's) or InfluxDB 3
    #[command(after_help = "Examples:
  fleetline query sql 'SELECT vin, count(*) AS points FROM telemetry GROUP BY vin'
  fleetline query sql --param vin=VIN1 'SELECT * FROM telemetry WHERE vin = $vin LIMIT 10' --json
  fleetline query sql --file report.sql --csv
  echo 'SELECT 1' | fleetline query sql -")]
    Sql(Text),
    /// A query in InfluxQL, to InfluxDB 1 or 3
    #[command(
        name = "influxql",
        after_help = "Example:
  fleetline query influxql --param vin=VIN1 \\
      'SELECT mean(speed_kmh) FROM telemetry WHERE vin = $vin AND time > now() - 1h'"
    )]
    InfluxQl(Text),
    /// A query in Flux, to InfluxDB 2
    #[command(after_help = "Example:
  fleetline query flux --param vin=VIN1 'from(bucket: \"telemetry\") |> range(start: -1h)
      |> filter(fn: (r) => r.vin == params.vin)'")]
    Flux(Text),
}

impl Native {
    pub(super) const fn parts(&self) -> (Language, &Text) {
        match self {
            Self::Sql(text) => (Language::Sql, text),
            Self::InfluxQl(text) => (Language::InfluxQl, text),
            Self::Flux(text) => (Language::Flux, text),
        }
    }
}

#[derive(Args, Debug)]
pub(super) struct Text {
    /// The question, one statement that only reads; `-`: standard input
    #[arg(required_unless_present = "file")]
    pub(super) text: Option<String>,
    /// A file with the question
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    pub(super) file: Option<PathBuf>,
    /// A value for the query (may repeat): a JSON value, else a bare string. It reaches the store
    /// as data; the query refers to it as $name, in Flux as params.name
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = param)]
    pub(super) params: Vec<(String, Json)>,
}

/// The form of the answer, and the appliance; allowed before and after a language.
#[derive(Args, Debug)]
pub(super) struct Shown {
    /// One JSON object a row, on its own line
    #[arg(long, global = true)]
    json: bool,
    /// CSV with a header line; a null is an empty cell, an empty text is ""
    #[arg(long, global = true)]
    csv: bool,
    /// Plots this field over time, one panel a vehicle, at most six; all pages without --limit
    #[arg(long, global = true, value_name = "FIELD")]
    plot: Option<String>,
    /// Columns of the table or plot; default: the terminal's
    #[arg(long, global = true, value_name = "COLUMNS", value_parser = value_parser!(u16).range(1..))]
    width: Option<u16>,
    #[command(flatten)]
    pub(super) reach: Reach,
    /// How long the appliance may send nothing
    #[arg(long, global = true, value_name = "DURATION", default_value = "60s",
        value_parser = moment::duration)]
    pub(super) timeout: Duration,
}

/// The output form of the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// For people, within a width if it is known.
    Table { width: Option<usize> },
    /// For people.
    Plot { field: String, width: usize },
    /// For programs.
    Json,
    /// For programs.
    Csv,
}

impl Shown {
    /// Columns of a plot if no width is known.
    const PLOT_COLUMNS: usize = 80;

    /// `terminal`: the width of standard output, if it is a terminal. An error is wrong usage.
    pub(super) fn form(&self, terminal: Option<usize>) -> Result<Form, String> {
        let width = self.width.map(usize::from).or(terminal);
        match (self.json, self.csv, &self.plot) {
            (true, false, None) => Ok(Form::Json),
            (false, true, None) => Ok(Form::Csv),
            (false, false, None) => Ok(Form::Table { width }),
            (false, false, Some(field)) => {
                Ok(Form::Plot { field: field.clone(), width: width.unwrap_or(Self::PLOT_COLUMNS) })
            }
            _ => Err("--json, --csv and --plot exclude each other".to_owned()),
        }
    }
}

impl Portable {
    /// Rows of a page if every page is wanted: about 2 MB of telemetry.
    const PAGE_ROWS: usize = 10_000;

    /// The measurement.
    pub(super) fn measurement(&self) -> &str {
        // Clap guarantees that one of the two is present.
        self.named.as_deref().or(self.measurement.as_deref()).unwrap_or_default()
    }

    /// Whether every page is requested.
    pub(super) fn is_all(&self, form: &Form) -> bool {
        self.all || (matches!(form, Form::Plot { .. }) && self.limit.is_none())
    }

    /// The parameters of the request, except `after`.
    pub(super) fn parameters(&self, form: &Form, now: UnixNanos) -> Vec<(String, String)> {
        let is_all = self.is_all(form);
        let vehicles = self.vehicle.iter().map(|vehicle| ("vehicle".to_owned(), vehicle.clone()));
        let mut parameters: Vec<(String, String)> = vehicles.collect();
        parameters
            .extend(self.tag.iter().map(|(tag, value)| (format!("tag.{tag}"), value.clone())));
        let mut add = |name: &str, value: Option<String>| {
            parameters.extend(value.map(|it| (name.to_owned(), it)));
        };
        add("group-by", (!self.group_by.is_empty()).then(|| self.group_by.join(",")));
        let plotted = match form {
            Form::Plot { field, .. } => Some(field.clone()),
            _ => None,
        };
        let fields = (!self.fields.is_empty()).then(|| self.fields.join(","));
        add("fields", fields.or(plotted));
        // Pages are requested one after the other, and the range must not move meanwhile.
        let moment = |text: &Option<String>, default: &str| {
            let fixed = query::moment(text.as_deref().unwrap_or(default), now, None).ok();
            if is_all { fixed.map(|at| at.0.to_string()) } else { text.clone() }
        };
        add("from", moment(&self.from, "-1h"));
        add("to", moment(&self.to, "now"));
        add("every", self.every.clone());
        add("fn", self.function.clone());
        add("order", self.order.clone());
        let page = is_all.then_some(Self::PAGE_ROWS);
        let limit = self.limit.map(|limit| limit.to_string());
        add("limit", limit.or(page.map(|rows| rows.to_string())));
        parameters
    }

    /// Where the first page begins.
    pub(super) fn after(&self) -> Option<String> {
        self.after.clone()
    }

    /// The first given option that is only allowed with a measurement, if any.
    pub(super) fn given(&self) -> Option<&'static str> {
        let given = [
            ("a measurement", self.measurement.is_some()),
            ("--measurement", self.named.is_some()),
            ("--list", self.list),
            ("--vehicle", !self.vehicle.is_empty()),
            ("--tag", !self.tag.is_empty()),
            ("--group-by", !self.group_by.is_empty()),
            ("--fields", !self.fields.is_empty()),
            ("--from", self.from.is_some()),
            ("--to", self.to.is_some()),
            ("--every", self.every.is_some()),
            ("--fn", self.function.is_some()),
            ("--order", self.order.is_some()),
            ("--limit", self.limit.is_some()),
            ("--after", self.after.is_some()),
            ("--all", self.all),
        ];
        given.into_iter().find_map(|(name, is_given)| is_given.then_some(name))
    }
}

/// Checked here so that a wrong value is wrong usage; the appliance parses it again.
fn time(text: &str) -> Result<String, String> {
    // Any fixed time: a relative one only has to be valid.
    const NOW: UnixNanos = UnixNanos(1_800_000_000_000_000_000);
    query::moment(text, NOW, None).map(|_| text.to_owned()).map_err(|wrong| format!("it {wrong}"))
}

fn every(text: &str) -> Result<String, String> {
    query::every(text).map(|_| text.to_owned()).map_err(|wrong| format!("it {wrong}"))
}

fn tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((tag, value)) if !tag.is_empty() => Ok((tag.to_owned(), value.to_owned())),
        _ => Err("expected TAG=VALUE".to_owned()),
    }
}

fn limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| (1..=QueryRequest::LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| format!("expected a number from 1 to {}", QueryRequest::LIMIT_MAX))
}

/// `name=value`: a JSON value, else a bare string, as `--set` reads TOML.
fn param(text: &str) -> Result<(String, Json), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let bare = || Json::String(value.to_owned());
    let value = serde_json::from_str(value).unwrap_or_else(|_| bare());
    match value {
        Json::Array(_) | Json::Object(_) => Err("expected a single value".to_owned()),
        value => Ok((name.to_owned(), value)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_parameter_is_a_json_value_or_a_bare_string() {
        let check = |text: &str, name: &str, value: Json| {
            assert_eq!(param(text), Ok((name.to_owned(), value)), "{text}");
        };
        check("vin=VIN1", "vin", json!("VIN1"));
        check("n=5", "n", json!(5));
        check("n=\"5\"", "n", json!("5"));
        check("x=-0.5", "x", json!(-0.5));
        check("on=true", "on", json!(true));
        check("none=null", "none", Json::Null);
        check("empty=", "empty", json!(""));
        check("sql=a=b' OR 1=1", "sql", json!("a=b' OR 1=1"));
        assert!(param("vin").is_err() && param("list=[1]").is_err());
    }

    #[test]
    fn the_range_is_fixed_where_pages_follow_each_other() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            portable: Portable,
        }
        let check = |words: &str, form: &Form, expect: &str| {
            let words = ["x"].into_iter().chain(words.split(' '));
            let line = <Line as clap::Parser>::try_parse_from(words).expect("right usage");
            let told: Vec<String> = line
                .portable
                .parameters(form, UnixNanos(7_200_000_000_000))
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            assert_eq!(told.join("&"), expect);
        };
        let table = Form::Table { width: None };
        check("m", &table, "");
        check("m --from -1h --to now --limit 5", &table, "from=-1h&to=now&limit=5");
        check("m --all", &Form::Csv, "from=3600000000000&to=7200000000000&limit=10000");
        check("m --all --from -2h --limit 7", &table, "from=0&to=7200000000000&limit=7");
        let plot = Form::Plot { field: "v".to_owned(), width: 80 };
        check("m", &plot, "fields=v&from=3600000000000&to=7200000000000&limit=10000");
        check("m --fields a,b --limit 7", &plot, "fields=a,b&limit=7");
        check(
            "m --vehicle A --vehicle B --every 1m --fn mean --order desc",
            &table,
            "vehicle=A&vehicle=B&every=1m&fn=mean&order=desc",
        );
    }
}
