//! Printed examples work when they are typed: those of every `--help`, and the README from its
//! first line to its last on a new data directory.
//!
//! Commands run in a shell, in a folder that looks like the repository's, with two changes: ports
//! are free ones instead of the usual ones, and runs of minutes take a second.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Vehicle, Version, get, until_some};

/// The time limit for a start or a stop on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder in which commands are typed.
struct Place {
    folder: TempDir,
}

impl Place {
    /// Creates a place with the binary on the path, the shipped schemas and configuration, and no
    /// data.
    fn make() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(place.path("bin")).unwrap();
        let binary = env!("CARGO_BIN_EXE_fleetline");
        std::os::unix::fs::symlink(binary, place.path("bin/fleetline")).unwrap();
        for folder in ["schemas", "config"] {
            fs::create_dir(place.path(folder)).unwrap();
            for file in fs::read_dir(repository().join(folder)).unwrap() {
                let file = file.unwrap();
                if file.file_type().unwrap().is_file() {
                    fs::copy(file.path(), place.path(folder).join(file.file_name())).unwrap();
                }
            }
        }
        fs::write(place.path("secret"), "correct horse battery staple\n").unwrap();
        // Another broker's files.
        fs::create_dir(place.path("mosquitto")).unwrap();
        for folder in ["mosquitto/", ""] {
            let file = |name: &str| place.path(&format!("{folder}{name}"));
            fs::write(file("acl"), "user VIN1\ntopic readwrite cars/VIN1/#\n").unwrap();
            fs::write(file("passwd"), "").unwrap();
        }
        let conf = "listener 1883\nallow_anonymous false\npassword_file passwd\nacl_file acl\n";
        fs::write(place.path("mosquitto/mosquitto.conf"), conf).unwrap();
        fs::write(place.path("acl.conf"), "{allow, all, all, [\"cars/${username}/#\"]}.\n")
            .unwrap();
        let push = r#"{ "query": { "measurement": "telemetry", "fields": ["speed_kmh"], "fn": "max",
            "having": "speed_kmh > 1" }, "command": "identify", "expires-in": "1s" }"#;
        fs::write(place.path("cool-down.json"), push).unwrap();
        // One that runs as long as examples need it.
        let push = r#"{ "query": { "language": "sql",
            "text": "SELECT 'VIN1' AS v UNION ALL SELECT 'VIN2'" }, "vehicle": "v",
            "command": "identify", "waves": { "first": 1, "every": "1h" } }"#;
        fs::write(place.path("slow.json"), push).unwrap();
        // The operator's file: a payload of a fleet without a shipped schema.
        fs::write(place.path("sample.json"), r#"{"ts":1790000000000,"kmh":3.5,"on":true}"#)
            .unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn shell(&self, text: &str) -> Command {
        let mut command = Command::new("sh");
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("FLEETLINE_")) {
                command.env_remove(name);
            }
        }
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .current_dir(self.folder.path())
            .args(["-c", text])
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("FLEETLINE_MQTT__LISTEN", r#"["127.0.0.1:0"]"#)
            .env("FLEETLINE_HTTP__LISTEN", "127.0.0.1:0")
            .env("INFLUX_TOKEN", "secret")
            .stdin(Stdio::null());
        command
    }

    /// A command that ends by itself.
    fn run(&self, text: &str) -> Output {
        self.shell(text).output().unwrap()
    }

    /// Starts a command that runs until it is stopped, and reads its output up to a matching line.
    #[track_caller]
    fn start(&self, text: &str, up_to: &str) -> Running {
        let mut child = self
            .shell(&format!("exec {text}"))
            .stdout(Stdio::piped())
            .stderr(fs::File::create(self.path("log")).unwrap())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (said, lines) = channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                drop(said.send(line));
            }
        });
        let mut running = Running { child, lines, line: String::new() };
        while !running.line.contains(up_to) {
            let next = running.lines.recv_timeout(LIMIT);
            running.line = next.unwrap_or_else(|_| panic!("`{text}` never said {up_to:?}"));
        }
        running
    }
}

/// A running command.
struct Running {
    child: Child,
    lines: Receiver<String>,
    /// The matching line.
    line: String,
}

impl Running {
    /// An address of the ready line.
    fn address(&self, name: &str) -> String {
        let word = self.line.split(' ').find_map(|word| word.strip_prefix(name));
        word.unwrap_or_else(|| panic!("no {name} in {}", self.line)).to_owned()
    }

