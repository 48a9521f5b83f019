//! The container image: its last stage is built with the static binary and runs as in a container
//! engine: not as root, with its data in a volume, drained by SIGTERM.
//!
//! There is no base image here to build the binary in, so the last stage of the Dockerfile is built
//! alone, from what `docker/layout` lays out; only the first stage's own lines go untested.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{http, program, until, until_some};

const TEST: &str = "real::container";

/// A Buildah with its own image store, in a temporary folder.
#[derive(Debug)]
struct Buildah {
    program: PathBuf,
    home: TempDir,
}

impl Buildah {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["--storage-driver", "vfs"])
            .arg("--root")
            .arg(self.home.path().join("storage"))
            .arg("--runroot")
            .arg(self.home.path().join("run"))
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    fn ask(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "buildah {arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Where it keeps the volume that the image declares; it outlives what runs in the container.
    fn volume(&self, container: &str) -> PathBuf {
        let id = self.ask(&["inspect", "--format", "{{.ContainerID}}", container]);
        let volumes =
            self.home.path().join(format!("storage/vfs-containers/{id}/userdata/buildah-volumes"));
        fs::read_dir(volumes).unwrap().next().expect("the image has a volume").unwrap().path()
    }
}

/// The container while it runs.
#[derive(Debug)]
struct Running {
    child: Child,
    volume: PathBuf,
    mqtt: String,
    http: String,
}

impl Running {
    /// Runs the image's own entry point and command, as its own user.
    fn start(buildah: &Buildah, container: &str, config: &Value) -> Self {
        let words = |name: &str| -> Vec<String> {
            let words = config[name].as_array().unwrap().iter();
            words.map(|word| word.as_str().unwrap().to_owned()).collect()
        };
        let mut command = buildah.command(&["run", "--isolation", "chroot"]);
        for setting in
            ["MQTT__LISTEN=[\"0.0.0.0:0\"]", "HTTP__LISTEN=0.0.0.0:0", "AUTH__ANONYMOUS=true"]
        {
            command.arg("--env").arg(format!("FLEETLINE_{setting}"));
        }
        command.arg(container).arg("--").args(words("Entrypoint")).args(words("Cmd"));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.next().expect("it says that it is ready").unwrap();
        let address = |name: &str| {
            let word = ready.split(' ').find_map(|word| word.strip_prefix(name)).unwrap();
            word.replace("0.0.0.0", "127.0.0.1")
        };
        let volume = buildah.volume(container);
        Self { child, volume, mqtt: address("mqtt="), http: address("http=") }
    }

    /// Sends a signal to the binary itself, whose process id is in its lock file: buildah does not
    /// forward signals.
    fn signal(&self, name: &str) {
        let lock = fs::read_to_string(self.volume.join("lock")).unwrap();
        let lock: Value = serde_json::from_str(&lock).unwrap();
        let kill = Command::new("kill").args(["-s", name, &lock["pid"].to_string()]).status();
        assert!(kill.unwrap().success());
    }

    fn stop(mut self) {
        self.signal("TERM");
        let status = until_some("the end of the container", Duration::from_secs(30), || {
            self.child.try_wait().unwrap()
        });
        assert!(status.success(), "{status}");
    }

    fn count(&self) -> u64 {
        let url = format!("http://{}/api/v1/query", self.http);
        let body = r#"{"language":"sql","text":"SELECT count(*) AS n FROM telemetry"}"#;
        let (status, text) = http::post(&url, &[], None, body).unwrap();
        if status != 200 {
            return 0;
        }
        let answer: Value = serde_json::from_str(&text).unwrap();
        answer["rows"][0][0].as_u64().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal("KILL");
            drop(self.child.wait());
        }
    }
}

fn build(buildah: &Buildah, binary: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let context = buildah.home.path().join("context");
    let layout = Command::new(root.join("docker/layout"))
        .arg(binary)
        .arg(context.join("image"))
        .status()
        .unwrap();
    assert!(layout.success());
    let dockerfile = fs::read_to_string(root.join("docker/Dockerfile")).unwrap();
    let last = dockerfile.rfind("\nFROM ").unwrap();
    // The context replaces the stage that is not built here.
    let last_stage = dockerfile[last..].replace("--from=build ", "");
    fs::write(context.join("Dockerfile"), last_stage).unwrap();
    let context = context.to_str().unwrap();
    let arguments = ["build", "--isolation", "chroot", "--format", "docker", "-t", "it", context];
    buildah.ask(&arguments);
    buildah.ask(&["from", "it"])
}

