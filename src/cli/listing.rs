//! Lists from the API: read page by page, and drawn.

use serde_json::Value as Json;

use crate::{
    cli::{
        appliance::{Answer, Appliance, ApplianceError},
        failure::Failure,
        output::{Output, complain, terminal_columns},
        present::table,
    },
    model::{Column, Row},
};

/// Objects per request.
const PAGE: usize = 1000;

/// A list, up to the requested length.
pub(in crate::cli) struct Listing {
    pub(in crate::cli) found: Vec<Json>,
    limit: usize,
    is_more: bool,
}

impl Listing {
    /// Reads a list; its member in the answer has the name of the path's last part.
    pub(in crate::cli) fn read(
        appliance: &Appliance,
        path: &[&str],
        parameters: &[(&'static str, String)],
        limit: usize,
    ) -> Result<Self, Failure> {
        let (mut found, mut after) = (Vec::new(), None);
        while found.len() < limit {
            let mut asked = parameters.to_vec();
            asked.push(("limit", PAGE.min(limit - found.len()).to_string()));
            asked.extend(after.take().map(|after| ("after", after)));
            let mut page = read(appliance.get(path, &asked))?;
            after = page["after"].as_str().map(ToOwned::to_owned);
            if let Json::Array(some) = page[path.last().copied().unwrap_or_default()].take() {
                found.extend(some);
            }
            if after.is_none() {
                break;
            }
        }
        Ok(Self { found, limit, is_more: after.is_some() })
    }

    /// One object a line, or a table.
    pub(in crate::cli) fn present(
        &self,
        columns: &[Column],
        row: impl Fn(&Json) -> Row,
        is_json: bool,
        output: &mut Output,
    ) -> Result<(), Failure> {
        if is_json {
            return self.found.iter().try_for_each(|object| output.json(object));
        }
        draw(columns, &self.found.iter().map(row).collect::<Vec<Row>>(), output)?;
        if self.is_more {
            complain(format_args!("there are more than {}: --limit shows more", self.limit));
        }
        Ok(())
    }
}

/// Draws a table as wide as the terminal.
pub(in crate::cli) fn draw(
    columns: &[Column],
    rows: &[Row],
    output: &mut Output,
) -> Result<(), Failure> {
    let drawn = table(columns, rows, terminal_columns());
    output.bytes(drawn.text.as_bytes())?;
    if let Some(note) = drawn.note() {
        complain(note.replace("--csv and --json show", "--json shows"));
    }
    Ok(())
}

/// The object of an answer.
pub(in crate::cli) fn read(answer: Result<Answer<'_>, ApplianceError>) -> Result<Json, Failure> {
    let answer = answer.and_then(Answer::wanted).map_err(Failure::failed)?;
    let foreign = answer.foreign();
    let read = serde_json::from_reader(answer).ok().filter(Json::is_object);
    read.ok_or_else(|| Failure::failed(foreign))
}