    /// Stops it as an operator does; it must exit with success.
    #[track_caller]
    fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
        let status = until_some("its end", LIMIT, || self.child.try_wait().unwrap());
        assert!(status.success(), "{status}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Every command below this one, including itself, with its help.
fn helps(place: &Place, command: &str, into: &mut Vec<(String, String)>) {
    let output = place.run(&format!("{command} --help"));
    assert!(output.status.success(), "{command} --help");
    let help = String::from_utf8(output.stdout).unwrap();
    let inner = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest);
    let names = inner.lines().take_while(|line| line.starts_with("  "));
    // Continuation lines of a description are indented deeper.
    let names = names
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next().filter(|name| *name != "help"));
    let names: Vec<_> = names.map(|name| format!("{command} {name}")).collect();
    into.push((command.to_owned(), help));
    for name in names {
        helps(place, &name, into);
    }
}

/// The examples of a help: a line indented by two begins one, deeper lines continue it.
fn examples(help: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let rest = help.split("\nExample").nth(1).unwrap_or("");
    for line in rest.lines().skip(1).take_while(|line| line.starts_with("  ")) {
        match (line.strip_prefix("   "), found.last_mut()) {
            (Some(_), Some(last)) => *last = format!("{last}\n{line}"),
            _ => found.push(line.trim_start().to_owned()),
        }
    }
    found
}

#[test]
fn examples_are_found_in_a_help() {
    let help = "Usage\n\nExamples:\n  a b \\\n      c\n  d\n";
    assert_eq!(examples(help), ["a b \\\n      c", "d"]);
    assert_eq!(examples("Example:\n"), [""; 0]);
}

/// Creates what the examples need: two vehicles that have published, a dead letter, a measurement
/// called `sql`, and files.
fn furnish(place: &Place, mqtt: &str) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    for vin in ["VIN1", "VIN2"] {
        let payload = format!(
            r#"{{"sampled_at":{now},"speed_kmh":3.5,"battery":{{"soc":80.5,"temp":21.5}}}}"#
        );
        publish(mqtt, &format!("vehicles/{vin}/telemetry/json"), payload.as_bytes());
        publish(mqtt, &format!("vehicles/{vin}/sql"), payload.as_bytes());
    }
    // Field 1, a varint: when it was sampled.
    let mut payload = vec![0x08];
    let mut rest = now;
    while rest >= 0x80 {
        payload.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
        rest >>= 7;
    }
    payload.push(u8::try_from(rest).unwrap());
    fs::write(place.path("payload.bin"), &payload).unwrap();
    fs::write(place.path("sample.bin"), payload).unwrap();
    fs::write(place.path("report.sql"), "SELECT vin, soc FROM telemetry").unwrap();
    fs::create_dir(place.path("drives")).unwrap();
    let drive =
        "time,Temperature,speed\n2026-11-01T08:00:00Z,7.5,12\n2026-11-01T08:00:01Z,7.5,13\n";
    fs::write(place.path("drives/VIN3.csv"), drive).unwrap();
}

fn publish(mqtt: &str, topic: &str, payload: &[u8]) {
    let mut vehicle = Vehicle::connect(mqtt.parse().unwrap(), Version::V5, "examples");
    vehicle.publish_acked(topic, payload, 1);
}

/// Publishes a message that cannot be decoded; returns the id of its dead letter.
fn dead_letter(place: &Place, mqtt: &str) -> String {
    publish(mqtt, "vehicles/VIN1/telemetry", b"\x0a\x7f");
    let listed = place.run("fleetline dead-letter list --json");
    let listed = String::from_utf8(listed.stdout).unwrap();
    let last: Value = serde_json::from_str(listed.lines().last().unwrap()).unwrap();
    last["id"].as_str().unwrap().to_owned()
}

const SQL_MAPPING: &str = r#"
[[mapping]]
name = "sql"
topic = "vehicles/{vin}/sql"
format = "json"
schema = "telemetry.schema.json"
measurement = "sql"
vehicle = "{vin}"
tags = ["vin"]
time = { field = "sampled_at", unit = "ms" }
"#;

/// The expected refusal of an example that cannot work here: it needs a database (queries in
/// languages that the embedded store does not have, and the check of the store), a user (here
/// everybody is anonymous), or another server with its certificates.
fn refused_here(example: &str) -> Option<(i32, &'static str)> {
    let begins = |front: &str| example.starts_with(front);
    if begins("fleetline query influxql") || begins("fleetline query flux") {
        return Some((1, "embedded"));
    }
    if begins("fleetline session kick") && example.contains("--user") {
        return Some((1, "session-unknown"));
    }
    if begins("fleetline simulate") && example.contains("fleet.example") {
        return Some((2, "cannot read ca.pem"));
    }
    (begins("fleetline check") && example.contains("--online")).then_some((2, "127.0.0.1:8086"))
}