#[test]
fn the_image_keeps_what_it_acknowledged_in_its_volume_over_a_restart() {
    let Some(buildah) = program(TEST, "FLEETLINE_TEST_BUILDAH") else { return };
    let Some(binary) = program(TEST, "FLEETLINE_TEST_STATIC_BINARY") else { return };
    let buildah = Buildah { program: buildah, home: tempfile::tempdir().unwrap() };
    let container = build(&buildah, &binary);
    let inspected: Value = serde_json::from_str(&buildah.ask(&["inspect", &container])).unwrap();
    let config = &inspected["Docker"]["config"];
    assert_eq!(config["User"], "10001:10001");
    assert!(config["Volumes"]["/data"].is_object(), "{config}");
    assert_eq!(config["Healthcheck"]["Test"], serde_json::json!(["CMD", "/fleetline", "health"]));

    let running = Running::start(&buildah, &container, config);
    let simulated = Command::new(env!("CARGO_BIN_EXE_fleetline"))
        .args(["simulate", "--vehicles", "5", "--rate", "10", "--duration", "2s", "--json"])
        .args(["--target", &format!("mqtt://{}", running.mqtt)])
        .output()
        .unwrap();
    assert!(simulated.status.success(), "{}", String::from_utf8_lossy(&simulated.stderr));
    let report: Value = serde_json::from_slice(&simulated.stdout).unwrap();
    let acknowledged = report["acknowledged"].as_u64().unwrap();
    assert!(acknowledged >= 50, "{report}");
    until("every acknowledged message to be answered back", Duration::from_secs(30), || {
        running.count() == acknowledged
    });
    buildah.ask(&["run", "--isolation", "chroot", &container, "--", "/fleetline", "health"]);
    running.stop();

    let again = Running::start(&buildah, &container, config);
    assert_eq!(again.count(), acknowledged, "after a restart on the same volume");
    again.stop();
}

#[test]
fn the_compose_file_is_one() {
    let Some(compose) = program(TEST, "FLEETLINE_TEST_COMPOSE") else { return };
    for profile in ["embedded", "influxdb2"] {
        let output = Command::new(&compose)
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/docker"))
            .env("INFLUX_TOKEN", "t")
            .args(["--profile", profile, "config", "--services"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let services = String::from_utf8(output.stdout).unwrap();
        assert!(services.contains("fleetline"), "{services}");
    }
}

/// o16-compose-twice: the commands in the compose file work again on the second day, because the
/// token is kept, like the database keeps it with its data.
#[test]
fn the_commands_of_the_compose_file_give_the_same_token_every_time() {
    let Some(compose) = program(TEST, "FLEETLINE_TEST_COMPOSE") else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("docker")).unwrap();
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docker/compose.yaml"));
    let text = text.unwrap();
    fs::write(folder.path().join("docker/compose.yaml"), &text).unwrap();
    let typed = text.lines().filter_map(|line| line.strip_prefix("#   "));
    let typed: Vec<_> = typed.filter(|line| !line.starts_with(' ')).collect();
    assert!(typed.len() >= 3, "{typed:?}");
    // Without a daemon, what would be started is looked at.
    let script = typed.join("\n").replace(" up", " config");
    let script = format!("docker() {{ shift; \"$COMPOSE\" \"$@\"; }}\nset -e\n{script}");
    let day = || {
        let output = Command::new("sh")
            .current_dir(folder.path())
            .args(["-c", &script])
            .env("COMPOSE", &compose)
            .env_remove("INFLUX_TOKEN")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    // The last of them is that of the last command; some versions print all profiles each time.
    let token = |printed: &str, name: &str| {
        let line = printed.lines().rfind(|line| line.contains(name)).unwrap();
        line.split_once(": ").unwrap().1.trim().to_owned()
    };
    let (first, second) = (day(), day());
    let brought = token(&first, "FLEETLINE_STORE__TOKEN");
    assert_eq!(brought.len(), 64, "{brought}");
    assert_eq!(brought, token(&first, "DOCKER_INFLUXDB_INIT_ADMIN_TOKEN"));
    assert_eq!(brought, token(&second, "FLEETLINE_STORE__TOKEN"));
}
