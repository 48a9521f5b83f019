//! What the user sees: a board on a terminal, lines on a pipe, objects for a machine.

use std::io::IsTerminal as _;

use indicatif::HumanCount;
use serde_json::json;

use super::{
    answers::Answer,
    appliance::Places,
    board::{board, clock, millis, speed},
    screen::{Screen, room},
    status::{Doing, Status},
    summary::Summary,
};
use crate::cli::{failure::Failure, output::Output};

/// Looks from one line to the next on a pipe.
const LOOKS_A_LINE: usize = 5;
/// Looks from one set of answers to the next on a terminal.
const LOOKS_AN_ANSWER: usize = 5;

/// Columns of a table that is not on a terminal.
const PAPER_COLUMNS: usize = 120;

/// How it is shown, and what has been.
#[derive(Debug)]
pub(super) struct Show<'a> {
    output: &'a mut Output,
    form: Form,
    looks: usize,
    answers: Vec<Answer>,
    /// Whether the answers are on paper, and not only on the board.
    shown: bool,
}

#[derive(Debug)]
enum Form {
    /// On a terminal; the page is opened with the first look.
    Board(Option<Screen>),
    Lines,
    Json,
}

impl<'a> Show<'a> {
    pub(super) fn new(json: bool, output: &'a mut Output) -> Self {
        let form = match (json, std::io::stdout().is_terminal()) {
            (true, _) => Form::Json,
            (false, true) => Form::Board(None),
            (false, false) => Form::Lines,
        };
        Self { output, form, looks: 0, answers: Vec::new(), shown: false }
    }

    /// Where everything is: before anything else.
    pub(super) fn places(&mut self, places: &Places) -> Result<(), Failure> {
        match self.form {
            Form::Json => self.output.json(&json!({ "ready": places }))?,
            Form::Lines | Form::Board(_) => {
                for line in places.lines() {
                    self.output.line(line)?;
                }
                self.output.line("")?;
            }
        }
        self.output.flush()
    }

    /// Whether it is time to ask the questions (again).
    pub(super) fn wants_answers(&self, is_stored: bool) -> bool {
        match self.form {
            Form::Board(_) => {
                is_stored && (self.answers.is_empty() || self.looks.is_multiple_of(LOOKS_AN_ANSWER))
            }
            Form::Lines | Form::Json => is_stored && !self.shown,
        }
    }

    /// Whether nobody has seen an answer yet.
    pub(super) fn owes_answers(&self) -> bool {
        self.answers.is_empty()
    }

    /// Takes answers in; a board shows them with the next look.
    pub(super) fn answers(&mut self, answers: Vec<Answer>) -> Result<(), Failure> {
        self.answers = answers;
        match self.form {
            Form::Board(_) => Ok(()),
            Form::Lines | Form::Json => self.show_answers(PAPER_COLUMNS, None),
        }
    }

    /// How it stands now.
    pub(super) fn status(&mut self, status: &Status, places: &Places) -> Result<(), Failure> {
        // The first look comes before anything has happened.
        let is_due = self.looks % LOOKS_A_LINE == 1;
        self.looks += 1;
        match &mut self.form {
            Form::Board(screen) => {
                let screen = match screen {
                    Some(screen) => screen,
                    None => screen.insert(Screen::open(self.output)?),
                };
                let lines = board(status, places, &self.answers, room(), self.looks);
                return screen.draw(&lines, self.output);
            }
            Form::Lines if is_due => self.output.line(line(status))?,
            Form::Json if is_due => self.output.json(&json!({ "status": status }))?,
            Form::Lines | Form::Json => {}
        }
        self.output.flush()
    }

    /// The end: the terminal as it was, the last answers, and what it all came to.
    pub(super) fn summary(mut self, summary: &Summary) -> Result<(), Failure> {
        if let Form::Board(screen) = &mut self.form {
            drop(screen.take());
        }
        if !self.shown {
            self.show_answers(room().0, Some(room().0))?;
        }
        match self.form {
            Form::Json => self.output.json(&json!({ "stopped": summary }))?,
            Form::Lines | Form::Board(_) => {
                for line in summary.lines() {
                    self.output.line(line)?;
                }
            }
        }
        self.output.flush()
    }

    /// Tables are drawn within `columns`, commands broken only where there is a `width`.
    fn show_answers(&mut self, columns: usize, width: Option<usize>) -> Result<(), Failure> {
        self.shown = true;
        for answer in &self.answers {
            if matches!(self.form, Form::Json) {
                self.output.json(&answer.json())?;
                continue;
            }
            self.output.line("")?;
            self.output.line(answer.title)?;
            for line in answer.typed(width).into_iter().chain(answer.drawn(columns)) {
                self.output.line(line)?;
            }
        }
        if !matches!(self.form, Form::Json) {
            self.output.line("")?;
        }
        self.output.flush()
    }
}

/// A status as one line.
fn line(status: &Status) -> String {
    let doing = match status.doing {
        Doing::Connecting => "connecting",
        Doing::CatchingUp => "catching up",
        Doing::Driving => "driving",
        Doing::Stopping => "stopping",
    };
    let mut line = format!(
        "{} {doing}: {} of {} vehicles, {} messages/s, {} acknowledged, {} stored, {} in the spool, \
         PUBACK p50 {} p99 {}, {} dead letters",
        clock(status.seconds),
        HumanCount(status.connected),
        HumanCount(status.vehicles),
        speed(status.acknowledged_a_second),
        HumanCount(status.acknowledged),
        HumanCount(status.stored),
        HumanCount(status.in_spool),
        millis(status.puback_p50_ms),
        millis(status.puback_p99_ms),
        HumanCount(status.dead_lettered),
    );
    if let Some(cpu) = status.cpu_percent {
        line.push_str(&format!(", {cpu:.1} % of a core"));
    }
    if let Some(trouble) = &status.trouble {
        line.push_str(&format!(", trouble: {trouble}"));
    }
    line
}
