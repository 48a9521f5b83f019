//! TDengine: `POST /rest/sql/{database}`, answered with one document of JSON.
//!
//! The statement is the body. Parameters cannot be bound over REST, so [`literal`] writes them into
//! it; no other code does so (AK-2).
//!
//! The status says little: also a wrong statement is answered with 200, and the code in the
//! document is decisive. Rows are read one by one as they arrive; the number in `rows` at the end
//! of an answer must be equal to the number of rows read (AK-4).

mod literal;
mod rest;
#[cfg(test)]
mod tests;

pub(in crate::store) use rest::RestRows;
pub(super) use rest::{asking, describe, is_table_missing, refusal, request, table_names};
