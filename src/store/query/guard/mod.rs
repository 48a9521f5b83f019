//! AK-1, checked on the text of a query: it is one statement, and it only reads.
//!
//! Each text is split into words by the rules of its language for strings, quoted names and
//! comments. Where a text can be split in two ways, because only the full grammar distinguishes a
//! regular expression from a division, nothing is guessed: from there on the text must not have a
//! dangerous word at all, not even inside a string.
//!
//! The embedded store needs no guard here: SQLite's own authorizer sees the parsed statement.

mod check;
mod flux;
mod sql;
#[cfg(test)]
mod tests;

pub(in crate::store) use check::check;
