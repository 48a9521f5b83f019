//! TDengine: `POST /rest/sql/{database}`, answered with one document of JSON.
//!
//! The statement is the body. There is nothing to bind with over REST, so parameters are written
//! into it by [`literal`], the one place that does so (AK-2).
//!
//! An answer's status says little: a wrong statement is 200 like a right one, and the code in the
//! document tells. Rows are read one by one as they come; what an answer has as `rows` at its end
//! must be what came (AK-4).

mod literal;
mod rest;
#[cfg(test)]
mod tests;

pub(in crate::store) use rest::RestRows;
pub(super) use rest::{asking, describe, is_table_missing, refusal, request, table_names};