/// o10-help-that-does-not-work, for every command there is.
#[test]
fn every_example_of_every_help_works() {
    let place = Place::make();
    fs::write(place.path("schemas/sql.toml"), SQL_MAPPING).unwrap();
    let appliance = place.start("fleetline serve", "fleetline ready");
    let (mqtt, http) = (appliance.address("mqtt="), appliance.address("http="));
    furnish(&place, &mqtt);
    let mut all = Vec::new();
    helps(&place, "fleetline", &mut all);
    let (mut ran, mut wrong) = (0, Vec::new());
    for (command, help) in all {
        let has_own = !help.contains("\nCommands:\n") || command != "fleetline";
        assert!(!examples(&help).is_empty() || !has_own, "{command} --help has no example");
        for example in examples(&help) {
            wrong.extend(play(&place, &example, &mqtt, &http).err());
            ran += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ran > 20, "{ran} examples");
    appliance.stop();
}

/// Runs one example as it is written, except for addresses, identifiers and times.
fn play(place: &Place, example: &str, mqtt: &str, http: &str) -> Result<(), String> {
    let mut typed = example.to_owned();
    // A data directory belongs to one appliance; appliances that examples start have their own.
    let starts = ["fleetline serve", "fleetline demo"].iter().any(|front| typed.starts_with(front));
    if starts {
        typed = typed.replace("127.0.0.1:8080", "127.0.0.1:0");
        typed = format!("env FLEETLINE_DATA_DIR=\"$(mktemp -d)\" {typed}");
        let up_to = if typed.contains("fleetline demo") { "API" } else { "fleetline ready" };
        let up_to = if typed.contains("--json") { "\"ready\"" } else { up_to };
        place.start(&typed, up_to).stop();
        return Ok(());
    }
    for (front, dir) in
        [("fleetline spool reshard", "resharded"), ("fleetline spool replay", "replayed")]
    {
        if !typed.starts_with(front) {
            continue;
        }
        // The data directory must not be in use, so the example has its own.
        let own = format!("env FLEETLINE_DATA_DIR=./{dir}");
        place.start(&format!("{own} fleetline serve"), "fleetline ready").stop();
        typed = format!("{own} {typed}");
    }
    for (usual, here) in [
        ("mqtt://127.0.0.1:1883", format!("mqtt://{mqtt}")),
        ("http://127.0.0.1:8080", format!("http://{http}")),
        ("http://10.0.0.7:8080", format!("http://{http}")),
        ("/var/lib/fleetline", "./fleetline-data".to_owned()),
        ("--duration 1m", "--duration 1s".to_owned()),
        ("--duration 30s", "--duration 1s".to_owned()),
    ] {
        typed = typed.replace(usual, &here);
    }
    if typed.starts_with("fleetline import") {
        typed = typed.replace("/etc/mosquitto --out /etc/fleetline", "./mosquitto");
        typed = format!("{typed} --out \"$(mktemp -d)\"");
    }
    if typed.contains("17-0") {
        typed = typed.replace("17-0", &dead_letter(place, mqtt));
    }
    const COMMAND: &str = "01a20548-f1c4-7fff-bfff-ffffffffffff";
    if typed.contains(COMMAND) && typed.starts_with("fleetline push") {
        let pushed = place.run("fleetline push slow.json --json");
        let pushed: Value = serde_json::from_slice(&pushed.stdout).unwrap();
        let id = pushed["id"].as_str().unwrap();
        // An active push cannot be deleted; its waiting commands are cancelled at once.
        if typed.starts_with("fleetline push delete") {
            place.run(&format!("fleetline push abort {id}"));
        }
        typed = typed.replace(COMMAND, id);
    } else if typed.contains(COMMAND) {
        let sent = place.run("fleetline command send VIN1 identify");
        let sent = String::from_utf8(sent.stdout).unwrap();
        typed = typed.replace(COMMAND, sent.split(' ').next().unwrap());
    }
    if typed.starts_with("fleetline simulate") && !typed.contains("--target") {
        typed = format!("{typed} --target mqtt://{mqtt}");
    }
    // A session to show, or to end.
    let session = || Vehicle::connect(mqtt.parse().unwrap(), Version::V5, "VIN1");
    let session = typed.starts_with("fleetline session").then(session);
    let output = place.run(&typed);
    drop(session);
    let error = String::from_utf8_lossy(&output.stderr);
    let is_right = match refused_here(example) {
        Some((code, words)) => output.status.code() == Some(code) && error.contains(words),
        None => output.status.success(),
    };
    if is_right { Ok(()) } else { Err(format!("`{typed}` ends with {}: {error}", output.status)) }
}

/// The commands of the README's shell blocks, in order, with continued lines joined.
fn readme_commands(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    for block in blocks {
        let mut goes_on = false;
        for line in block.lines().filter(|line| !line.trim().is_empty()) {
            match found.last_mut().filter(|_| goes_on) {
                Some(last) => *last = format!("{last}\n{line}"),
                None => found.push(line.to_owned()),
            }
            goes_on = line.ends_with('\\');
        }
    }
    found
}

/// Everything in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.starts_with("```"))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn the_readme_works_from_its_first_line_to_its_last() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let place = Place::make();
    let mut appliance: Option<Running> = None;
    let mut played = 0;
    for command in readme_commands(&readme) {
        let Some(typed) = command.strip_prefix("cargo run --release -- ") else {
            // Scripts of the repository: this test is run by one.
            let script = command.split_whitespace().next().unwrap();
            assert!(repository().join(script).is_file(), "README: {command}");
            continue;
        };
        played += 1;
        let typed = format!("fleetline {typed}");
        if typed.starts_with("fleetline demo") {
            place.start(&typed, "API").stop();
        } else if typed.starts_with("fleetline serve") {
            // The next appliance replaces it, on the same data.
            if let Some(earlier) = appliance.take() {
                earlier.stop();
            }
            appliance = Some(place.start(&typed, "fleetline ready mqtt=127.0.0.1:"));
        } else {
            let mut typed = typed.replace("--duration 1m", "--duration 3s");
            if let Some(running) = &appliance {
                typed = typed.replace("127.0.0.1:8080", &running.address("http="));
                if typed.starts_with("fleetline simulate") {
                    typed = format!("{typed} --target mqtt://{}", running.address("mqtt="));
                }
            }
            let output = place.run(&typed);
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "`{typed}`: {error}");
            assert!(!output.stdout.is_empty(), "`{typed}` has an answer");
        }
    }
    assert!(played >= 5, "{played} commands");
    let appliance = appliance.expect("the README serves");
    check_quoted(&readme, &place, &appliance.address("http="));
    appliance.stop();
    check_links(&readme);
}

