//! What the user sees: a board on a terminal, lines on a pipe, objects for a machine.
//!
//! The board is on a second page of the terminal, redrawn at every look. That page (the "alternate
//! screen") keeps the previous contents untouched, and a resize needs only the next drawing. Lines
//! are cut at the right and the bottom edge, never wrapped, so that the board stays intact at every
//! terminal size.

use std::io::IsTerminal as _;

use crossterm::{
    cursor::{self, MoveTo},
    execute, queue,
    style::{Print, ResetColor},
    terminal::{
        BeginSynchronizedUpdate, Clear, ClearType, DisableLineWrap, EnableLineWrap,
        EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, size,
    },
};
use indicatif::HumanCount;
use serde_json::json;

use super::{
    answers::Answer,
    appliance::Places,
    board::{board, clock, millis, speed},
    push::Heard,
    status::{Doing, Status, Summary},
};
use crate::cli::{failure::Failure, output::Output};

/// Looks per line on a pipe.
const LOOKS_A_LINE: usize = 5;
/// Looks per set of answers on a terminal.
const LOOKS_AN_ANSWER: usize = 5;

/// If the system does not report the size.
const SIZE_USUAL: (u16, u16) = (80, 24);
/// Columns of a table that is not on a terminal.
const PAPER_COLUMNS: usize = 120;

/// The output form, and what was already shown.
#[derive(Debug)]
pub(super) struct Show<'a> {
    output: &'a mut Output,
    form: Form,
    looks: usize,
    answers: Vec<Answer>,
    /// Whether the answers were printed as text, and not only on the board.
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

    /// Prints the addresses, before anything else.
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

    /// Whether it is time to send the queries (again).
    pub(super) fn wants_answers(&self, is_stored: bool) -> bool {
        match self.form {
            Form::Board(_) => {
                is_stored && (self.answers.is_empty() || self.looks.is_multiple_of(LOOKS_AN_ANSWER))
            }
            Form::Lines | Form::Json => is_stored && !self.shown,
        }
    }

    /// Whether no answer was shown yet.
    pub(super) fn owes_answers(&self) -> bool {
        self.answers.is_empty()
    }

    /// Takes answers; a board shows them with the next look.
    pub(super) fn answers(&mut self, answers: Vec<Answer>) -> Result<(), Failure> {
        self.answers = answers;
        match self.form {
            Form::Board(_) => Ok(()),
            Form::Lines | Form::Json => self.show_answers(PAPER_COLUMNS, None),
        }
    }

    /// Shows the current status.
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

    /// The end: restores the terminal, prints the last answers and the totals.
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
    if let Some(pushed) = status.push.as_ref().and_then(Heard::pushed) {
        line.push_str(&format!(", push to {}: {}", pushed.targeted(), pushed.states()));
    }
    if let Some(cpu) = status.cpu_percent {
        line.push_str(&format!(", {cpu:.1} % of a core"));
    }
    if let Some(trouble) = &status.trouble {
        line.push_str(&format!(", trouble: {trouble}"));
    }
    line
}

/// The terminal's current columns and rows.
fn room() -> (usize, usize) {
    let (columns, rows) = size().unwrap_or(SIZE_USUAL);
    // Some terminals on serial lines report zero.
    let (columns, rows) = if columns == 0 || rows == 0 { SIZE_USUAL } else { (columns, rows) };
    (usize::from(columns), usize::from(rows))
}

/// A second page on the terminal, closed on drop.
#[derive(Debug)]
struct Screen(());

impl Screen {
    fn open(output: &mut Output) -> Result<Self, Failure> {
        let mut bytes = Vec::new();
        queue!(bytes, EnterAlternateScreen, cursor::Hide, DisableLineWrap)
            .map_err(Failure::output)?;
        output.bytes(&bytes)?;
        output.flush()?;
        Ok(Self(()))
    }

    /// Shows these lines and nothing else.
    fn draw(&self, lines: &[String], output: &mut Output) -> Result<(), Failure> {
        let bytes = drawing(lines, room()).map_err(Failure::output)?;
        output.bytes(&bytes)?;
        output.flush()
    }
}

impl Drop for Screen {
    /// Restores the terminal in every case.
    fn drop(&mut self) {
        let mut out = std::io::stdout().lock();
        // A closed terminal needs no restoring.
        drop(execute!(out, ResetColor, EnableLineWrap, cursor::Show, LeaveAlternateScreen));
    }
}

fn drawing(lines: &[String], (columns, rows): (usize, usize)) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    queue!(bytes, BeginSynchronizedUpdate)?;
    for (row, line) in (0_u16..).zip(lines.iter().take(rows)) {
        let line = console::truncate_str(line, columns, "…");
        queue!(bytes, MoveTo(0, row), Clear(ClearType::CurrentLine), Print(line), ResetColor)?;
    }
    if lines.len() < rows {
        let end = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        queue!(bytes, MoveTo(0, end), Clear(ClearType::FromCursorDown))?;
    }
    queue!(bytes, EndSynchronizedUpdate)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_stays_within_the_terminal() {
        let lines: Vec<String> = (0..10).map(|n| format!("line {n} is a long one")).collect();
        let bytes = drawing(&lines, (8, 3)).expect("memory");
        let text = String::from_utf8(bytes).expect("text");
        let text = console::strip_ansi_codes(&text).into_owned();
        assert_eq!(text, "line 0 …line 1 …line 2 …");
    }
}
