//! Three queries, as a user would type them, and the appliance's answers.
//!
//! They are sent over HTTP to the printed address, as by any client: a user gets the same answers.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::appliance::DemoError;
use crate::{
    cli::{
        failure::Failure,
        present,
        query::{self, Sink},
    },
    env::http_client,
    model::{Column, Row},
};

/// A slower query is of no use on a board.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The measurement of the fleet's messages.
const MEASUREMENT: &str = "telemetry";
/// The indent of a command's second line.
const INDENT: &str = "      ";

/// Sends the same three queries again and again.
#[derive(Debug)]
pub(super) struct Questions {
    client: reqwest::Client,
    api: String,
    program: String,
    questions: [Question; 3],
}

#[derive(Debug)]
struct Question {
    title: &'static str,
    request: Request,
}

#[derive(Debug)]
enum Request {
    /// The parameters of a portable query of [`MEASUREMENT`]; each is an option, too.
    Portable(&'static [(&'static str, &'static str)]),
    Sql(&'static str),
}

/// The result of a query.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) title: &'static str,
    /// The command, in pieces that are not broken across lines.
    pieces: Vec<String>,
    outcome: Result<Answered, String>,
}

/// An answer: typed rows, and the JSON as received.
#[derive(Clone, Debug)]
struct Answered {
    columns: Vec<Column>,
    rows: Vec<Row>,
    json: Json,
}

const BY_MODEL: &str = "SELECT model, count(DISTINCT vin) AS vehicles, \
    round(avg(speed_kmh), 1) AS mean_kmh, max(speed_kmh) AS top_kmh, min(soc) AS lowest_soc, \
    count(DISTINCT vin) FILTER (WHERE battery_charging = 'FAULT') AS charger_faults \
    FROM telemetry WHERE time > now() - duration('10m') GROUP BY model ORDER BY model";

impl Questions {
    /// Queries an API's address; `program` is the name by which this program was called.
    pub(super) fn new(api: &str, program: String) -> Result<Self, DemoError> {
        let client = http_client().timeout(TIMEOUT).build();
        let client = client.map_err(DemoError::Client)?;
        Ok(Self { client, api: api.to_owned(), program, questions: questions() })
    }

    /// Sends all of them.
    pub(super) async fn ask(&self) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(self.questions.len());
        for question in &self.questions {
            let outcome = self.answer(&question.request).await;
            answers.push(Answer {
                title: question.title,
                pieces: question.pieces(&self.program, &self.api),
                outcome,
            });
        }
        answers
    }

    async fn answer(&self, request: &Request) -> Result<Answered, String> {
        let request = match request {
            Request::Portable(parameters) => {
                let url = format!("{}/api/v1/telemetry/{MEASUREMENT}", self.api);
                self.client.get(url).query(parameters)
            }
            Request::Sql(text) => {
                let url = format!("{}/api/v1/query", self.api);
                self.client.post(url).json(&json!({ "language": "sql", "text": text }))
            }
        };
        let failed = |error: reqwest::Error| format!("no answer: {error}");
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        let body = response.text().await.map_err(failed)?;
        if !status.is_success() {
            return Err(format!("{status}: {body}"));
        }
        Answered::read(&body).map_err(|failure| failure.to_string())
    }
}

impl Question {
    /// The command for this query.
    fn pieces(&self, program: &str, api: &str) -> Vec<String> {
        let mut pieces = vec![format!("$ {} query", quoted(program))];
        match self.request {
            Request::Portable(parameters) => {
                pieces.push(MEASUREMENT.to_owned());
                let options = parameters.iter().map(|(name, value)| format!("--{name} {value}"));
                pieces.extend(options);
            }
            Request::Sql(text) => {
                pieces.push("sql".to_owned());
                pieces.extend(quoted(text).split(' ').map(str::to_owned));
            }
        }
        pieces.push(format!("--url {api}"));
        pieces
    }
}

fn questions() -> [Question; 3] {
    const NEWEST: &[(&str, &str)] = &[
        ("fields", "mode,speed_kmh,soc,battery_charging,lat,lon"),
        ("from", "-10s"),
        ("order", "desc"),
        ("limit", "5"),
    ];
    const MINUTES: &[(&str, &str)] = &[
        ("vehicle", "FLSIM000000000001"),
        ("fields", "speed_kmh,soc,battery_current"),
        ("fn", "mean"),
        ("every", "1m"),
        ("from", "-10m"),
        ("order", "desc"),
        ("limit", "5"),
    ];
    [
        Question { title: "The fleet, newest message first", request: Request::Portable(NEWEST) },
        Question { title: "One vehicle, minute by minute", request: Request::Portable(MINUTES) },
        Question { title: "The models compared, in SQL", request: Request::Sql(BY_MODEL) },
    ]
}

/// Collects the rows of an answer.
#[derive(Debug, Default)]
struct Gathered {
    columns: Vec<Column>,
    rows: Vec<Row>,
}

impl Sink for Gathered {
    fn columns(&mut self, columns: &[Column]) -> Result<(), Failure> {
        self.columns = columns.to_vec();
        Ok(())
    }

