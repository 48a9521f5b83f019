//! Compares the stand-in with the answers of a running TDengine (`tests/data/tdengine/answers.md`),
//! row by row: a row without a check fails.

mod answers;
mod limits;
mod lines;
mod state;

use serde_json::{Value as Json, json};

use crate::harness::TdEngine;

const ROWS: &str = include_str!("../../../data/tdengine/answers.md");

/// 2026-11-22T21:19:39Z.
const T: i64 = 1_795_382_379_000_000_000;
/// `root:taosdata`, and with another password, and another user.
const ROOT: &str = "Basic cm9vdDp0YW9zZGF0YQ==";
const ROOT_WRONG: &str = "Basic cm9vdDp3cm9uZw==";
const NOBODY: &str = "Basic bm9ib2R5Ong=";

/// A server with the database, as one client sees it.
struct Client(TdEngine);

impl Client {
    fn new() -> Self {
        let server = TdEngine::start();
        server.create();
        Self(server)
    }

    fn send(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
        let url = format!("{}{path}", self.0.url());
        crate::harness::http::send("POST", &url, headers, body).unwrap()
    }

    /// `204`, or the status and the message of the fault.
    fn write(&self, lines: impl AsRef<[u8]>) -> String {
        let path = "/influxdb/v1/write?db=fleet&precision=ns";
        let (status, body) = self.send(path, &[("Authorization", ROOT)], lines.as_ref());
        match serde_json::from_str::<Json>(&body) {
            Ok(body) => format!("{status} {}", body["message"].as_str().unwrap()),
            Err(_) => format!("{status}{body}"),
        }
    }

    #[track_caller]
    fn stores(&self, lines: impl AsRef<[u8]>) {
        assert_eq!(self.write(lines), "204");
    }

    #[track_caller]
    fn refuses(&self, lines: impl AsRef<[u8]>, begin: &str) {
        let told = self.write(lines);
        assert!(told.starts_with(&format!("500 {begin}")), "{told}");
    }

    fn ask_body(&self, text: &str) -> (u16, String) {
        self.send("/rest/sql/fleet", &[("Authorization", ROOT)], text.as_bytes())
    }

    #[track_caller]
    fn ask(&self, text: &str) -> Json {
        let (status, body) = self.ask_body(text);
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    #[track_caller]
    fn faults(&self, text: &str, code: u32, words: &str) {
        let told = self.ask(text);
        assert_eq!((&told["code"], &told["desc"]), (&json!(code), &json!(words)), "{told}");
        assert!(told["timing"].is_u64(), "{told}");
    }

    fn has_table(&self, table: &str) -> bool {
        self.ask(&format!("DESCRIBE `{table}`"))["code"] == 0
    }
}

fn at(lines: &str) -> String {
    lines.replace('T', &T.to_string())
}

fn bytes(count: usize) -> String {
    "a".repeat(count)
}

fn many(count: usize, name: &str, value: &str) -> String {
    (0..count).map(|at| format!(",{name}{at}={value}")).collect()
}

#[test]
fn the_stand_in_answers_as_a_running_tdengine_row_by_row() {
    let rows: Vec<&str> = ROWS.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 45, "{}", rows.len());
    let mut unchecked = Vec::new();
    for row in rows {
        let sent = row[2..].split(" | ").next().unwrap();
        let is_checked =
            lines::check(sent) || limits::check(sent) || answers::check(sent) || state::check(sent);
        if !is_checked {
            unchecked.push(sent);
        }
    }
    assert!(unchecked.is_empty(), "nobody checks: {unchecked:#?}");
}
