//! The terminal while the board is on it: a second page, drawn anew at every look.
//!
//! The second page (the "alternate screen") leaves what was there before untouched, and a resize
//! needs nothing but the next drawing. Lines are cut at the right and the bottom edge, never
//! wrapped, so that no size of terminal can tear the board.

use crossterm::{
    cursor::{Hide, MoveTo, Show},
    execute, queue,
    style::{Print, ResetColor},
    terminal::{
        BeginSynchronizedUpdate, Clear, ClearType, DisableLineWrap, EnableLineWrap,
        EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, size,
    },
};

use crate::cli::{failure::Failure, output::Output};

/// Where the system does not tell the size.
const SIZE_USUAL: (u16, u16) = (80, 24);

/// Columns and rows of the terminal now.
pub(super) fn room() -> (usize, usize) {
    let (columns, rows) = size().unwrap_or(SIZE_USUAL);
    // Some terminals on serial lines say zero.
    let (columns, rows) = if columns == 0 || rows == 0 { SIZE_USUAL } else { (columns, rows) };
    (usize::from(columns), usize::from(rows))
}

/// A second page on the terminal, closed on drop.
#[derive(Debug)]
pub(super) struct Screen(());

impl Screen {
    pub(super) fn open(output: &mut Output) -> Result<Self, Failure> {
        let mut bytes = Vec::new();
        queue!(bytes, EnterAlternateScreen, Hide, DisableLineWrap).map_err(Failure::output)?;
        output.bytes(&bytes)?;
        output.flush()?;
        Ok(Self(()))
    }

    /// Shows these lines and nothing else.
    pub(super) fn draw(&self, lines: &[String], output: &mut Output) -> Result<(), Failure> {
        let bytes = drawing(lines, room()).map_err(Failure::output)?;
        output.bytes(&bytes)?;
        output.flush()
    }
}

impl Drop for Screen {
    /// Gives the terminal back as it was, whatever the reason.
    fn drop(&mut self) {
        let mut out = std::io::stdout().lock();
        // A terminal that is gone needs nothing back.
        drop(execute!(out, ResetColor, EnableLineWrap, Show, LeaveAlternateScreen));
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
