//! The arguments.

use std::time::Duration;

use clap::value_parser;

use crate::cli::moment;

/// Runs the appliance with a simulated fleet and live queries: nothing to install
///
/// Runs `serve` on the embedded store in a temporary folder, on free ports, and lets simulated
/// vehicles publish to it over MQTT, half of them in protobuf and half in Avro. Each first sends
/// what it recorded before it had a connection. The demo prints the addresses first; then a
/// terminal shows a board with the answers of three queries, and a pipe gets a line every few
/// seconds. Vehicles obey the commands `identify` and `limit-charge`; the demo prints an example,
/// and a push by query tells vehicles that charge at over 25 degrees to stop at 60 %. Ctrl-C, or
/// the end of --duration, stops the fleet, waits until everything is stored, removes the folder and
/// exits with 0; a second Ctrl-C stops at once.
///
/// --set overrides the demo's own keys, and a data-dir set by you is kept at the end; --config is
/// refused. The log (from `warn` on) goes to `demo.log` in the temporary folder, and is shown at
/// the end.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  fleetline demo
  fleetline demo --vehicles 500 --rate 2
  fleetline demo --duration 30s --json
  fleetline demo --set http.listen=127.0.0.1:8080 --set data-dir=./demo-data")]
pub(in crate::cli) struct Arguments {
    /// How many vehicles, each with its own connection
    #[arg(long, default_value_t = 50, value_parser = value_parser!(u32).range(1..=VEHICLES_MAX))]
    pub(super) vehicles: u32,
    /// Messages a second of each vehicle
    #[arg(long, default_value = "1", value_parser = rate)]
    pub(super) rate: f64,
    /// How long vehicles drive, such as "30s"; without it, until Ctrl-C
    #[arg(long, value_parser = moment::duration)]
    pub(super) duration: Option<Duration>,
    /// How long each vehicle drove before it connects; it sends this history first
    #[arg(long, default_value = "10m", value_parser = history)]
    pub(super) history: Duration,
    /// Vehicles do not subscribe to their commands, and nothing is pushed
    #[arg(long)]
    pub(super) no_commands: bool,
    /// Prints one JSON object a line instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Vehicles and appliance share a process, its descriptors and its processors.
const VEHICLES_MAX: i64 = 5_000;
const RATE_MAX: f64 = 100.0;
/// A day of one vehicle is 86,400 messages.
const HISTORY_MAX: Duration = Duration::from_hours(24);

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.1..=RATE_MAX).contains(&rate) => Ok(rate),
        _ => Err(format!("expected messages a second from 0.1 to {RATE_MAX}")),
    }
}

fn history(text: &str) -> Result<Duration, String> {
    match moment::duration(text)? {
        history if history <= HISTORY_MAX => Ok(history),
        _ => Err(format!("expected at most {} hours", HISTORY_MAX.as_secs() / 3600)),
    }
}

impl Arguments {
    /// Time between two messages of a vehicle.
    pub(super) fn step(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.rate)
    }

    /// Messages of each vehicle that are older than the demo.
    pub(super) fn backlog(&self) -> u64 {
        let messages = self.history.as_nanos() / self.step().as_nanos().max(1);
        u64::try_from(messages).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn the_history_is_as_many_messages_as_the_rate_makes_of_it() {
        let check = |line: &str, backlog: u64| {
            let line = format!("demo {line}");
            let parsed = Line::try_parse_from(line.split_whitespace()).expect("a right line");
            assert_eq!(parsed.arguments.backlog(), backlog, "{line}");
        };
        check("", 600);
        check("--rate 2 --history 1m", 120);
        check("--rate 0.1 --history 1m", 6);
        check("--history 0s", 0);
    }

    #[test]
    fn values_out_of_bounds_are_refused() {
        for wrong in [
            "--vehicles 0",
            "--vehicles 5001",
            "--rate 0",
            "--rate max",
            "--duration soon",
            "--history 25h",
            "--history -1m",
        ] {
            let line = format!("demo {wrong}");
            assert!(Line::try_parse_from(line.split_whitespace()).is_err(), "{wrong}");
        }
    }
}
