//! The arguments.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use crate::{
    cli::moment,
    env::disk::Disk,
    mapping::LoadErrors,
    simulator::{
        AudienceOptions, Files, FleetOptions, Format, Layers, LoadOptions, Logins, Pace,
        PlanOptions, PlanSource, Qos, RecordingOptions, Repertoire, TlsOptions, VerifyOptions,
        Version,
    },
};

/// A fleet of vehicles that drive, charge and stop, for load tests and demos.
///
/// Vehicles connect, publish telemetry at a fixed rate or as fast as their window allows, and
/// reconnect after a lost connection. The report counts acknowledged messages.
#[derive(Clone, Debug, clap::Args)]
#[command(
    // `--version` says which MQTT.
    disable_version_flag = true,
    after_help = "Examples:
  fleetline simulate --vehicles 1000 --rate 1 --duration 1m
  fleetline simulate --vehicles 100 --rate max --window 32 --duration 30s --format avro --json
  fleetline simulate --vehicles 10 --rate max --subscribers 100 --duration 10s
  fleetline simulate --target wss://fleet.example/mqtt --ca ca.pem --users passwords
  fleetline simulate --target mqtts://fleet.example --ca ca.pem --cert {vin}.pem
  fleetline simulate --replay drives/ --columns Temperature=ambient_temp \\
      --verify http://127.0.0.1:8080"
)]
pub(in crate::cli) struct Arguments {
    /// How many vehicles, each with its own connection.
    #[arg(long, default_value_t = 100, value_parser = parse_count)]
    pub(super) vehicles: usize,
    /// Messages a second of each vehicle; "max": as fast as the window allows; 0: connect only.
    #[arg(long, default_value = "1", value_parser = parse_rate)]
    pub(super) rate: Pace,
    /// How long messages are published, such as "30s" or "5m"; a replay ends by itself.
    #[arg(long, value_parser = moment::duration)]
    pub(super) duration: Option<Duration>,
    /// How payloads are encoded.
    #[arg(long, value_enum, default_value_t = Format::Protobuf)]
    pub(super) format: Format,
    /// Quality of service of every message.
    #[arg(long, default_value = "1", value_parser = parse_qos)]
    pub(super) qos: Qos,
    /// The server: `mqtt://host:port`, `mqtts://` (TLS), `ws://` or `wss://` (WebSocket, with a
    /// path, by default /mqtt), with `user:password@` before the host if a login is needed.
    #[arg(long, default_value = "mqtt://127.0.0.1:1883", value_name = "URL")]
    pub(super) target: String,
    /// The CA of the server's certificate, in PEM; by default those of the machine.
    #[arg(long, value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,
    /// The client certificate in PEM; with "{vin}" in its name each vehicle has its own file.
    #[arg(long, value_name = "FILE")]
    pub(super) cert: Option<String>,
    /// The key of that certificate, in PEM; by default it is in the same file.
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(super) key: Option<String>,
    /// A file with a line NAME:PASSWORD for each vehicle, so that each has its own login. Vehicles
    /// are named FLSIM000000000001 and so on; a password may be a token; subscribers use the login
    /// in `--target`.
    #[arg(long, value_name = "FILE")]
    pub(super) users: Option<PathBuf>,
    /// MQTT version: 3.1.1 or 5.
    #[arg(long, default_value = "3.1.1", value_parser = parse_version)]
    pub(super) version: Version,
    /// Messages of one vehicle that may be unacknowledged.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) window: u16,
    /// How many clients subscribe to the vehicles' topics, each with its own connection.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub(super) subscribers: u32,
    /// Their topic filter; "{vin}" is a vehicle, another one for each subscriber. Default: the
    /// topics of all vehicles.
    #[arg(long, value_name = "FILTER", requires = "subscribers")]
    pub(super) filter: Option<String>,
    /// Makes it a shared subscription of this name, so that each message goes to one subscriber.
    #[arg(long, value_name = "NAME", requires = "subscribers", value_parser = parse_share)]
    pub(super) shared: Option<String>,
    /// The approximate payload size; by default what the readings take.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(16..=60_000))]
    pub(super) size: Option<u32>,
    /// New connections a second.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) connect_rate: u32,
    /// Seconds of the MQTT keep alive; 0 turns it off.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub(super) keep_alive: u16,
    /// How long to wait for the last acknowledgements.
    #[arg(long, default_value = "10s", value_parser = moment::duration)]
    pub(super) drain: Duration,
    /// Publishes the recorded drives of a folder: CSV files with a header, one a vehicle.
    #[arg(long, value_name = "DIR")]
    pub(super) replay: Option<PathBuf>,
    /// Maps columns of a recording to fields, such as "Temperature=ambient_temp,…".
    #[arg(long, value_delimiter = ',', value_parser = parse_pair, requires = "replay")]
    pub(super) columns: Vec<(String, String)>,
    /// The time zone of a recording's clock times.
    #[arg(long, default_value = "UTC", requires = "replay")]
    pub(super) timezone: String,
    /// Replays at this multiple of the recorded pace; by default as fast as the window allows.
    #[arg(long, value_parser = parse_factor, requires = "replay")]
    pub(super) speed: Option<f64>,
    /// Vehicles do not subscribe to their commands. By default they obey `identify` and, in a fleet
    /// of up to 1000 that sends up to 2000 messages a second, `limit-charge`; they reject all other
    /// declared commands with the reason.
    #[arg(long)]
    pub(super) no_commands: bool,
    /// The folder of schemas and mappings; by default those that ship with the program.
    #[arg(long, value_name = "DIR")]
    pub(super) schemas: Option<PathBuf>,
    /// The mapping to encode for; by default the first of the format for telemetry.
    #[arg(long, value_name = "NAME")]
    pub(super) mapping: Option<String>,
    /// The topic, with "{vin}" for the vehicle; by default the mapping's.
    #[arg(long)]
    pub(super) topic: Option<String>,
    /// The number of the first vehicle, so that several sources can share a fleet.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub(super) first_vehicle: usize,
    /// The random seed of how vehicles drive.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Writes a new file with a line "vehicle,number,time" for each acknowledged message.
    #[arg(long, value_name = "FILE")]
    pub(super) ack_log: Option<PathBuf>,
    /// Checks with the appliance at this address that every acknowledged message is stored: by its
    /// counters, and by a count in its store.
    #[arg(long, value_name = "URL")]
    pub(super) verify: Option<String>,
    /// Takes that count from the store directly: http://host:8086/?db=telemetry for InfluxDB 1,
    /// http://host:8086/?org=fleet&bucket=telemetry for InfluxDB 2.
    #[arg(long, value_name = "URL")]
    pub(super) verify_store: Option<String>,
    /// The file that holds the store's token.
    #[arg(long, value_name = "FILE", requires = "verify_store")]
    pub(super) verify_token_file: Option<PathBuf>,
    /// How long verification waits until the appliance has stored everything.
    #[arg(long, default_value = "30s", value_parser = moment::duration)]
    pub(super) verify_wait: Duration,
    /// Prints the report as one JSON object.
    #[arg(long)]
    pub(super) json: bool,
}