/// Checks texts in backticks: addresses answer, commands and files exist.
fn check_quoted(readme: &str, place: &Place, http: &str) {
    let mut seen = (0, 0, 0);
    for quoted in quoted(readme) {
        let words: Vec<_> = quoted.split_whitespace().collect();
        match words.as_slice() {
            [path] if path.starts_with('/') => {
                let (status, text) = get(&format!("http://{http}{path}"), &[], None).unwrap();
                // The store of the last appliance is down, as readiness and queries report.
                let may_fail = ["/readyz", "/api/v1/measurements"].contains(path);
                let well = status == 200 || (may_fail && status == 503);
                assert!(well, "{path}: {status} {text}");
                seen.0 += 1;
            }
            ["fleetline", rest @ ..] if rest.first() != Some(&"ready") => {
                let names = rest.iter().take_while(|word| {
                    word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
                        && !word.starts_with('-')
                });
                let names: Vec<_> = names.copied().collect();
                let output = place.run(&format!("fleetline {} --help", names.join(" ")));
                assert!(output.status.success(), "{quoted}");
                seen.1 += 1;
            }
            [path]
                if path.contains('/')
                    && !path.contains("://")
                    && !path.starts_with("./")
                    // A topic filter.
                    && !path.starts_with('$') =>
            {
                assert!(repository().join(path).exists(), "{path}");
                seen.2 += 1;
            }
            _ => {}
        }
    }
    assert!(seen.0 >= 4 && seen.1 >= 4 && seen.2 >= 4, "{seen:?}");
}

fn check_links(readme: &str) {
    let links = readme.split("](").skip(1).map(|rest| rest.split_once(')').unwrap().0);
    let mut seen = 0;
    for link in links.filter(|link| !link.contains("://")) {
        assert!(repository().join(link).exists(), "{link}");
        seen += 1;
    }
    assert!(seen >= 3, "{seen} links");
}
