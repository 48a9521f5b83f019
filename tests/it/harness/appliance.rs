//! The real binary as a process: started with options, killed, started again on the same data.

use std::{
    fs::{self, OpenOptions},
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use super::{Authority, http, sample_schemas, until, until_some};

/// The settings with which an appliance is started, in its own temporary folder.
#[derive(Debug)]
pub(crate) struct Setup {
    home: TempDir,
    data: PathBuf,
    settings: Vec<(String, String)>,
    variables: Vec<(String, String)>,
}

impl Setup {
    /// Free ports, the sample schema, and no store yet.
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("schemas")).unwrap();
        let data = home.path().join("data");
        let (settings, variables) = (Vec::new(), Vec::new());
        let mut setup = Self { home, data: data.clone(), settings, variables };
        for (name, text) in sample_schemas() {
            setup = setup.schema(name, text);
        }
        setup
            .set("mqtt.listen", r#"["127.0.0.1:0"]"#)
            .set("http.listen", "127.0.0.1:0")
            .set("spool.segment-size", "1MiB")
            .set("data-dir", data.to_str().unwrap())
            .set("schemas.dir", "schemas")
    }

    /// Sets a configuration key; the last one counts.
    pub(crate) fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.retain(|(known, _)| known != key);
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Sets a variable of the environment.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds or replaces a schema or mapping file.
    pub(crate) fn schema(self, name: &str, text: &str) -> Self {
        fs::write(self.home.path().join("schemas").join(name), text).unwrap();
        self
    }

    /// Ships to an InfluxDB 2 (or a stand-in).
    pub(crate) fn store2(self, url: &str, token: &str) -> Self {
        self.set("store.kind", "influxdb2")
            .set("store.urls", &format!("[\"{url}\"]"))
            .set("store.org", "fleet")
            .set("store.bucket", "telemetry")
            .set("store.token", token)
    }

    /// Ships to an InfluxDB 1 (or a stand-in).
    pub(crate) fn store1(self, url: &str) -> Self {
        self.set("store.kind", "influxdb1")
            .set("store.urls", &format!("[\"{url}\"]"))
            .set("store.database", "telemetry")
    }

    /// Ships to a stand-in for TDengine.
    pub(crate) fn tdengine(self, url: &str) -> Self {
        self.set("store.kind", "tdengine")
            .set("store.urls", &format!("[\"{url}\"]"))
            .set("store.database", "fleet")
            .set("store.username", "root")
            .set("store.password", "taosdata")
            .set("store.create", "true")
    }

    /// Also listens with TLS, with a certificate that is created in its folder.
    pub(crate) fn tls(self, authority: &Authority) -> Self {
        let server = authority.certify("server", 1, (2020, 2090));
        let (certificate, key) = server.write(self.home(), "server");
        self.set("mqtt.listen", r#"["127.0.0.1:0", "mqtts://127.0.0.1:0"]"#)
            .set("mqtt.tls.certificate", certificate.to_str().unwrap())
            .set("mqtt.tls.key", key.to_str().unwrap())
    }

    /// Asks clients for certificates of authorities, `optional` or `required`.
    pub(crate) fn client_certificates(self, how: &str, authorities: &[&Authority]) -> Self {
        let all: String = authorities.iter().map(|authority| authority.pem()).collect();
        fs::write(self.home().join("ca.pem"), all).unwrap();
        self.set("mqtt.tls.client-certificate", how).set("mqtt.tls.client-ca", "ca.pem")
    }

    /// Keeps the data directory elsewhere.
    pub(crate) fn data_dir(mut self, path: &Path) -> Self {
        self.data = path.to_owned();
        self.set("data-dir", path.to_str().unwrap())
    }

    /// A command of the binary with these settings, to which arguments can be added.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleetline"));
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("FLEETLINE_")) {
                command.env_remove(name);
            }
        }
        command.current_dir(self.home.path()).args(arguments).stdin(Stdio::null());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        for (key, value) in &self.settings {
            command.arg("--set").arg(format!("{key}={value}"));
        }
        command
    }

    /// The working directory, with the schemas in `schemas`.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Where the appliance keeps its data.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    fn log(&self) -> PathBuf {
        self.home.path().join("serve.log")
    }

    /// Starts it and waits for its ready line.
    pub(crate) fn start(self) -> Appliance {
        let running = Running::spawn(&self);
        Appliance { setup: self, running: Some(running) }
    }
}

