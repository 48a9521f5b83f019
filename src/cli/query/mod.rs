//! `query`: questions to a running appliance, and their answers for people and programs.
//!
//! What follows `query` is a measurement, asked portably (`GET /api/v1/telemetry/{measurement}`),
//! or the name of a language with a question in it (`POST /api/v1/query`). The languages' names
//! come first: a measurement called `sql` is asked with `--measurement sql`.
//!
//! `--list` shows what there is to ask for (`GET /api/v1/measurements` and what lies below it).
//!
//! The life of a question: `arguments` reads it, `ask` sends it and follows the pages, `read` takes
//! the answer apart row by row as it comes, `show` writes each row. An answer of any size passes
//! through in bounded memory as CSV and JSON lines; a table is drawn in blocks, a plot holds its
//! points up to a bound.
//!
//! Standard output has the answer and nothing else; that there are more rows, or that columns did
//! not fit, goes to standard error. An answer that is cut off ends with exit code 1, whatever was
//! written by then.

mod arguments;
mod ask;
mod list;
mod machine;
mod read;
mod show;

pub(super) use arguments::Arguments;
pub(super) use ask::run;
pub(super) use read::{Sink, read};
