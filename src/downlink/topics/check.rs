//! Checks saved queries against the mappings.

use crate::{
    downlink::{
        prepare::RequestError,
        query_spec::{CHECKED_AT, QuerySpec},
    },
    mapping::{Plans, SavedQuery},
    model::Catalog,
    query::{QuestionError, columns_of},
    schema::Problem,
};

/// The errors of the saved queries, and the warnings: a name that is in no mapping may still exist
/// in the store.
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

/// Checks one query: an error, or a warning.
fn check(query: &SavedQuery, catalog: &Catalog) -> Result<Option<String>, String> {
    let told = |error: RequestError| error.to_string().replace("`query`: ", "");
    let (question, having) = QuerySpec::read(&query.question).map_err(told)?;
    let QuerySpec::Portable(portable) = question else { return Ok(None) };
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