/// The additional time for a fleet to connect, over the time from the connect rate.
const CONNECT_MAX: Duration = Duration::from_secs(15);

impl Arguments {
    /// The files that declare schemas, mappings and commands.
    fn files(&self, disk: &Arc<dyn Disk>) -> Files {
        match &self.schemas {
            Some(dir) => Files::Folder { disk: Arc::clone(disk), dir: dir.clone() },
            None => Files::Shipped,
        }
    }

    /// What vehicles do with commands.
    pub(super) fn commands(
        &self,
        disk: &Arc<dyn Disk>,
    ) -> Result<Option<Arc<Repertoire>>, LoadErrors> {
        match self.no_commands {
            true => Ok(None),
            false => Repertoire::load(&self.files(disk)).map(|all| Some(Arc::new(all))),
        }
    }

    /// What to publish.
    pub(super) fn plan(&self, disk: &Arc<dyn Disk>) -> PlanOptions {
        let files = self.files(disk);
        let source = match &self.replay {
            Some(dir) => PlanSource::Recording(RecordingOptions {
                dir: dir.clone(),
                columns: self.columns.clone(),
                timezone: self.timezone.clone(),
            }),
            None => PlanSource::Fleet(FleetOptions {
                vehicles: self.vehicles,
                first: self.first_vehicle,
                seed: self.seed,
                step: match self.rate {
                    Pace::Rate(rate) if rate > 0.0 => Duration::from_secs_f64(1.0 / rate),
                    Pace::Rate(_) | Pace::Recorded { .. } => Duration::from_secs(1),
                    Pace::Window => Duration::ZERO,
                },
                size: self.size.and_then(|size| usize::try_from(size).ok()),
                window: usize::from(self.window),
            }),
        };
        let (mapping, topic) = (self.mapping.clone(), self.topic.clone());
        PlanOptions { files, format: self.format, mapping, topic, source }
    }