    fn row(&mut self, row: Row) -> Result<(), Failure> {
        self.rows.push(row);
        Ok(())
    }
}

impl Answered {
    fn read(body: &str) -> Result<Self, Failure> {
        let mut gathered = Gathered::default();
        query::read(body.as_bytes(), &mut gathered)?;
        let json = serde_json::from_str(body).map_err(Failure::failed)?;
        Ok(Self { columns: gathered.columns, rows: gathered.rows, json })
    }
}

impl Answer {
    /// An answer that was not received.
    #[cfg(test)]
    pub(super) fn failed(title: &'static str, trouble: &str) -> Self {
        Self { title, pieces: vec!["$ fleetline".to_owned()], outcome: Err(trouble.to_owned()) }
    }

    /// The command as a user would type it, in lines of at most `width` columns if the pieces
    /// allow.
    pub(super) fn typed(&self, width: Option<usize>) -> Vec<String> {
        match width {
            Some(width) => broken(&self.pieces, width),
            None => vec![self.pieces.join(" ")],
        }
    }

    /// The table, or why there is none.
    pub(super) fn drawn(&self, columns: usize) -> Vec<String> {
        match &self.outcome {
            Ok(answered) => {
                let text = present::table(&answered.columns, &answered.rows, Some(columns)).text;
                text.lines().map(str::to_owned).collect()
            }
            Err(trouble) => vec![present::visible(trouble)],
        }
    }

    /// For a machine.
    pub(super) fn json(&self) -> Json {
        let query = self.typed(None).concat();
        let query = query.trim_start_matches("$ ");
        match &self.outcome {
            Err(trouble) => json!({ "query": query, "error": trouble }),
            Ok(answered) => json!({ "query": query, "answer": answered.json }),
        }
    }
}

/// A word as an argument for a shell; our words hold no quotes, dollars or backslashes, which
/// double quotes do not protect.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("\"{word}\"") }
}

/// Breaks a command between pieces with the shell's continuation mark, which works inside double
/// quotes too.
fn broken(pieces: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for piece in pieces {
        match lines.last_mut() {
            None => lines.push(piece.clone()),
            Some(line) if line.len() + " ".len() + piece.len() + " \\".len() <= width => {
                line.push(' ');
                line.push_str(piece);
            }
            Some(line) => {
                line.push_str(" \\");
                lines.push(format!("{INDENT}{piece}"));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::start::{Arguments, Command};

    fn asked() -> Vec<Answer> {
        let answer = |question: &Question| Answer {
            title: "",
            pieces: question.pieces("fleet line", "http://127.0.0.1:8080"),
            outcome: Err("no answer".to_owned()),
        };
        questions().iter().map(answer).collect()
    }

    #[test]
    fn a_command_can_be_typed_as_it_is_shown() {
        let [newest, _, models] = &asked()[..] else { panic!("three") };
        assert_eq!(
            newest.typed(None),
            ["$ \"fleet line\" query telemetry --fields \
              mode,speed_kmh,soc,battery_charging,lat,lon --from -10s --order desc --limit 5 \
              --url http://127.0.0.1:8080"]
        );
        assert_eq!(
            newest.typed(Some(60)),
            [
                "$ \"fleet line\" query telemetry \\",
                "      --fields mode,speed_kmh,soc,battery_charging,lat,lon \\",
                "      --from -10s --order desc --limit 5 \\",
                "      --url http://127.0.0.1:8080",
            ]
        );
        let lines = models.typed(Some(80));
        assert!(lines.iter().all(|line| line.len() <= 80), "{lines:#?}");
        let (last, others) = lines.split_last().expect("some");
        assert!(others.iter().all(|line| line.ends_with(" \\")) && !last.ends_with('\\'));
        let joined: String = lines.iter().map(|line| line.trim_end_matches('\\')).collect();
        assert_eq!(joined.split_whitespace().collect::<Vec<_>>().join(" "), models.typed(None)[0]);
    }

    #[test]
    fn what_the_shell_would_change_is_not_in_a_command() {
        for answer in asked() {
            let text = answer.typed(None).concat();
            assert!(!text.trim_start_matches("$ ").contains(['$', '`', '!', '\\']), "{text}");
            assert!(text.matches('"').count() % 2 == 0, "{text}");
        }
    }

    #[test]
    fn the_command_line_takes_what_is_shown() {
        for answer in asked() {
            // As a shell splits it: our only quotes enclose a whole word.
            let text = answer.typed(None).concat();
            let quoted = text.trim_start_matches("$ ").split('"').enumerate();
            let words = quoted.flat_map(|(at, part)| match at % 2 {
                0 => part.split_whitespace().map(str::to_owned).collect(),
                _ => vec![part.to_owned()],
            });
            let words: Vec<String> = words.collect();
            let parsed = Arguments::try_parse_from(&words);
            let parsed = parsed.unwrap_or_else(|error| panic!("{words:?}: {error}"));
            assert!(matches!(parsed.command, Command::Query(_)), "{words:?}");
        }
    }
}
