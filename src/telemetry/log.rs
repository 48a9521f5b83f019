//! The log: set up once, to standard error or a file, so that standard output contains only a
//! command's result.

use std::{
    error::Error,
    fmt::{self, Write as _},
    fs::OpenOptions,
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter, util::SubscriberInitExt as _};

/// How the log is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// A filter as `tracing` reads it: a level, or `info,fleetline::sink=debug`.
    pub filter: String,
    /// The shape of a line.
    pub format: LogFormat,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text }
    }
}

/// The shape of a line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; coloured on a terminal only.
    Text,
    /// One JSON object a line.
    Json,
}

/// The log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A word is not a level; the operator corrects `telemetry.log`.
    #[error("`{word}` is no level; {}", match near {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("levels are {}", LEVELS.join(", ")),
    })]
    Level {
        /// As written.
        word: String,
        /// The most similar level.
        near: Option<&'static str>,
    },
    /// The filter has an error; the operator corrects `telemetry.log`.
    #[error("the log filter `{filter}` cannot be read")]
    Filter {
        /// As written.
        filter: String,
        /// Where the error is.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// The file cannot be made; it must not exist yet.
    #[error("cannot make the log file {}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// A log has been set up in this process already.
    #[error("the log is set up already")]
    Installed {
        /// The library's error.
        #[source]
        source: tracing_subscriber::util::TryInitError,
    },
}

/// Checks a filter without installing anything.
pub fn check_filter(filter: &str) -> Result<(), LogError> {
    parse_filter(filter).map(drop)
}

/// Sends the log of this process, including that of libraries, to standard error.
pub fn start(options: &LogOptions) -> Result<(), LogError> {
    install(options, io::stderr, io::stderr().is_terminal())
}

/// Sends the log of this process to a new file, for a command that needs its terminal for itself.
pub fn start_in(path: &Path, options: &LogOptions) -> Result<(), LogError> {
    let made = OpenOptions::new().append(true).create_new(true).open(path);
    let file = made.map_err(|source| LogError::File { path: path.to_owned(), source })?;
    install(options, Arc::new(file), false)
}

fn install<W>(options: &LogOptions, writer: W, ansi: bool) -> Result<(), LogError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = parse_filter(&options.filter)?;
    let builder =
        tracing_subscriber::fmt().with_writer(writer).with_ansi(ansi).with_env_filter(filter);
    match options.format {
        LogFormat::Text => builder.finish().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    }
    .map_err(|source| LogError::Installed { source })
}

/// The server library's log lines about its own threads are of no use to an operator. Errors of the
/// certificate verifier are logged by us with the state of the store, and not per attempt. A filter
/// that names these targets itself takes precedence.
const QUIET: &str =
    "ntex_server=warn,ntex_rt=warn,ntex_net=warn,ntex_io=warn,rustls_platform_verifier=off";

fn parse_filter(filter: &str) -> Result<EnvFilter, LogError> {
    for directive in filter.split(',') {
        check_level(directive)?;
    }
    // A target without a level in the filter is logged at the default level, so that no log is
    // empty by mistake.
    let usual = LogOptions::default().filter;
    EnvFilter::builder()
        .parse(format!("{usual},{QUIET},{filter}"))
        .map_err(|source| LogError::Filter { filter: filter.to_owned(), source })
}

/// Refuses words that the library would accept as a target and then log nothing: a word alone must
/// be a level, and so must the text after `=`. Spans and fields are left to the library.
fn check_level(directive: &str) -> Result<(), LogError> {
    if directive.contains(['[', ']', '{', '}']) {
        return Ok(());
    }
    let word = directive.rsplit_once('=').map_or(directive, |(_, level)| level).trim();
    let is_level = LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    if is_level {
        return Ok(());
    }
    let lower = word.to_ascii_lowercase();
    let near = LEVELS.iter().find(|level| {
        let begins_alike = lower.starts_with(**level) || level.starts_with(&lower);
        !lower.is_empty() && (begins_alike || strsim::damerau_levenshtein(level, &lower) <= 1)
    });
    Err(LogError::Level { word: word.to_owned(), near: near.copied() })
}

/// The names of the levels.
const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace", "off"];

/// An error with its sources on one line: `opening the spool: reading the header: not found`.
///
/// Our errors never print their source, so nothing is printed twice; a library's error that prints
/// its source is still printed once.
#[derive(Debug)]
pub struct Chain<'a>(pub &'a (dyn Error + 'a));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = self.0.to_string();
        let mut source = self.0.source();
        while let Some(error) = source {
            let text = error.to_string();
            if !told.ends_with(&text) {
                write!(told, ": {text}")?;
            }
            source = error.source();
        }
        f.write_str(&told)
    }
}

/// Lets one line through per interval and counts the rest.
///
/// Owned by code that logs per message (a worker, a lane). Time is an argument, so that tests
/// control it.
#[derive(Debug)]
pub struct LogLimit {
    every: Duration,
    last: Option<Duration>,
    suppressed: u64,
}

impl LogLimit {
    /// At most one line in `every`.
    #[must_use]
    pub const fn new(every: Duration) -> Self {
        Self { every, last: None, suppressed: 0 }
    }

    /// Whether to log now (monotonic time); `Some` has the number of lines suppressed since the
    /// last one.
    pub fn admit(&mut self, now: Duration) -> Option<u64> {
        if self.last.is_some_and(|last| now.saturating_sub(last) < self.every) {
            self.suppressed += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("opening the spool")]
    struct Outer(#[source] Middle);

    #[derive(Debug, thiserror::Error)]
    #[error("reading the header: {0}")]
    struct Middle(#[source] io::Error);

    #[test]
    fn a_chain_tells_every_source_once_even_where_a_library_repeats_it() {
        let error = Outer(Middle(io::Error::other("short read")));
        assert_eq!(Chain(&error).to_string(), "opening the spool: reading the header: short read");
    }

    #[test]
    fn a_limit_lets_one_through_and_tells_how_many_it_held_back() {
        let mut limit = LogLimit::new(Duration::from_secs(10));
        assert_eq!(limit.admit(Duration::from_secs(0)), Some(0));
        assert_eq!(limit.admit(Duration::from_secs(1)), None);
        assert_eq!(limit.admit(Duration::from_secs(9)), None);
        assert_eq!(limit.admit(Duration::from_secs(10)), Some(2));
        assert_eq!(limit.admit(Duration::from_secs(20)), Some(0));
    }

    #[test]
    fn a_filter_with_a_fault_is_refused_before_anything_is_installed() {
        for good in ["info", "WARN", "info,fleetline::sink=debug", "off", "warn,fleetline[x]=debug"]
        {
            assert!(check_filter(good).is_ok(), "{good}");
        }
        let told = |filter: &str| check_filter(filter).expect_err("it is wrong").to_string();
        // The first is the case `o04-log-level-that-is-none`.
        assert_eq!(told("warning"), "`warning` is no level; did you mean \"warn\"?");
        assert_eq!(told("info,fleetline=err"), "`err` is no level; did you mean \"error\"?");
        let levels = "levels are error, warn, info, debug, trace, off";
        for (filter, word) in
            [("fleetline=loud", "loud"), ("", ""), ("info,", ""), ("hyper", "hyper")]
        {
            assert_eq!(told(filter), format!("`{word}` is no level; {levels}"));
        }
    }
}