#[derive(Debug)]
struct Running {
    child: Child,
    mqtt: SocketAddr,
    http: SocketAddr,
    said: Arc<Mutex<Vec<String>>>,
}

impl Running {
    fn spawn(setup: &Setup) -> Self {
        let log = OpenOptions::new().create(true).append(true).open(setup.log()).unwrap();
        let mut child =
            setup.command(&["serve"]).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let (ready, is_ready) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let heard = Arc::clone(&said);
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                heard.lock().unwrap().push(line.clone());
                // Output after the first line is discarded.
                drop(ready.send(line));
            }
        });
        let Ok(line) = is_ready.recv_timeout(Duration::from_mins(1)) else {
            // It may hang or have ended; its log shows which.
            drop(child.kill());
            let status = child.wait();
            panic!("not ready within a minute ({status:?}); its log:\n{}", tail(&setup.log()));
        };
        let address = |name: &str| {
            let all = line.split(' ').find_map(|word| word.strip_prefix(name)).unwrap();
            all.split(',').next().unwrap().parse().unwrap()
        };
        assert!(line.starts_with("fleetline ready "), "an odd ready line: {line}");
        Self { child, mqtt: address("mqtt="), http: address("http="), said }
    }
}

/// A running appliance, or one that has been stopped and can be started again.
#[derive(Debug)]
pub(crate) struct Appliance {
    setup: Setup,
    running: Option<Running>,
}

impl Appliance {
    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// Where vehicles connect.
    pub(crate) fn mqtt(&self) -> SocketAddr {
        self.running().mqtt
    }

    /// The first listener of a kind, such as `mqtts`.
    pub(crate) fn listener(&self, kind: &str) -> SocketAddr {
        let said = self.running().said.lock().unwrap();
        let mut words = said[0].split(' ').filter_map(|word| word.split_once('='));
        let (_, all) = words.find(|(name, _)| *name == kind).unwrap();
        all.split(',').next().unwrap().parse().unwrap()
    }

