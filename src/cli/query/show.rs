//! Writes rows in the requested form.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};

use super::{
    arguments::Form,
    machine::{json_row, members},
    read::Sink,
};
use crate::{
    cli::{
        failure::Failure,
        output::{Output, complain},
        present::{Plot, table},
    },
    model::{Column, Row},
    query::{push_csv, push_csv_head},
};

/// Rows of a table that get a common layout; a longer table continues below, with its names again.
const BLOCK_ROWS: usize = 10_000;
/// Bytes per write to standard output.
const WRITE_BYTES: usize = 64 * 1024;

/// The columns differ from those of the previous page: the mappings were reloaded meanwhile.
#[derive(Debug, thiserror::Error)]
#[error("the columns changed between two pages; ask again")]
struct ColumnsChanged;

/// Writes an answer of one or several pages.
#[derive(Debug)]
pub(super) struct Show<'a> {
    form: Form,
    output: &'a mut Output,
    columns: Option<Vec<Column>>,
    /// The names of a JSON object's members.
    members: Vec<String>,
    /// Rows of the table's next block.
    block: Vec<Row>,
    plot: Option<Plot>,
    /// Text that is not written yet.
    text: String,
    rows: u64,
    /// What did not fit into a table; reported once.
    note: Option<String>,
    progress: Option<ProgressBar>,
}

impl<'a> Show<'a> {
    pub(super) fn new(form: Form, output: &'a mut Output) -> Self {
        // If the rows are visible, no progress is needed.
        let is_seen = std::io::stdout().is_terminal() || !std::io::stderr().is_terminal();
        Self {
            form,
            output,
            columns: None,
            members: Vec::new(),
            block: Vec::new(),
            plot: None,
            text: String::new(),
            rows: 0,
            note: None,
            progress: (!is_seen).then(spinner),
        }
    }

    /// Writes the remaining rows, and reports what the answer does not show; an incomplete answer
    /// is followed by its error.
    pub(super) fn finish(mut self, is_whole: bool) -> Result<(), Failure> {
        self.block()?;
        if let (Some(plot), Form::Plot { width, .. }) = (&self.plot, &self.form) {
            self.text.push_str(&plot.draw(*width));
            self.note = plot.note();
        }
        self.write()?;
        self.output.flush()?;
        if let Some(progress) = &self.progress {
            progress.finish_and_clear();
        }
        let is_for_people = matches!(self.form, Form::Table { .. } | Form::Plot { .. });
        if self.rows == 0 && is_whole && is_for_people {
            complain("no rows");
        }
        self.note.iter().for_each(complain);
        Ok(())
    }

    /// Draws the collected rows, or only the names if there was no row at all.
    fn block(&mut self) -> Result<(), Failure> {
        let (Form::Table { width }, Some(columns)) = (&self.form, &self.columns) else {
            return Ok(());
        };
        if self.block.is_empty() && self.rows > 0 {
            return Ok(());
        }
        let drawn = table(columns, &self.block, *width);
        self.text.push_str(&drawn.text);
        self.note = self.note.take().or_else(|| drawn.note());
        self.block.clear();
        self.write()
    }

    fn write(&mut self) -> Result<(), Failure> {
        self.output.bytes(self.text.as_bytes())?;
        self.text.clear();
        Ok(())
    }
}

fn spinner() -> ProgressBar {
    let spinner = ProgressBar::new_spinner();
    match ProgressStyle::with_template("{spinner} {human_pos} rows in {elapsed}") {
        Ok(style) => spinner.with_style(style),
        Err(_) => spinner,
    }
}

impl Sink for Show<'_> {
    fn columns(&mut self, columns: &[Column]) -> Result<(), Failure> {
        match &self.columns {
            Some(known) if known == columns => return Ok(()),
            Some(_) => return Err(Failure::failed(ColumnsChanged)),
            None => self.columns = Some(columns.to_vec()),
        }
        match &self.form {
            Form::Table { .. } => {}
            Form::Json => self.members = members(columns),
            Form::Csv => push_csv_head(columns, &mut self.text),
            Form::Plot { field, .. } => {
                self.plot = Some(Plot::new(columns, field).map_err(Failure::failed)?);
            }
        }
        Ok(())
    }

    fn row(&mut self, row: Row) -> Result<(), Failure> {
        self.rows += 1;
        if let Some(progress) = &self.progress {
            progress.inc(1);
        }
        match &self.form {
            Form::Table { .. } => {
                self.block.push(row);
                if self.block.len() == BLOCK_ROWS {
                    self.block()?;
                }
            }
            Form::Json => json_row(&self.members, &row, &mut self.text),
            Form::Csv => push_csv(&row, None, &mut self.text),
            Form::Plot { .. } => self.plot.iter_mut().for_each(|plot| plot.add(&row)),
        }
        if self.text.len() >= WRITE_BYTES { self.write() } else { Ok(()) }
    }
}
