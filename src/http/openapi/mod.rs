//! The API's description at `/openapi.json`: OpenAPI 3.1, built from the code.
//!
//! `paths` contains the operations of each path with their parameters, `shapes` the schemas of the
//! answers. The lists in it (error codes, causes of dead letters, functions, languages) are those
//! of the code, so they cannot be forgotten. Tests check the rest: exactly the existing routes and
//! methods are described, each with the parameters of its handler; references are valid; and
//! answers have exactly the described members.
//!
//! Why by hand and not from annotations (utoipa): answers are streamed, not made from structs that
//! could be annotated, so annotations would only be the same text in another place.

mod commands;
mod document;
mod paths;
mod pushes;
mod sessions;
mod shapes;
#[cfg(test)]
mod tests;

pub(super) use document::serve;
