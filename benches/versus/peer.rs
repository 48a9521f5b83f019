//! Mosquitto and Telegraf, configured to lose nothing at the load that they are given.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use tempfile::TempDir;

use super::rig::{
    Outcome, fault,
    process::{Process, free_port, wait_for_port},
    server,
    table::line,
};

const VERSION: &str = "v1.37.2";
const TAGS: &str = "custom,inputs.mqtt_consumer,outputs.influxdb_v2,parsers.xpath,\
                    parsers.xpath.protobuf,serializers.influx";

/// The two processes of the chain.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) mqtt_port: u16,
    telegraf: Process,
    mosquitto: Process,
    _folder: TempDir,
}

/// The Telegraf binary, built on its first use.
pub(crate) fn telegraf() -> Outcome<PathBuf> {
    let folder = cache()?.join(format!("telegraf-{}", &VERSION[1..]));
    let binary = folder.join("telegraf");
    if binary.try_exists()? {
        return Ok(binary);
    }
    line(&format!("building telegraf {VERSION}, once; one to three minutes"));
    fs::create_dir_all(&folder)?;
    let module = format!(
        "module fleetline-tests/telegraf\n\ngo 1.24\n\n\
         require github.com/influxdata/telegraf {VERSION}\n"
    );
    fs::write(folder.join("go.mod"), module)?;
    let import = "import _ \"github.com/influxdata/telegraf/cmd/telegraf\"";
    fs::write(folder.join("tools.go"), format!("//go:build tools\n\npackage tools\n\n{import}\n"))?;
    let built = Command::new("go")
        .args(["build", "-o", "telegraf.new", "-tags", TAGS])
        .arg("github.com/influxdata/telegraf/cmd/telegraf")
        .env("GOFLAGS", "-mod=mod")
        .current_dir(&folder)
        .status()
        .map_err(|error| format!("cannot run go: {error}"))?;
    if !built.success() {
        return Err(fault("telegraf could not be built"));
    }
    fs::rename(folder.join("telegraf.new"), &binary)?;
    Ok(binary)
}

fn cache() -> Outcome<PathBuf> {
    let given = std::env::var_os("FLEETLINE_TEST_CACHE").map(PathBuf::from);
    let usual = || {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
        Some(cache.or_else(home)?.join("fleetline-tests"))
    };
    given.or_else(usual).ok_or_else(|| fault("neither XDG_CACHE_HOME nor HOME is set"))
}

impl Peer {
    /// Starts both; returns when Telegraf has subscribed.
    pub(crate) fn start(telegraf: &Path, store_port: u16) -> Outcome<Self> {
        let folder = server::folder()?;
        let mqtt_port = free_port()?;
        let (broker, agent) = (folder.path().join("mosquitto.conf"), folder.path().join("t.conf"));
        fs::write(&broker, mosquitto_config(mqtt_port))?;
        fs::write(&agent, telegraf_config(mqtt_port, store_port))?;
        let mosquitto = Process::start(
            Command::new(mosquitto_binary()?)
                .arg("-c")
                .arg(&broker)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        )?;
        wait_for_port(mqtt_port, Duration::from_secs(10))?;
        let mut telegraf = Process::start(
            Command::new(telegraf)
                .arg("--config")
                .arg(&agent)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped()),
        )?;
        wait_for_subscription(&mut telegraf)?;
        Ok(Self { mqtt_port, telegraf, mosquitto, _folder: folder })
    }

    /// Mosquitto's, then Telegraf's.
    pub(crate) fn ids(&self) -> Vec<u32> {
        vec![self.mosquitto.id(), self.telegraf.id()]
    }
}

/// Reads Telegraf's log until it has connected, and goes on reading so that it never blocks.
fn wait_for_subscription(telegraf: &mut Process) -> Outcome {
    let pipe = telegraf.child.stderr.take().ok_or_else(|| fault("no pipe was asked for"))?;
    let (said, heard) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            // Nobody listens any more once it has connected.
            drop(said.send(line));
        }
    });
    let mut lines = Vec::new();
    loop {
        match heard.recv_timeout(Duration::from_secs(30)) {
            Ok(line) if line.contains("Connected [tcp://") => return Ok(()),
            Ok(line) => lines.push(line),
            Err(_) => return Err(fault(format!("telegraf did not connect: {lines:#?}"))),
        }
    }
}

fn mosquitto_binary() -> Outcome<PathBuf> {
    let places = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"];
    let found = places.iter().map(PathBuf::from).find(|path| path.is_file());
    found.ok_or_else(|| fault("mosquitto is not installed (Debian: apt-get install mosquitto)"))
}

/// Queues without bounds, because bounded ones drop; no disk.
fn mosquitto_config(port: u16) -> String {
    format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type error\n\
         max_queued_messages 0\nmax_inflight_messages 1000\nset_tcp_nodelay true\n"
    )
}

/// One measurement, every field of the flat message a field; the vehicle is in the tag `topic`,
/// which costs less than to cut it out.
fn telegraf_config(mqtt_port: u16, store_port: u16) -> String {
    let schemas = server::schemas();
    format!(
        r#"
[agent]
  interval = "1s"
  flush_interval = "1s"
  metric_batch_size = 5000
  metric_buffer_limit = 1000000
  omit_hostname = true

[[inputs.mqtt_consumer]]
  servers = ["tcp://127.0.0.1:{mqtt_port}"]
  topics = ["vehicles/+/telemetry"]
  qos = 1
  client_id = "telegraf"
  persistent_session = true
  max_undelivered_messages = 20000
  data_format = "xpath_protobuf"
  xpath_protobuf_files = ["telemetry.proto"]
  xpath_protobuf_import_paths = [{schemas:?}]
  xpath_protobuf_type = "bench.v1.Telemetry"
  [[inputs.mqtt_consumer.xpath]]
    metric_name = "'telemetry'"
    timestamp = "//sampled_at"
    timestamp_format = "unix_ms"
    field_selection = "child::*"

[[outputs.influxdb_v2]]
  urls = ["http://127.0.0.1:{store_port}"]
  token = "bench"
  organization = "fleet"
  bucket = "telemetry"
  content_encoding = "identity"
"#
    )
}