    /// How to publish it.
    pub(super) fn load(
        &self,
        target: SocketAddr,
        logins: Logins,
        layers: Layers,
        topics: &str,
        commands: Option<Arc<Repertoire>>,
    ) -> LoadOptions {
        let audience = AudienceOptions {
            subscribers: usize::try_from(self.subscribers).unwrap_or(usize::MAX),
            filter: self.filter.clone().unwrap_or_else(|| topics.to_owned()),
            shared: self.shared.clone(),
        };
        LoadOptions {
            target,
            version: self.version,
            qos: self.qos,
            window: usize::from(self.window),
            pace: match (&self.replay, self.speed) {
                (Some(_), Some(speed)) => Pace::Recorded { speed },
                (Some(_), None) => Pace::Window,
                (None, _) => self.rate,
            },
            duration: self.duration,
            connect_rate: f64::from(self.connect_rate),
            connect_max: CONNECT_MAX,
            drain_max: self.drain,
            keep_alive_secs: self.keep_alive,
            logins,
            layers,
            seed: self.seed,
            backlog: 0,
            audience: (audience.subscribers > 0).then_some(audience),
            commands,
        }
    }

    /// The TLS files.
    pub(super) fn tls(&self) -> TlsOptions {
        let Self { ca, cert: certificate, key, .. } = self.clone();
        TlsOptions { ca, certificate, key }
    }

    /// Where to verify that messages are stored.
    pub(super) fn verify(&self) -> VerifyOptions {
        VerifyOptions {
            appliance: self.verify.clone(),
            store: self.verify_store.clone(),
            token_file: self.verify_token_file.clone(),
            wait: self.verify_wait,
        }
    }
}

/// A million connections need 500 source addresses and 16 GiB; a higher number is a typing error.
const VEHICLES_MAX: usize = 1_000_000;

fn parse_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=VEHICLES_MAX) => Ok(count),
        _ => Err(format!("expected a number from 1 to {VEHICLES_MAX}")),
    }
}

fn parse_rate(text: &str) -> Result<Pace, String> {
    if text == "max" {
        return Ok(Pace::Window);
    }
    match text.parse::<f64>() {
        Ok(rate) if (0.0..=1e6).contains(&rate) => Ok(Pace::Rate(rate)),
        _ => Err("expected messages a second from 0 to 1000000, or \"max\"".to_owned()),
    }
}

fn parse_factor(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if factor > 0.0 && factor <= 1e6 => Ok(factor),
        _ => Err("expected a number above 0 and up to 1000000".to_owned()),
    }
}

fn parse_qos(text: &str) -> Result<Qos, String> {
    match text {
        "0" => Ok(Qos::AtMostOnce),
        "1" => Ok(Qos::AtLeastOnce),
        "2" => Ok(Qos::ExactlyOnce),
        _ => Err("expected 0, 1 or 2".to_owned()),
    }
}

fn parse_share(text: &str) -> Result<String, String> {
    match text.is_empty() || text.contains(['/', '+', '#']) {
        true => Err("expected a name without /, + and #".to_owned()),
        false => Ok(text.to_owned()),
    }
}

fn parse_version(text: &str) -> Result<Version, String> {
    match text {
        "3.1.1" | "4" => Ok(Version::V3),
        "5" | "5.0" => Ok(Version::V5),
        _ => Err("expected 3.1.1 or 5".to_owned()),
    }
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((column, field)) if !column.is_empty() && !field.is_empty() => {
            Ok((column.trim().to_owned(), field.trim().to_owned()))
        }
        _ => Err("expected COLUMN=FIELD".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Arguments,
    }

    #[test]
    fn a_full_command_line_is_understood() {
        let line = "simulate --vehicles 15000 --rate 6 --duration 90s --format json --qos 2 \
                    --target mqtt://127.0.0.1:1 --version 5 --window 4 --connect-rate 500 \
                    --replay d --columns A=b,C=d.e --seed 9 --json";
        let args = Line::try_parse_from(line.split_whitespace()).unwrap().args;
        assert_eq!((args.vehicles, args.rate), (15_000, Pace::Rate(6.0)));
        assert_eq!(args.duration, Some(Duration::from_secs(90)));
        assert_eq!((args.qos, args.version), (Qos::ExactlyOnce, Version::V5));
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(args.columns, [pair("A", "b"), pair("C", "d.e")]);
    }

    #[test]
    fn values_out_of_bounds_are_refused() {
        for wrong in [
            "--vehicles 0",
            "--rate -1",
            "--rate fast",
            "--duration soon",
            "--qos 3",
            "--version 3.1",
            "--window 0",
            "--size 5",
            "--columns a=b",
            "--replay d --columns a",
            "--replay d --speed 0",
            "--filter a/#",
            "--shared g",
            "--subscribers 1 --shared g/h",
            "--subscribers -1",
            "--key k.pem",
        ] {
            let line = format!("simulate {wrong}");
            assert!(Line::try_parse_from(line.split_whitespace()).is_err(), "{wrong}");
        }
    }
}
