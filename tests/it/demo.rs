//! `fleetline demo` on a pipe: addresses first, three queries with answers, and nothing left
//! behind.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{get, post, until, until_some};

/// The time limit for a start, a bounded run and a stop on a busy machine.
const LIMIT: Duration = Duration::from_mins(2);

/// A running demo with its temporary folder below one of ours.
struct Demo {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    folder: TempDir,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleetline"));
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("FLEETLINE_")) {
                command.env_remove(name);
            }
        }
        let mut child = command
            .args(["demo", "--vehicles", "5", "--history", "3m"])
            .args(arguments)
            .env("TMPDIR", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (said, lines) = channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                drop(said.send(line));
            }
        });
        Self { child, lines, seen: Vec::new(), folder }
    }

    /// All output up to the first matching line, which is the last one returned.
    #[track_caller]
    fn hear(&mut self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + LIMIT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                let complaints = self.complaints();
                panic!("no {what}; said: {:#?}\n{complaints}", self.seen);
            };
            self.seen.push(line.clone());
            if is_it(&line) {
                return line;
            }
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    fn complaints(&mut self) -> String {
        let mut text = String::new();
        drop(self.child.kill());
        self.child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// Waits for its end: status, all output, and standard error.
    #[track_caller]
    fn end(mut self) -> (ExitStatus, Vec<String>, String) {
        let status = until_some("the end", LIMIT, || self.child.try_wait().unwrap());
        self.seen.extend(self.lines.iter());
        let complaints = self.complaints();
        let left = names(self.folder.path());
        assert!(left.is_empty(), "left behind: {left:?}");
        (status, self.seen, complaints)
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The number before a word in a sentence.
#[track_caller]
fn number(line: &str, word: &str) -> u64 {
    let before = line.split(word).next().unwrap().trim_end();
    let number = before.rsplit(' ').next().unwrap().replace(',', "");
    number.parse().unwrap_or_else(|_| panic!("no number before {word:?}: {line}"))
}

#[test]
fn a_bounded_demo_shows_its_addresses_runs_three_queries_and_stores_everything() {
    let demo = Demo::start(&["--duration", "4s"]);
    let (status, said, complaints) = demo.end();
    let text = said.join("\n");
    assert!(status.success(), "{text}\n{complaints}");
    assert_eq!(complaints, "");
    assert!(said[0].contains("API") && said[0].contains("http://127.0.0.1:"), "{text}");
    let place = |what: &str| said.iter().position(|line| line.contains(what)).expect(what);
    assert!(place("mqtt://127.0.0.1:") < place("0:0"), "addresses come first: {text}");
    let commands: Vec<usize> = (0..said.len()).filter(|at| said[*at].starts_with("$ ")).collect();
    assert_eq!(commands.len(), 3, "{text}");
    for at in commands {
        assert!(said[at].contains(" query "), "{}", said[at]);
        assert!(said[at + 2].starts_with("──"), "a table follows: {text}");
        let rows = said[at + 3..].iter().take_while(|line| !line.is_empty()).count();
        assert!(rows > 0, "rows follow {}: {text}", said[at]);
    }
    let sum = said.iter().find(|line| line.contains(" vehicles drove ")).expect("a summary");
    assert_eq!(number(sum, " vehicles drove "), 5);
    // Three minutes of history, and some seconds.
    let acknowledged = number(sum, " acknowledged");
    assert!(acknowledged >= 5 * 180 + 5, "{sum}");
    assert_eq!(number(sum, " messages"), acknowledged, "{sum}");
    assert_eq!(number(sum, " stored"), acknowledged, "{sum}");
    assert_eq!(number(sum, " dead letters"), 0, "{sum}");
}

#[test]
fn an_interrupt_ends_it_in_order_and_until_then_its_api_answers() {
    let mut demo = Demo::start(&[]);
    let first = demo.hear("address", |line| line.contains("http://"));
    let api = first.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    let root = api.strip_suffix("/api/v1/stats").expect("the statistics come first").to_owned();
    demo.hear("third question", |line| line.starts_with("$ ") && line.contains(" query sql "));
    let (status, stats) = get(&format!("{root}/api/v1/stats"), &[], None).unwrap();
    let stats: Value = serde_json::from_str(&stats).unwrap();
    assert_eq!(status, 200);
    assert_eq!(stats["messages"]["dead_lettered"], 0, "{stats}");
    // The receipt of the vehicle in the push is not telemetry.
    assert!(stats["messages"]["unmapped"].as_u64().unwrap() <= 1, "{stats}");
    let text = "SELECT count(DISTINCT vin), count(*) > 900 FROM telemetry";
    let ask = json!({ "language": "sql", "text": text }).to_string();
    let (status, answer) = post(&format!("{root}/api/v1/query"), &[], None, &ask).unwrap();
    assert_eq!(status, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    // Both formats arrived: three vehicles send protobuf, two Avro.
    assert_eq!(answer["rows"], json!([[5, 1]]));
    // The shown query can be typed.
    let shown: Vec<&String> = demo.seen.iter().filter(|line| line.starts_with("$ ")).collect();
    assert_eq!(shown.len(), 3);
    for line in shown {
        let typed = line.strip_prefix("$ ").unwrap();
        let output = Command::new("sh").args(["-c", typed]).output().unwrap();
        let answer = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{typed}: {answer}");
        assert!(answer.lines().count() > 2, "{typed}: {answer}");
    }
    // So can the command, and a vehicle executes it.
    let at = demo.seen.iter().position(|line| line.contains("command send")).expect("a command");
    let typed = [&*demo.seen[at], &*demo.seen[at + 1]].join("\n");
    let typed = typed.split_once("fleetline").expect("the program").1;
    for typed in [typed.to_owned(), typed.replace("identify", "limit-charge limit_percent=60")] {
        let typed = format!("{}{typed}", env!("CARGO_BIN_EXE_fleetline"));
        let output = Command::new("sh").args(["-c", &typed]).output().unwrap();
        let answer = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && answer.contains("done"), "{typed}: {answer}");
    }
    // The fourth of the fleet charges, and is hot.
    demo.hear("push", |line| line.contains(", push to 1: 1 done"));
    demo.signal("INT");
    let (status, said, complaints) = demo.end();
    assert_eq!(status.code(), Some(0), "{said:#?}\n{complaints}");
    let told = said.iter().find(|line| line.contains(" were told ")).expect("what they were told");
    assert_eq!((number(told, " commands"), number(told, " done")), (3, 3), "{told}");
    let pushed = said.iter().find(|line| line.starts_with("A push told ")).expect("its report");
    assert_eq!((number(pushed, " vehicles"), number(pushed, " done")), (1, 1), "{pushed}");
    assert_eq!(complaints, "");
    let sum = said.iter().find(|line| line.contains(" vehicles drove ")).expect("a summary");
    assert_eq!(number(sum, " stored"), number(sum, " acknowledged"), "{sum}");
}

#[test]
fn a_second_signal_ends_it_at_once_and_leaves_nothing_behind_either() {
    let mut demo = Demo::start(&[]);
    demo.hear("status", |line| line.starts_with("0:"));
    demo.signal("TERM");
    demo.signal("HUP");
    let (status, said, _) = demo.end();
    // It may have ended before the second signal.
    assert!([Some(0), Some(1)].contains(&status.code()), "{status} {said:#?}");
}

#[test]
fn as_json_every_line_is_an_object() {
    let (status, said, complaints) = Demo::start(&["--duration", "3s", "--json"]).end();
    assert!(status.success(), "{complaints}");
    let objects: Vec<Value> =
        said.iter().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(objects[0]["ready"]["api"].as_str().unwrap().starts_with("http://"), "{said:#?}");
    let answers = objects.iter().filter(|object| object["query"].is_string());
    let rows = answers.map(|answer| answer["answer"]["rows"].as_array().unwrap().len());
    let rows: Vec<usize> = rows.collect();
    assert!(rows.len() == 3 && rows.iter().all(|rows| *rows > 0), "{said:#?}");
    let stopped = &objects.last().unwrap()["stopped"];
    assert_eq!(stopped["acknowledged"], stopped["stored"], "{stopped}");
    assert_eq!(stopped["dead_lettered"], 0, "{stopped}");
}

#[test]
fn a_chosen_data_directory_is_kept_and_a_configuration_file_is_refused() {
    let kept = tempfile::tempdir().unwrap();
    let data = kept.path().join("data");
    let set = format!("data-dir={}", data.display());
    let (status, said, complaints) = Demo::start(&["--duration", "1s", "--set", &set]).end();
    assert!(status.success(), "{complaints}");
    assert!(said.iter().any(|line| line.contains("(kept)")), "{said:#?}");
    until("the data to be there", LIMIT, || data.join("embedded").exists());
    let (status, _, complaints) = Demo::start(&["--config", "fleetline.toml"]).end();
    assert_eq!(status.code(), Some(2));
    assert!(complaints.contains("--set"), "{complaints}");
}