    /// The root of the HTTP API.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.running().http)
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.running().child.id()
    }

    /// How it was started.
    pub(crate) fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The folder of a shard's spool.
    pub(crate) fn spool(&self, shard: u16) -> PathBuf {
        self.setup.data.join("spool").join(shard.to_string())
    }

    /// The newest segment of a shard's spool.
    pub(crate) fn segment(&self, shard: u16) -> PathBuf {
        newest_segment(&self.spool(shard))
    }

    /// The newest segment of the session journal.
    pub(crate) fn journal(&self) -> PathBuf {
        newest_segment(&self.setup.data.join("sessions"))
    }

    /// Its log so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.setup.log()).unwrap()
    }

    /// Kills it.
    pub(crate) fn kill_9(&mut self) {
        let mut running = self.running.take().unwrap();
        running.child.kill().unwrap();
        running.child.wait().unwrap();
    }

    /// Sends a signal by its name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Sends SIGTERM and waits for its end; returns its exit status and output.
    pub(crate) fn terminate(&mut self, limit: Duration) -> (ExitStatus, Vec<String>) {
        self.signal("TERM");
        let mut running = self.running.take().unwrap();
        let status =
            until_some("the end after SIGTERM", limit, || running.child.try_wait().unwrap());
        let said = running.said.lock().unwrap().clone();
        (status, said)
    }

    /// Sets a configuration key for its next start.
    pub(crate) fn set(&mut self, key: &str, value: &str) {
        self.setup.settings.retain(|(known, _)| known != key);
        self.setup.settings.push((key.to_owned(), value.to_owned()));
    }

    /// Starts it again on the same data, on new ports.
    pub(crate) fn start_again(&mut self) {
        assert!(self.running.is_none(), "it still runs");
        self.running = Some(Running::spawn(&self.setup));
    }

    /// Starts it again and kills it after `delay`, ready or not.
    pub(crate) fn start_and_kill_9_after(&mut self, delay: Duration) {
        assert!(self.running.is_none(), "it still runs");
        let log = OpenOptions::new().create(true).append(true).open(self.setup.log()).unwrap();
        let mut command = self.setup.command(&["serve"]);
        let mut child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let born = Instant::now();
        until("a moment to pass", 2 * delay + Duration::from_secs(5), || born.elapsed() >= delay);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Status and body of a GET.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        http::get(&format!("{}{path}", self.url()), &[], None).unwrap()
    }

    /// Status and body of a GET with parameters.
    pub(crate) fn get_with(&self, path: &str, parameters: &[(&str, &str)]) -> (u16, String) {
        http::get(&format!("{}{path}", self.url()), parameters, None).unwrap()
    }

    /// Status and body of a native query.
    pub(crate) fn query(&self, language: &str, text: &str, params: &Value) -> (u16, String) {
        self.try_query(language, text, params).unwrap()
    }

    /// As [`Self::query`], but the answer may be cut off.
    pub(crate) fn try_query(&self, language: &str, text: &str, params: &Value) -> http::Answered {
        let body = serde_json::json!({ "language": language, "text": text, "params": params });
        let url = format!("{}/api/v1/query", self.url());
        http::post(&url, &[], None, &body.to_string())
    }

    /// The counters of both equations, checked against each other.
    pub(crate) fn stats(&self) -> Value {
        let (status, body) = self.get("/api/v1/stats");
        assert_eq!(status, 200, "{body}");
        let stats: Value = serde_json::from_str(&body).unwrap();
        let sum = |of: &str, names: &[&str]| -> u64 {
            names.iter().map(|name| stats[of][name].as_u64().expect(name)).sum()
        };
        assert_eq!(
            sum("messages", &["received"]),
            sum(
                "messages",
                &["spooled", "dead_lettered", "filtered", "unmapped", "refused", "pending"]
            ),
            "the equation of messages does not hold: {stats}"
        );
        assert_eq!(
            sum("points", &["recovered", "spooled"]),
            sum("points", &["stored", "dead_lettered", "damaged", "in_spool"]),
            "the equation of points does not hold: {stats}"
        );
        stats
    }

    /// One counter, such as `points.stored`.
    pub(crate) fn count(&self, name: &str) -> u64 {
        let (of, name) = name.split_once('.').unwrap();
        self.stats()[of][name].as_u64().unwrap()
    }

    /// The sum over all series of a metric.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let (status, text) = self.get("/metrics");
        assert_eq!(status, 200);
        let values: Vec<f64> = text
            .lines()
            .filter_map(|line| {
                let rest = line.strip_prefix(name)?;
                let rest = if rest.starts_with('{') { rest.split_once('}')?.1 } else { rest };
                rest.strip_prefix(' ')?.split(' ').next()?.parse().ok()
            })
            .collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// Runs another command of the binary with the same settings.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Output {
        self.setup.command(arguments).output().unwrap()
    }

    /// Runs another command that must succeed; returns its standard output.
    #[track_caller]
    pub(crate) fn cli_ok(&self, arguments: &[&str]) -> String {
        let output = self.cli(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?} ended with {}: {error}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    /// The number of open descriptors of the process.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// Resident memory of the process in KiB.
    pub(crate) fn rss_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            drop(running.child.kill());
            drop(running.child.wait());
        }
        if thread::panicking() {
            eprintln!("the appliance's log:\n{}", tail(&self.setup.log()));
        }
    }
}

fn newest_segment(folder: &Path) -> PathBuf {
    let files =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let files = files.map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|suffix| suffix == "seg"));
    files.max().expect("a segment")
}

/// The last lines of a log.
fn tail(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
