//! AK-1 on the text of a question: one statement, and it only reads.
//!
//! Each language is cut into words by its own rules for strings, quoted names and comments. Where
//! a text could be cut in two ways, because only the grammar tells a regular expression from a
//! division, nothing is guessed: from there on the text may not hold what would be dangerous, not
//! even inside a string.
//!
//! The embedded store is not guarded here: SQLite's own authorizer sees the parsed statement.

mod check;
mod flux;
mod sql;
#[cfg(test)]
mod tests;

pub(in crate::store) use check::check;
