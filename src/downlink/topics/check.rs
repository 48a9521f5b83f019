//! Saved queries held against the mappings.

use crate::{
    downlink::{
        prepare::AskError,
        question::{CHECKED_AT, Question},
    },
    mapping::{Plans, SavedQuery},
    model::Catalog,
    query::{QuestionError, columns_of},
    schema::Problem,
};

/// What is wrong with the saved queries, and what is most likely not meant: a name that no mapping
/// knows may be one that the store has.
#[must_use]
pub fn check_queries(plans: &Plans) -> (Vec<Problem>, Vec<Problem>) {
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    for query in plans.queries().iter() {
        match check(query, plans.catalog()) {
            Ok(None) => {}
            Ok(Some(warning)) => warnings.push(query.problem(warning)),
            Err(error) => problems.push(query.problem(error)),
        }
    }
    (problems, warnings)
}

/// What is wrong, or what may be.
fn check(query: &SavedQuery, catalog: &Catalog) -> Result<Option<String>, String> {
    let told = |error: AskError| error.to_string().replace("`query`: ", "");
    let (question, having) = Question::read(&query.question).map_err(told)?;
    let Question::Portable(portable) = question else { return Ok(None) };
    let (request, _) = portable.at(CHECKED_AT).map_err(told)?;
    let columns = match columns_of(request, catalog) {
        Ok(columns) => columns,
        Err(
            error @ (QuestionError::MeasurementUnknown { .. }
            | QuestionError::FieldUnknown { .. }
            | QuestionError::TagUnknown { .. }),
        ) => return Ok(Some(format!("{error}; it fails unless the store knows it"))),
        Err(error) => return Err(error.to_string()),
    };
    let is_missing = |path: &String| !columns.iter().any(|column| column.name == **path);
    match having.and_then(|having| having.paths().into_iter().find(is_missing)) {
        Some(path) => {
            let names: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
            let names = names.join(", ");
            Err(format!("`having` names `{path}`, and the answer's columns are {names}"))
        }
        None => Ok(None),
    }
}
