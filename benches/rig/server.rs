//! Fleetline itself, as an operator starts it.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{Outcome, fault, process::Process};

/// A running appliance with its folder.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) mqtt_port: u16,
    /// 0 where it does not speak TLS.
    pub(crate) mqtts_port: u16,
    pub(crate) http_port: u16,
    /// From the start of the process until it said that it was ready.
    pub(crate) ready_after: Duration,
}

/// A folder on the disk that the build is on, not in memory: fsync has to cost what it costs.
pub(crate) fn folder() -> Outcome<TempDir> {
    fs::create_dir_all(env!("CARGO_TARGET_TMPDIR"))?;
    Ok(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?)
}

/// Where the appliance of a folder keeps its data.
pub(crate) fn data_dir(folder: &Path) -> PathBuf {
    folder.join("data")
}

/// The payload that every benchmark sends.
pub(crate) fn schemas() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/rig/schemas")
}

impl Server {
    /// Starts it with a store at that port.
    pub(crate) fn start(folder: &Path, store_port: u16) -> Outcome<Self> {
        Self::start_with(folder, store_port, "\"127.0.0.1:0\"", "")
    }

    /// The same with listeners, and more tables of its configuration.
    pub(crate) fn start_with(
        folder: &Path,
        store_port: u16,
        listen: &str,
        more: &str,
    ) -> Outcome<Self> {
        let store = format!(
            "kind = \"influxdb2\"\nurls = [\"http://127.0.0.1:{store_port}\"]\n\
             org = \"fleet\"\nbucket = \"telemetry\"\ntoken = \"bench\"\n{more}"
        );
        Self::launch(folder, &schemas(), listen, &store)
    }

    /// Starts it with the store that it brings along.
    pub(crate) fn start_embedded(folder: &Path) -> Outcome<Self> {
        Self::start_embedded_with(folder, &schemas(), "")
    }

    /// The same with schemas and mappings of another folder, and more tables of its configuration.
    pub(crate) fn start_embedded_with(folder: &Path, schemas: &Path, more: &str) -> Outcome<Self> {
        let store = format!("kind = \"embedded\"\n{more}");
        Self::launch(folder, schemas, "\"127.0.0.1:0\"", &store)
    }

    fn launch(folder: &Path, schemas: &Path, listen: &str, store: &str) -> Outcome<Self> {
        let config = folder.join("fleetline.toml");
        let text = format!(
            "data-dir = {data:?}\n\
             [mqtt]\nlisten = [{listen}]\n\
             [http]\nlisten = \"127.0.0.1:0\"\n\
             [schemas]\ndir = {schemas:?}\n\
             [store]\n{store}",
            data = data_dir(folder),
        );
        fs::write(&config, text)?;
        let log = fs::File::create(folder.join("log"))?;
        let started = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleetline"));
        command.args(["serve", "--config"]).arg(&config);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut process = Process::start(&mut command)?;
        let pipe = process.child.stdout.take().ok_or_else(|| fault("no pipe"))?;
        let mut ready = String::new();
        BufReader::new(pipe).read_line(&mut ready)?;
        let ready_after = started.elapsed();
        let port = |edge: &str| -> Option<u16> {
            let rest = ready.split(edge).nth(1)?.strip_prefix("=127.0.0.1:")?;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        let (Some(mqtt_port), Some(http_port)) = (port("mqtt"), port("http")) else {
            let log = fs::read_to_string(folder.join("log"))?;
            return Err(fault(format!("fleetline did not get ready ({ready:?}): {log}")));
        };
        let mqtts_port = port("mqtts").unwrap_or(0);
        Ok(Self { process, mqtt_port, mqtts_port, http_port, ready_after })
    }

    /// Points stored since the start, as its own account says.
    pub(crate) fn stored(&self) -> Outcome<u64> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http_port))?;
        stream.write_all(
            b"GET /api/v1/stats HTTP/1.1\r\nHost: fleetline\r\nConnection: close\r\n\r\n",
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let body = answer.split("\r\n\r\n").nth(1).ok_or_else(|| fault(answer.clone()))?;
        let stats: serde_json::Value = serde_json::from_str(body)?;
        stats["points"]["stored"].as_u64().ok_or_else(|| fault(answer))
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

/// Connects as a vehicle and waits for the welcome.
pub(crate) fn is_welcome(port: u16) -> Outcome {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"\x10\x0e\0\x04MQTT\x04\x02\0\x3c\0\x02me")?;
    let mut connack = [0; 4];
    stream.read_exact(&mut connack)?;
    if connack == *b"\x20\x02\0\0" { Ok(()) } else { Err(fault("not welcome")) }
}

/// Bytes of all files below a folder.
pub(crate) fn bytes_below(folder: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                folders.push(entry.path());
            } else {
                bytes += metadata.len();
            }
        }
    }
    Ok(bytes)
}
