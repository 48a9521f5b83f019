//! The API's description at `/openapi.json`: OpenAPI 3.1, built from the code.
//!
//! `paths` says what is at which path and with which parameters, `shapes` what the answers are made
//! of. The lists in it (error codes, causes of dead letters, functions, languages) are those of the
//! code, so they cannot be forgotten. Tests hold the rest: every route and method is in it and none
//! else, each with the parameters that its handler knows; references lead somewhere; and answers
//! have the members that are written down here, no more and no less.
//!
//! Why by hand and not from annotations (utoipa): answers are written as they come, not from
//! structs that could be annotated, so annotations would be the same text in another place.

mod commands;
mod document;
mod paths;
mod pushes;
mod sessions;
mod shapes;
#[cfg(test)]
mod tests;

pub(super) use document::serve;
